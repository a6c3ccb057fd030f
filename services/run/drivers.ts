/**
 * The kinds of clouds that this program knows: one line per driver. A configuration that names no clouds gets one of the
 * first kind. Drivers load their packages when a cloud of their kind is opened, and not here.
 */

import { driver as ec2 } from '../adapters/cloud/ec2/driver.ts'
import type { Delivery, Driver } from '../adapters/cloud/kit/driver.ts'
import { driver as local } from '../adapters/cloud/local/driver.ts'
import { driver as opennebula } from '../adapters/cloud/opennebula/driver.ts'
import { driver as openstack } from '../adapters/cloud/openstack/driver.ts'
import { delivery as sshDelivery, driver as ssh } from '../adapters/cloud/ssh/driver.ts'

export const drivers: readonly Driver[] = [local, openstack, opennebula, ec2, ssh]

export const delivery: Delivery = sshDelivery
