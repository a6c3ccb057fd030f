/** What the OpenNebula driver is given: how it logs in, and how its VMs are made. Types only. */

import type { Reference } from '../../../../core/model/reference.ts'
import type { DriverOptions } from '../kit/driver.ts'
import type { ClientOptions } from './client.ts'
import type { OrderOptions } from './order.ts'

export type OpenNebulaOptions = DriverOptions &
  ClientOptions &
  OrderOptions & {
    /** Of all VMs; then our images are images there. Without it they are templates. */
    readonly template?: Reference
    /** Whether the quotas of the user's group count as well. */
    readonly groupQuota: boolean
    /** OpenNebula reports POWEROFF for running machines too: it is believed only after this time without a change. */
    readonly powerOffDoubtMs: number
  }
