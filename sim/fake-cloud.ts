/**
 * A cloud in memory, on a virtual clock, with everything that real ones do to their users: slow calls, lost replies, lagging
 * lists, full quotas, machines that never boot and deletes that take their time.
 *
 * A fault is either scripted (the next call of a kind) or drawn from a rate with the seeded chance that it was given, so
 * that a run repeats exactly. Keeps what a test wants to know afterwards: every machine that ever was, and the most at one
 * time.
 */

import { type Clock, sleep } from '../core/kernel/clock.ts'
import { type ErrorCode, PilotageError } from '../core/kernel/errors.ts'
import type { VmId } from '../core/kernel/ids.ts'
import type { Cloud, VmOrder } from '../core/ports/cloud.ts'
import type { CloudQuota, CloudVm } from '../core/model/cloud.ts'
import type { WaitFailure } from '../core/model/proof.ts'
import type { Random } from '../core/kernel/random.ts'

export type FakeCall = 'create' | 'list' | 'destroy' | 'quota' | 'consoleLog'

/** `lostReply`: the cloud did it, and only the answer was lost. `hangMs`: how long the answer takes. */
export type FakeFault = { readonly code?: ErrorCode; readonly lostReply?: boolean; readonly hangMs?: number }

export type FakeMachine = {
  readonly ref: string
  readonly order: VmOrder
  readonly createdMs: number
  /** From when it runs; Infinity: never. */
  bootedMs: number
  /** Switched off by itself or by a crash, but still there and paid for. */
  offMs: number
  errorDetail: string
  /** What the cloud says of it before it runs. */
  waiting: Pick<CloudVm, 'detail' | 'failure'>
  console: string
  endingMs: number
  /** From when it is no more. */
  goneMs: number
}

export type FakeCloudOptions = {
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly quota?: Partial<CloudQuota>
  readonly bootMs?: number
  readonly destroyMs?: number
  /** The age of a list: it shows the cloud as it was this long ago. */
  readonly listLagMs?: number
  /** How long each call takes. */
  readonly callMs?: number
  /** False: the same VM id again makes a second machine, as on a cloud without tokens. */
  readonly isIdempotent?: boolean
}

export type FakeCloud = Cloud & {
  /** Every machine that ever was, oldest first. */
  readonly machines: readonly FakeMachine[]
  /** How often each call was made. */
  readonly calls: Readonly<Record<FakeCall, number>>
  /** The most that there ever was at one time. */
  readonly peak: { readonly vms: number; readonly cores: number }
  /** Chances of a fault per call; may be changed at any time. */
  readonly rates: Partial<Record<FakeCall, number>> & { lostReply?: number; neverBoots?: number }
  quotaNow: CloudQuota
  /** What the next call of this kind does; several wait in a row. */
  script(call: FakeCall, ...faults: readonly FakeFault[]): void
  /** The machines that are there now, ending ones included. */
  present(): readonly FakeMachine[]
  find(vmId: VmId): FakeMachine | undefined
  /** It runs: it was booted, and is neither off nor ending. */
  isRunning(machine: FakeMachine): boolean
  /** Switched off: a shutdown from inside, or a crash. */
  powerOff(vmId: VmId): void
  /** The cloud takes it away, and says nothing. */
  vanish(vmId: VmId): void
  /** What the cloud says of the machines that are made from now on, as long as they do not run. */
  says(waiting: FakeMachine['waiting']): void
  /** The cloud says that it will never run. */
  breakDown(vmId: VmId, detail: string, failure?: WaitFailure): void
}

/** By its number in the cloud, which ends its reference. */
function addressOf(ref: string): string {
  return `10.0.0.${ref.slice(ref.lastIndexOf('-') + 1)}`
}

function shown(machine: FakeMachine, atMs: number): CloudVm {
  const { ref, order, createdMs, bootedMs, offMs, errorDetail, waiting, endingMs } = machine
  const base = { ref, vmId: order.vmId, createdMs, detail: errorDetail }
  if (atMs >= endingMs) return { ...base, power: 'ending' }
  if (errorDetail !== '') return { ...base, ...waiting, detail: errorDetail, power: 'error' }
  if (atMs >= offMs) return { ...base, power: 'stopped' }
  return atMs < bootedMs
    ? { ...base, ...waiting, power: 'building' }
    : { ...base, power: 'running', addresses: [addressOf(ref)] }
}

