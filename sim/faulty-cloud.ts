/**
 * Faults around any cloud: what real ones do to their users, each kind with a chance of its own, drawn from a seeded Random.
 *
 * Knows only the port and the clock that it was given, and lies only as clouds do: a call fails before or after it was done,
 * a call gets no answer within its time, a list is old or incomplete, one order makes two machines, a machine is stuck.
 * What stays true: with every chance at 0 it is the cloud itself; a list is never older than `lagMs`; and at most
 * `partsInARow` incomplete lists in a row look complete, which is what reconciliation promises to survive.
 */

import { type Clock, sleep } from '../core/kernel/clock.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import { newVmId, type VmId } from '../core/kernel/ids.ts'
import { cloudCallMs, listLagMs } from '../core/kernel/limits.ts'
import type { Cloud, VmOrder } from '../core/ports/cloud.ts'
import type { CloudQuota, CloudVm } from '../core/model/cloud.ts'
import type { Random } from '../core/kernel/random.ts'

const calls = ['create', 'list', 'destroy', 'quota', 'consoleLog'] as const
type Call = (typeof calls)[number]

/**
 * By the call that it may befall:
 * unwell          a 5xx: nothing was done
 * busy            a 429: nothing was done
 * silent          no answer within `callMs`; half of them are done, at some moment of that time
 * expired         the token is no longer good, for this call and all others of the next `expiredMs` at most
 * lostReply       it was done, and then a 5xx
 * twice           one order, two machines
 * stuckBuilding   made, and never seen to come up for `stuckMs` at most
 * stuckEnding     `going`, and so it stays for `stuckMs` at most
 * quotaTaken      others take what was left of the quota, and keep it for `takenMs` at most
 * old             the list as it was up to `lagMs` ago: new machines are not there yet, deleted ones still are
 * broken          the list ends early, and the driver notices
 * part            the list ends early, and the driver does not notice: each machine is left out with `partRate`
 */
const befalls = {
  unwell: calls,
  busy: calls,
  silent: calls,
  expired: calls,
  lostReply: calls,
  twice: ['create'],
  stuckBuilding: ['create'],
  quotaTaken: ['create'],
  stuckEnding: ['destroy'],
  old: ['list'],
  broken: ['list'],
  part: ['list'],
} as const satisfies Readonly<Record<string, readonly Call[]>>

export type Fault = keyof typeof befalls
export const faults = Object.keys(befalls) as readonly Fault[]

/** Chances per call. One call meets at most one fault: what may befall it adds up to 1 at most. */
export type FaultRates = Readonly<Record<Fault, number>>

export const noFaults: FaultRates = Object.freeze(
  Object.fromEntries(faults.map((fault) => [fault, 0])) as Record<Fault, number>,
)

/** So much of all creates, lists and destroys goes wrong, in every way that there is; a little less of the other calls. */
export function faultsAt(total: number): FaultRates {
  const rates = {
    ...{ unwell: 0.18, busy: 0.12, silent: 0.1, expired: 0.03, lostReply: 0.17 },
    ...{ twice: 0.08, stuckBuilding: 0.12, quotaTaken: 0.2 },
    stuckEnding: 0.4,
    ...{ old: 0.15, broken: 0.05, part: 0.2 },
  }
  return Object.fromEntries(faults.map((fault) => [fault, rates[fault] * total])) as Record<Fault, number>
}

export type FaultyCloudOptions = {
  readonly cloud: Cloud
  readonly clock: Clock
  readonly random: Random
  readonly rates?: Partial<FaultRates>
  readonly callMs?: number
  readonly lagMs?: number
  readonly stuckMs?: number
  readonly expiredMs?: number
  readonly takenMs?: number
  readonly partRate?: number
  readonly partsInARow?: number
}

export type FaultyCloud = Cloud & {
  /** May be changed at any time. */
  rates: FaultRates
  /** Calls that a fault befell, by kind. */
  readonly met: Readonly<Record<Fault, number>>
  /** No faults from now on, and an end to those that last: what is stuck comes loose, and lists are new. */
  calm(): void
  /** Neither boots nor ends, for the time being. */
  isStuck(ref: string): boolean
  /** Whom a machine is for, as the cloud beneath knows it: a second one for an id has another id there. */
  ownerOf(vmId: VmId): VmId
}

