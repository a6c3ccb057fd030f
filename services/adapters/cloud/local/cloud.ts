/**
 * The local cloud: VMs that are process trees on this machine, each in a directory of its own, behind the cloud port.
 *
 * Plays hypervisor and cloud-init and holds no policy, as every driver. Everything it knows lies in its directory and in
 * /proc, so VMs outlive the service and a new driver on the same directory finds them. It is no fence against malice: a
 * payload that wipes its environment and leaves its parent, session and group at once escapes. What stays true: a VM that is
 * `gone` has no process left that can be known as its own.
 */

import { join, resolve } from 'node:path'
import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { Cloud, VmOrder } from '../../../../core/ports/cloud.ts'
import type { CloudQuota, CloudVm } from '../../../../core/model/cloud.ts'
import { asCloudVm, makeMachine, markEnding, refFor, type Machine } from './machine.ts'
import { allMachines, bury, findMachine, killMachine, openHome, readConsole, wasBuried } from './machines.ts'
import { quotaLeft, refuseOver, refuseUnknown } from './order.ts'
import { bootId, isAlive, type Process, processesOf, readProcess, readProcesses, signalAll } from './processes.ts'
import { readUserData } from './user-data.ts'

export type LocalCloudOptions = {
  readonly name: string
  /** VMs of another installation in the same directory count against the quota and are not listed. */
  readonly installation: string
  /** Made if it is not there. */
  readonly directory: string
  readonly clock: Clock
  readonly bootDelayMs: number
  /** Infinity where it does not matter. */
  readonly quota: CloudQuota
  /** Where given, orders for others are refused. */
  readonly flavors?: readonly string[]
  readonly images?: readonly string[]
  /** The Node that runs the agents; the service's own if absent. */
  readonly nodePath?: string
}

export function localCloud(given: LocalCloudOptions): Cloud {
  const options = { ...given, directory: resolve(given.directory) }
  const { name, directory: home } = options
  openHome(home)

  /** Failures of this machine as the port wants them: nothing is known about what was done. */
  async function call<T>(doing: string, run: () => T | Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (cause) {
      if (cause instanceof PilotageError) throw cause
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new PilotageError('cloud-transient', `${doing} on ${name}: ${reason}`, { cause })
    }
  }

  return {
    name,
    create: (order) => call(`creating ${order.vmId}`, () => ({ ref: create(options, order) })),
    list: () => call('listing', () => list(options)),
    destroy: (ref) => call(`destroying ${ref}`, () => destroy(options, ref)),
    consoleLog: (ref) => call(`reading the console of ${ref}`, () => readConsole(home, ref)),
    quota: () =>
      call('asking for the quota', () => {
        const others = allMachines(home).filter((machine) => isForeign(options, machine))
        return quotaLeft(options.quota, others)
      }),
  }
}

/** Nothing in it waits, so that no second order can come between the check of the quota and the VM. */
function create(options: LocalCloudOptions, order: VmOrder): string {
  const { directory: home, installation, clock, bootDelayMs, nodePath = process.execPath } = options
  const { vmId, shape } = order
  const ref = refFor(vmId)
  // A VM that ended is not made again: a late repetition of an order must not create a VM that the service does not expect.
  if (findMachine(home, ref) || wasBuried(home, ref)) return ref

  refuseUnknown(options, order)
  const userData = readUserData(order.userData)
  refuseOver(options.quota, allMachines(home), order)

  const record = { installation, vmId, createdMs: clock.nowMs(), shape }
  makeMachine(join(home, ref), record, userData, { delayMs: bootDelayMs, nodePath })
  return ref
}

function list(options: LocalCloudOptions): readonly CloudVm[] {
  const machines = allMachines(options.directory)
  const boot = bootId()
  // Each machine's own init is looked at first: the whole of /proc is read only where one of them has ended.
  const inits = machines.flatMap(({ init }) => (init ? (readProcess(init.pid) ?? []) : []))
  let all: readonly Process[] | undefined
  return machines.flatMap((machine) => {
    const { vmId, init } = machine
    // Init switches its VM off as it ends; if it was killed instead, that is left to us.
    if (init && !isAlive(init, inits, boot)) {
      all ??= readProcesses()
      signalAll(processesOf(vmId, init, all, boot), 'SIGKILL')
    }
    return isForeign(options, machine) ? [] : [asCloudVm(machine, inits, boot)]
  })
}

async function destroy({ directory: home, clock }: LocalCloudOptions, ref: string): Promise<'gone' | 'going'> {
  const machine = findMachine(home, ref)
  if (!machine) return 'gone'
  markEnding(machine, clock.nowMs())
  if (!(await killMachine(machine, clock))) return 'going'
  await bury(home, machine)
  return 'gone'
}

/** A half made VM names no installation: this driver removes it. */
function isForeign({ installation }: LocalCloudOptions, { record }: Machine): boolean {
  return record !== undefined && record.installation !== installation
}