export function fakeCloud(options: FakeCloudOptions): FakeCloud {
  const { name, clock, random, bootMs = 1000, destroyMs = 0, listLagMs = 0, callMs = 0, isIdempotent = true } = options
  const machines: FakeMachine[] = []
  const scripts: Partial<Record<FakeCall, FakeFault[]>> = {}
  const calls: Record<FakeCall, number> = { create: 0, list: 0, destroy: 0, quota: 0, consoleLog: 0 }
  const rates: FakeCloud['rates'] = {}
  const peak = { vms: 0, cores: 0 }
  let waitingNow: FakeMachine['waiting'] = { detail: '' }
  const present = (atMs = clock.nowMs()): FakeMachine[] =>
    machines.filter(({ createdMs, goneMs }) => createdMs <= atMs && atMs < goneMs)

  function draw(call: FakeCall): FakeFault | undefined {
    const scripted = scripts[call]?.shift()
    if (scripted) return scripted
    if (random.next() >= (rates[call] ?? 0)) return undefined
    return { code: 'cloud-transient', lostReply: random.next() < (rates.lostReply ?? 0) }
  }

  async function call<Value>(kind: FakeCall, act: () => Value): Promise<Value> {
    calls[kind] += 1
    const fault = draw(kind)
    if (callMs > 0) await sleep(clock, callMs)
    const value = fault?.code && !fault.lostReply ? undefined : act()
    if (fault?.hangMs) await sleep(clock, fault.hangMs)
    if (fault?.code) throw new PilotageError(fault.code, `${kind} on ${name}: as the test wished`)
    return value as Value
  }

  function make(order: VmOrder): FakeMachine {
    const twin = present().find((machine) => machine.order.vmId === order.vmId)
    if (twin && isIdempotent) return twin
    const vms = present().length + 1
    const cores = present().reduce((sum, machine) => sum + machine.order.shape.cores, order.shape.cores)
    const { quotaNow } = cloud
    if (vms > quotaNow.vms || cores > quotaNow.cores) throw new PilotageError('cloud-quota', `the quota of ${name} is full`)
    const nowMs = clock.nowMs()
    const neverBoots = random.next() < (rates.neverBoots ?? 0)
    const machine: FakeMachine = {
      ref: `${name}-${machines.length + 1}`,
      order,
      createdMs: nowMs,
      bootedMs: neverBoots ? Infinity : nowMs + bootMs,
      offMs: Infinity,
      errorDetail: '',
      waiting: waitingNow,
      console: `console of ${name}-${machines.length + 1}`,
      endingMs: Infinity,
      goneMs: Infinity,
    }
    machines.push(machine)
    peak.vms = Math.max(peak.vms, vms)
    peak.cores = Math.max(peak.cores, cores)
    return machine
  }

  function end(ref: string): 'gone' | 'going' {
    const nowMs = clock.nowMs()
    const machine = present().find((one) => one.ref === ref)
    if (!machine) return 'gone'
    machine.endingMs = Math.min(machine.endingMs, nowMs)
    machine.goneMs = Math.min(machine.goneMs, machine.endingMs + destroyMs)
    return machine.goneMs <= nowMs ? 'gone' : 'going'
  }

  const find = (vmId: VmId): FakeMachine | undefined => present().find(({ order }) => order.vmId === vmId)
  const change = (vmId: VmId, changes: Partial<FakeMachine>): void => {
    const machine = find(vmId)
    if (machine) Object.assign(machine, changes)
  }
  const cloud: FakeCloud = {
    name,
    machines,
    calls,
    peak,
    rates,
    quotaNow: { vms: Infinity, cores: Infinity, memoryBytes: Infinity, ...options.quota },
    create: (order) => call('create', () => ({ ref: make(order).ref })),
    list: () =>
      call('list', () => {
        const atMs = clock.nowMs() - listLagMs
        return present(atMs).map((machine) => shown(machine, atMs))
      }),
    destroy: (ref) => call('destroy', () => end(ref)),
    consoleLog: (ref) => call('consoleLog', () => machines.find((machine) => machine.ref === ref)?.console ?? ''),
    quota: () => call('quota', () => cloud.quotaNow),
    script: (kind, ...faults) => {
      scripts[kind] = [...(scripts[kind] ?? []), ...faults]
    },
    present: () => present(),
    find,
    isRunning: ({ bootedMs, offMs, endingMs, errorDetail }) => {
      const nowMs = clock.nowMs()
      return bootedMs <= nowMs && nowMs < offMs && nowMs < endingMs && errorDetail === ''
    },
    powerOff: (vmId) => change(vmId, { offMs: clock.nowMs() }),
    vanish: (vmId) => change(vmId, { goneMs: clock.nowMs() }),
    says: (waiting) => {
      waitingNow = waiting
    },
    breakDown: (vmId, detail, failure) =>
      change(vmId, { errorDetail: detail, waiting: { detail, ...(failure === undefined ? {} : { failure }) } }),
  }
  return cloud
}
