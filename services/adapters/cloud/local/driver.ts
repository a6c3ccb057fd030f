/**
 * The driver of clouds of kind local: VMs are process trees on this machine, made from no image and reached without a
 * secret.
 */

import { userDataBytes } from '../../../../core/kernel/limits.ts'
import type { Driver } from '../kit/driver.ts'
import { type LocalConfig, type RawLocal, schema } from './config.ts'

export const driver: Driver<RawLocal, LocalConfig> = {
  kind: 'local',
  schema,
  traits: {
    isOnThisMachine: true,
    isLent: false,
    startsImages: false,
    takesDelivery: false,
    userData: { maxBytes: userDataBytes, counted: 'plain' },
  },
  secrets: () => ({}),
  async open({ bootDelayMs }, { name, installation, directory, clock }) {
    const { localCloud } = await import('./cloud.ts')
    const quota = { vms: Infinity, cores: Infinity, memoryBytes: Infinity }
    return localCloud({ name, installation, directory, clock, bootDelayMs, quota })
  },
}