type Snapshot = { readonly beganMs: number; readonly list: readonly CloudVm[] }

type Inside = Required<Omit<FaultyCloudOptions, 'rates'>> & {
  /** Second machines, by their id beneath. */
  readonly twins: Map<VmId, VmId>
  readonly stuck: Map<string, { readonly power: 'building' | 'ending'; readonly untilMs: number }>
  readonly refs: Set<string>
  snapshots: Snapshot[]
  parts: number
  expiredUntilMs: number
  takenUntilMs: number
}

export function faultyCloud({ rates, ...given }: FaultyCloudOptions): FaultyCloud {
  const inside: Inside = {
    ...{ callMs: cloudCallMs, lagMs: listLagMs, stuckMs: 30 * 60_000, expiredMs: 60_000, takenMs: 120_000 },
    ...{ partRate: 0.5, partsInARow: 2 },
    ...given,
    ...{ twins: new Map(), stuck: new Map(), refs: new Set(), snapshots: [], parts: 0 },
    ...{ expiredUntilMs: -Infinity, takenUntilMs: -Infinity },
  }
  const { cloud, clock, random } = inside
  const met = Object.fromEntries(faults.map((fault) => [fault, 0])) as Record<Fault, number>

  /** Which fault befalls this call. A token that has expired befalls every call. */
  function draw(call: Call): Fault | undefined {
    let left = random.next()
    const drawn = faults.find((fault) => {
      if (!(befalls[fault] as readonly Call[]).includes(call)) return false
      left -= faulty.rates[fault]
      return left < 0
    })
    const fault = clock.nowMs() < inside.expiredUntilMs ? 'expired' : drawn
    if (fault) met[fault] += 1
    return fault
  }

  async function around<Value>(call: Call, act: (fault: Fault | undefined) => Promise<Value>): Promise<Value> {
    const fault = draw(call)
    const doing = `${call} on ${cloud.name}`
    switch (fault) {
      case 'unwell':
        throw new PilotageError('cloud-transient', `${doing}: 503 service unavailable`)
      case 'busy':
        throw new PilotageError('cloud-transient', `${doing}: 429 too many requests`, { retryAfterMs: 5000 })
      case 'expired':
        // Renewed at some moment, however often it is asked for until then.
        if (clock.nowMs() >= inside.expiredUntilMs) inside.expiredUntilMs = clock.nowMs() + random.next() * inside.expiredMs
        throw new PilotageError('cloud-auth', `${doing}: 401 the token has expired`)
      case 'lostReply':
        await act(undefined)
        throw new PilotageError('cloud-transient', `${doing}: 502 bad gateway`)
      case 'silent':
        return await unanswered(inside, doing, act)
      default:
        return await act(fault)
    }
  }

  const faulty: FaultyCloud = {
    name: cloud.name,
    rates: { ...noFaults, ...rates },
    met,
    create: (order) => around('create', (fault) => create(inside, order, fault)),
    list: () => around('list', (fault) => list(inside, fault)),
    destroy: (ref) => around('destroy', (fault) => destroy(inside, ref, fault)),
    consoleLog: (ref) => around('consoleLog', () => cloud.consoleLog(ref)),
    quota: () => around('quota', () => quota(inside)),
    calm() {
      faulty.rates = noFaults
      Object.assign(inside, { snapshots: [], expiredUntilMs: -Infinity, takenUntilMs: -Infinity })
      inside.stuck.clear()
    },
    isStuck: (ref) => stuckAs(inside, ref) !== undefined,
    ownerOf: (vmId) => inside.twins.get(vmId) ?? vmId,
  }
  return faulty
}

async function unanswered<Value>(
  { clock, random, callMs }: Inside,
  doing: string,
  act: (fault: undefined) => Promise<Value>,
): Promise<never> {
  const endMs = clock.monotonicMs() + callMs
  if (random.next() < 0.5) {
    await sleep(clock, random.next() * callMs)
    // Its answer is lost, whatever it is.
    await act(undefined).catch(() => undefined)
  }
  await sleep(clock, Math.max(0, endMs - clock.monotonicMs()))
  throw new PilotageError('cloud-transient', `${doing}: no answer within ${callMs} ms`)
}

