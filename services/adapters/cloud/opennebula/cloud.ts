/**
 * OpenNebula behind the cloud port, over XML-RPC, for versions 6 and 7. Holds no policy: repeats nothing, chooses nothing.
 *
 * OpenNebula makes a VM as often as it is asked to. So each VM carries our marks, the pool is looked at before every create,
 * and after one whose outcome is unknown; of creates of one id at a time there is one. What bears another mark is never
 * touched. OpenNebula has no console log to hand out.
 */

import { PilotageError } from '../../../../core/errors.ts'
import type { VmId } from '../../../../core/ids.ts'
import { directorEveryMs } from '../../../../core/limits.ts'
import type { Cloud, CloudQuota, CloudVm, VmOrder } from '../../../../core/ports/cloud.ts'
import type { DriverOptions, Reference } from '../kit/driver.ts'
import { openCatalogue } from './catalogue.ts'
import { type ClientOptions, type Deadline, documentOf, openClient } from './client.ts'
import { errorFor, isUnknownThing, isWrongState } from './errors.ts'
import { inTime, sharedLooks } from './looks.ts'
import { type Machine, openMachines } from './machines.ts'
import { orderText, type OrderOptions } from './order.ts'
import { quotaFrom, type Used } from './quota.ts'
import { isLeaving, isWorthNaming } from './states.ts'

export type OpenNebulaOptions = DriverOptions &
  ClientOptions &
  Omit<OrderOptions, 'installation'> & {
    /** Of all VMs; then our images are images there. Without it they are templates. */
    readonly template?: Reference
    /** Whether the quotas of the user's group count as well. */
    readonly groupQuota: boolean
    /** POWEROFF is told of running machines too: only what stays so for so long is believed. */
    readonly powerOffDoubtMs: number
  }

/** So many of those that were made last are known without a look. */
const madeKept = 10_000

export function openNebulaCloud(options: OpenNebulaOptions): Cloud & { close(): Promise<void> } {
  const { name, clock, log, installation } = options
  const client = openClient(options)
  const machines = openMachines(client, installation)
  const catalogue = openCatalogue({ ...options, client })
  const freshLook = sharedLooks(() => machines.look(client.deadline()))
  const made = new Map<VmId, string>()
  const underWay = new Map<VmId, Promise<{ readonly ref: string }>>()
  const offSince = new Map<string, number>()
  let counted: { readonly atMs: number; readonly used: Used } | undefined

  async function look(deadline: Deadline): Promise<readonly Machine[]> {
    const beganMs = clock.monotonicMs()
    const found = await inTime(freshLook(), clock, deadline.leftMs(), `listing VMs on ${name}`)
    counted = { atMs: beganMs, used: usedBy(found) }
    return found
  }

  function remember(vmId: VmId, ref: string): { readonly ref: string } {
    made.set(vmId, ref)
    const [oldest] = made.keys()
    if (made.size > madeKept && oldest !== undefined) made.delete(oldest)
    return { ref }
  }

  async function findMade(vmId: VmId, deadline: Deadline): Promise<{ readonly ref: string } | undefined> {
    const [first] = (await look(deadline)).filter((one) => one.vmId === vmId).sort((a, b) => Number(a.ref) - Number(b.ref))
    return first && remember(vmId, first.ref)
  }

  async function make(order: VmOrder): Promise<{ readonly ref: string }> {
    const { vmId, shape } = order
    const deadline = client.deadline()
    const found = await findMade(vmId, deadline)
    if (found) return found
    const doing = `creating ${vmId} on ${name}`
    const { template, imageId } = await catalogue.find(shape.image, deadline)
    const text = orderText(order, template, options, imageId)
    // The template, its name, not on hold, what is different, and no persistent copy.
    const parameters = [template.id, vmId, false, text, false] as const
    try {
      const answer = await client.ask('one.template.instantiate', parameters, doing, deadline)
      if (answer.ok) return remember(vmId, refIn(answer.value, doing))
      if (isUnknownThing(answer.failure)) catalogue.forget()
      throw errorFor(answer.failure, doing, 'create')
    } catch (thrown) {
      if (!(thrown instanceof PilotageError) || thrown.code !== 'cloud-transient') throw thrown
      const late = await findMade(vmId, deadline).catch(() => undefined)
      if (late) return late
      throw thrown
    }
  }

  async function destroy(ref: string): Promise<'gone' | 'going'> {
    const doing = `destroying ${ref.slice(0, 40)} on ${name}`
    const deadline = client.deadline()
    const found = await machines.one(ref, deadline)
    if (!found || found.state.standing === 'done') return 'gone'
    if (isLeaving(found.state)) return 'going'
    const answer = await client.ask('one.vm.action', ['terminate-hard', found.id], doing, deadline)
    if (answer.ok) return 'going'
    if (isUnknownThing(answer.failure)) return 'gone'
    // While it is being brought up nothing can end it; a machine that OpenNebula cannot clean up stays so, and says why.
    if (isWrongState(answer.failure)) {
      log.debug({ cloud: name, ref, state: found.state.name }, 'cannot be terminated in its state')
      return 'going'
    }
    throw errorFor(answer.failure, doing, 'vm')
  }

  async function account(method: string, root: string, deadline: Deadline) {
    const doing = `asking for the quota on ${name}`
    return documentOf(await client.value(method, [-1], { doing, asking: 'all', deadline }), root, doing)
  }

  async function quota(): Promise<CloudQuota> {
    const deadline = client.deadline()
    const accounts = [account('one.user.info', 'USER', deadline)]
    if (options.groupQuota) accounts.push(account('one.group.info', 'GROUP', deadline))
    // The list of this cycle will do: a second one would cost the cloud more than it tells.
    const isRecent = counted !== undefined && clock.monotonicMs() - counted.atMs < directorEveryMs
    const [told] = await Promise.all([Promise.all(accounts), isRecent ? undefined : look(deadline)])
    return quotaFrom(told, counted?.used ?? nothingUsed, options.cpuPerCore)
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

  return {
    name,
    create(order) {
      const { vmId } = order
      const ref = made.get(vmId)
      // One that has ended since is not made again: a late repetition must not raise a VM that nobody expects.
      if (ref !== undefined) return Promise.resolve({ ref })
      const running = underWay.get(vmId) ?? make(order).finally(() => underWay.delete(vmId))
      underWay.set(vmId, running)
      return running
    },
    list,
    destroy,
    consoleLog: async () => '',
    quota,
    close: () => client.close(),
  }
}

const nothingUsed: Used = { vms: 0, cpu: 0, memoryMb: 0 }

function usedBy(found: readonly Machine[]): Used {
  return found.reduce(
    ({ vms, cpu, memoryMb }, one) => ({ vms: vms + 1, cpu: cpu + one.cpu, memoryMb: memoryMb + one.memoryMb }),
    nothingUsed,
  )
}

function asCloudVm({ ref, vmId, state, createdMs, reason }: Machine, isDoubted: boolean): CloudVm {
  const detail = isWorthNaming(state) ? `${state.name}${reason === '' ? '' : `: ${reason}`}` : reason
  return { ref, vmId, power: powerOf(state.standing, isDoubted), detail, createdMs }
}

function powerOf(standing: Machine['state']['standing'], isDoubted: boolean): CloudVm['power'] {
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

function refIn(value: string, doing: string): string {
  if (/^\d+$/.test(value)) return value
  throw new PilotageError('cloud-transient', `${doing}: the answer names no VM`)
}
