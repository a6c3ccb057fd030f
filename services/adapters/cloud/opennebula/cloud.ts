/**
 * OpenNebula behind the cloud port, over XML-RPC, for versions 6 and 7. Holds no policy: repeats nothing, chooses nothing.
 *
 * Each VM carries our marks; what bears another mark, or none, is never touched. The pool is listed once for a list and for
 * all creates at a time, never VM by VM. OpenNebula has no console log to hand out.
 */

import { directorEveryMs } from '../../../../core/kernel/limits.ts'
import type { Cloud } from '../../../../core/ports/cloud.ts'
import type { Log } from '../../../../core/ports/log.ts'
import type { CloudQuota, CloudVm } from '../../../../core/model/cloud.ts'
import { openCatalogue } from './look-up.ts'
import { type Deadline, inTime } from '../kit/deadline.ts'
import { documentOf, openClient } from './client.ts'
import { openMaker } from './create.ts'
import { errorFor, isUnknownThing, isWrongState, waitFailure } from './errors.ts'
import { sharedLookUp } from '../kit/shared-look-up.ts'
import { type Machine, openMachines } from './machines.ts'
import type { OpenNebulaOptions } from './options.ts'
import { quotaFrom, unplannedLimits, type Used } from './quota.ts'
import { isLeaving, isUnplaced, isWorthNaming, type Standing } from './states.ts'
import type { Node } from './xml.ts'

export function openNebulaCloud(options: OpenNebulaOptions): Cloud & { close(): Promise<void> } {
  const { name, clock, log, installation } = options
  const client = openClient(options)
  const machines = openMachines(client, clock, installation)
  const freshLook = sharedLookUp(() => machines.look(client.deadline()))
  const offSince = new Map<string, number>()
  const nameUnplanned = namingUnplanned(name, log)
  let counted: { readonly atMs: number; readonly used: Used } | undefined

  async function look(deadline: Deadline): Promise<readonly Machine[]> {
    const atMs = clock.monotonicMs()
    const doing = `listing VMs on ${name}`
    const found = await inTime(freshLook(), clock, deadline.leftMs(doing), doing)
    counted = { atMs, used: usedBy(found) }
    return found
  }

  async function list(): Promise<readonly CloudVm[]> {
    const found = await look(client.deadline())
    const nowMs = clock.monotonicMs()
    const off = new Set(found.flatMap(({ ref, state }) => (state.standing === 'off' ? [ref] : [])))
    for (const ref of offSince.keys()) if (!off.has(ref)) offSince.delete(ref)
    for (const ref of off) if (!offSince.has(ref)) offSince.set(ref, nowMs)
    const isDoubted = (ref: string): boolean => nowMs - (offSince.get(ref) ?? nowMs) < options.powerOffDoubtMs
    return found.map((machine) => asCloudVm(machine, isDoubted(machine.ref)))
  }

  async function destroy(ref: string): Promise<'gone' | 'going'> {
    const doing = `destroying ${ref.slice(0, 40)} on ${name}`
    const deadline = client.deadline()
    const found = await machines.one(ref, deadline)
    if (!found || found.state.standing === 'done') return 'gone'
    if (isLeaving(found.state)) return 'going'
    const answer = await client.ask('one.vm.action', ['terminate-hard', found.id], doing, deadline)
    // The next call for this VM finds its end in its state.
    if (answer.ok) return 'going'
    if (isUnknownThing(answer.failure)) return 'gone'
    if (!isWrongState(answer.failure)) throw errorFor(answer.failure, doing, 'vm')
    // OpenNebula cannot end a VM while it boots.
    log.debug({ cloud: name, ref, state: found.state.name }, 'cannot be terminated in its state')
    return 'going'
  }

  async function account(method: string, root: string, deadline: Deadline): Promise<Node> {
    const doing = `asking for the quota on ${name}`
    return documentOf(await client.value(method, [-1], { doing, asking: 'all', deadline }), root, doing)
  }

  async function quota(): Promise<CloudQuota> {
    const deadline = client.deadline()
    const accounts = [account('one.user.info', 'USER', deadline)]
    if (options.groupQuota) accounts.push(account('one.group.info', 'GROUP', deadline))
    // A recent list is good enough: a second one costs the cloud more than its newer figures are worth.
    const isRecent = counted !== undefined && clock.monotonicMs() - counted.atMs < directorEveryMs
    const [answers] = await Promise.all([Promise.all(accounts), isRecent ? undefined : look(deadline)])
    nameUnplanned(unplannedLimits(answers))
    return quotaFrom(answers, counted?.used ?? nothingUsed, options.cpuPerCore)
  }

  return {
    name,
    create: openMaker({ ...options, client, catalogue: openCatalogue({ ...options, client }), look }),
    list,
    destroy,
    consoleLog: async () => '',
    quota,
    close: () => client.close(),
  }
}

/** Names them once, until they change. */
function namingUnplanned(cloud: string, log: Log): (limits: readonly string[]) => void {
  let named = ''
  return (limits) => {
    const text = limits.join()
    if (text !== named && text !== '') log.warn({ cloud, limits }, 'limits of the account that are not planned for')
    named = text
  }
}

const nothingUsed: Used = { vms: 0, cpu: 0, memoryMb: 0 }

function usedBy(found: readonly Machine[]): Used {
  return found.reduce(
    ({ vms, cpu, memoryMb }, one) => ({ vms: vms + 1, cpu: cpu + one.cpu, memoryMb: memoryMb + one.memoryMb }),
    nothingUsed,
  )
}

function asCloudVm(machine: Machine, isDoubted: boolean): CloudVm {
  const { ref, vmId, state, createdMs, reason } = machine
  const addresses = machine.addresses.length > 0 ? machine.addresses : undefined
  const detail = isWorthNaming(state) ? `${state.name}${reason === '' ? '' : `: ${reason}`}` : reason
  const failure = isUnplaced(state) ? { failure: waitFailure(reason) } : {}
  return { ref, vmId, power: powerOf(state.standing, isDoubted), detail, ...failure, createdMs, addresses }
}

function powerOf(standing: Standing, isDoubted: boolean): CloudVm['power'] {
  switch (standing) {
    case 'lost':
      return 'running'
    case 'off':
      return isDoubted ? 'running' : 'stopped'
    case 'done':
      return 'ending'
    default:
      return standing
  }
}