async function create(inside: Inside, order: VmOrder, fault: Fault | undefined): Promise<{ readonly ref: string }> {
  const { cloud, clock, random, refs, stuck, takenMs } = inside
  const isTaken = fault === 'quotaTaken' || clock.nowMs() < inside.takenUntilMs
  // What is there already takes nothing more from any quota.
  if (isTaken && !(await cloud.list()).some(({ vmId }) => vmId === order.vmId)) {
    if (fault === 'quotaTaken') inside.takenUntilMs = clock.nowMs() + random.next() * takenMs
    throw new PilotageError('cloud-quota', `create on ${cloud.name}: 403 quota exceeded`)
  }
  const made = await cloud.create(order)
  const isNew = !refs.has(made.ref)
  refs.add(made.ref)
  if (fault === 'stuckBuilding' && isNew) stuck.set(made.ref, { power: 'building', untilMs: untilMs(inside) })
  if (fault !== 'twice' || !isNew) return made
  const twin = await createTwin(inside, order)
  return random.next() < 0.5 ? made : (twin ?? made)
}

/** Where there is no room for two, one it is. */
async function createTwin({ cloud, random, twins, refs }: Inside, order: VmOrder) {
  const vmId = newVmId(random)
  // Known before it is asked for: a list may be read at any moment.
  twins.set(vmId, order.vmId)
  const twin = await cloud.create({ ...order, vmId }).catch(() => undefined)
  if (twin) refs.add(twin.ref)
  else twins.delete(vmId)
  return twin
}

async function list(inside: Inside, fault: Fault | undefined): Promise<readonly CloudVm[]> {
  const { cloud, clock, random, lagMs, partRate, partsInARow } = inside
  if (fault === 'broken') throw new PilotageError('cloud-transient', `list on ${cloud.name}: it ends in the middle`)
  const beganMs = clock.nowMs()
  const fresh = (await cloud.list()).map((vm) => seenThrough(inside, vm))
  inside.snapshots = [...inside.snapshots.filter((one) => one.beganMs >= beganMs - lagMs), { beganMs, list: fresh }]
  if (fault === 'part' && inside.parts < partsInARow) {
    inside.parts += 1
    return fresh.filter(() => random.next() >= partRate)
  }
  inside.parts = 0
  if (fault !== 'old') return fresh
  const fromMs = beganMs - random.next() * lagMs
  return inside.snapshots.find((one) => one.beganMs >= fromMs)?.list ?? fresh
}

function seenThrough(inside: Inside, vm: CloudVm): CloudVm {
  const stuck = stuckAs(inside, vm.ref)
  // What has failed or is off already is not stuck in being built.
  const power = stuck && (stuck === 'ending' || vm.power === 'running') ? stuck : vm.power
  return { ...vm, vmId: inside.twins.get(vm.vmId) ?? vm.vmId, power }
}

async function destroy(inside: Inside, ref: string, fault: Fault | undefined): Promise<'gone' | 'going'> {
  const { cloud, stuck } = inside
  if (stuckAs(inside, ref) === 'ending') return 'going'
  if (fault === 'stuckEnding' && (await cloud.list()).some((vm) => vm.ref === ref)) {
    stuck.set(ref, { power: 'ending', untilMs: untilMs(inside) })
    return 'going'
  }
  return await cloud.destroy(ref)
}

async function quota({ cloud, clock, takenUntilMs }: Inside): Promise<CloudQuota> {
  const actual = await cloud.quota()
  if (clock.nowMs() >= takenUntilMs) return actual
  return { ...actual, vms: Math.min(actual.vms, (await cloud.list()).length) }
}

function stuckAs({ stuck, clock }: Inside, ref: string): 'building' | 'ending' | undefined {
  const found = stuck.get(ref)
  if (found && clock.nowMs() < found.untilMs) return found.power
  stuck.delete(ref)
  return undefined
}

function untilMs({ clock, random, stuckMs }: Inside): number {
  return clock.nowMs() + random.next() * stuckMs
}
