/** A second driver on the directory of a service's local cloud: to look at its machines, and to harm them. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import { type LocalCloud, localCloud } from '../../services/adapters/cloud/local/cloud.ts'

export function localMachines(clock: Clock, dataDir: string, name: string): LocalCloud {
  const installation = readFileSync(join(dataDir, 'installation'), 'utf8').trim()
  const directory = join(dataDir, 'clouds', name)
  const quota = { vms: Infinity, cores: Infinity, memoryBytes: Infinity }
  return localCloud({ name, installation, directory, clock, bootDelayMs: 0, quota })
}

/** Where a VM's files lie on this machine. */
export function rootOf(dataDir: string, cloud: string, vmId: string): string {
  return join(dataDir, 'clouds', cloud, `i-${vmId.slice('vm-'.length)}`, 'root')
}
