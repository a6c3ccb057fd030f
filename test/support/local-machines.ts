/**
 * The VMs of a local cloud as only tests treat them: crashed, frozen, counted by their processes. Works on the directory of
 * the cloud, so that a test can do it to the VMs of a service in another process.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { Cloud } from '../../core/ports/cloud.ts'
import { localCloud, type LocalCloudOptions } from '../../services/adapters/cloud/local/cloud.ts'
import { type Machine, refFor } from '../../services/adapters/cloud/local/machine.ts'
import { findMachine, killMachine, processesNow, signalMachine } from '../../services/adapters/cloud/local/machines.ts'
import { signalAll } from '../../services/adapters/cloud/local/processes.ts'

/** Unknown VMs: `cloud-gone`. */
type LocalMachines = {
  /** The power fails: every process is killed at once. */
  crash(vmId: VmId): Promise<void>
  /** Every process stops, and the cloud still lists the VM as running. */
  hang(vmId: VmId): Promise<void>
  resume(vmId: VmId): Promise<void>
  /** The processes of the VM, also after its end: to prove that none is left. */
  pidsOf(vmId: VmId): readonly number[]
}

export type TestedLocalCloud = Cloud & LocalMachines

export function testedLocalCloud(options: LocalCloudOptions): TestedLocalCloud {
  return { ...localCloud(options), ...machinesIn(options.directory, options.clock) }
}

/** A second driver on the directory of a service's local cloud. */
export function localMachines(clock: Clock, dataDir: string, name: string): TestedLocalCloud {
  const installation = readFileSync(join(dataDir, 'installation'), 'utf8').trim()
  const directory = join(dataDir, 'clouds', name)
  const quota = { vms: Infinity, cores: Infinity, memoryBytes: Infinity }
  return testedLocalCloud({ name, installation, directory, clock, bootDelayMs: 0, quota })
}

function machinesIn(directory: string, clock: Clock): LocalMachines {
  function known(vmId: VmId): Machine {
    const found = findMachine(directory, refFor(vmId))
    if (!found) throw new PilotageError('cloud-gone', `looking for ${vmId}: there is no such VM`)
    return found
  }
  return {
    async crash(vmId) {
      await killMachine(known(vmId), clock)
    },
    async hang(vmId) {
      await signalMachine(known(vmId), 'SIGSTOP', (left) => left.every(({ state }) => state === 'T'), clock)
    },
    async resume(vmId) {
      signalAll(processesNow(known(vmId)), 'SIGCONT')
    },
    pidsOf: (vmId) => processesNow(findMachine(directory, refFor(vmId)) ?? { vmId }).map(({ pid }) => pid),
  }
}

/** Where a VM's files lie on this machine. */
export function rootOf(dataDir: string, cloud: string, vmId: string): string {
  return join(dataDir, 'clouds', cloud, `i-${vmId.slice('vm-'.length)}`, 'root')
}
