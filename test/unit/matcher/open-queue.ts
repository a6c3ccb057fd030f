/** A queue over the store in memory, on a clock that a test moves, with pilots that are written down rather than run. */

import { memoryLiveOutput } from '../../../services/adapters/live-output/memory/memory-live-output.ts'
import { memoryBlobs } from '../../../services/adapters/sandbox/memory/memory-blobs.ts'
import type { Caller } from '../../../core/access/caller.ts'
import { assert } from '../../../core/kernel/assert.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { Owner } from '../../../core/model/owner.ts'
import type { FoundTraits, Traits } from '../../../core/model/traits.ts'
import type { RawSpec } from '../../../core/language/check.ts'
import type { Offer, PilotMessage, ServiceMessage } from '../../../core/model/pilot.ts'
import { silentLog } from '../../../core/ports/log.ts'
import type { Sandbox } from '../../../core/ports/sandbox.ts'
import type { Store } from '../../../core/ports/store.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import { localBus } from '../../../services/adapters/bus/local/local-bus.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { directorDefaults } from '../../../services/director/options.ts'
import type { JobPorts } from '../../../services/jobs/ports.ts'
import { openPilotStream, type PilotStream } from '../../../services/matcher/pilot-stream.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { sweeperRole } from '../../../core/model/roles.ts'
import { processRoles } from '../../../core/model/process-role.ts'
import { buildRuntime, type Runtime } from '../../../services/run/runtime.ts'
import { activeVm, alice, sampleSpec } from '../../../sim/samples.ts'
import { type VirtualClock, virtualClock } from '../../support/virtual-clock.ts'
import { noAmounts } from '../../../core/model/resources.ts'

export const leaseMs = 30_000

/** A user as the edges hand her to steer, and an operator. */
export const asAlice: Caller = { owner: alice, reach: 'own' }
export const asOperator: Caller = { owner: { vo: 'ops', group: 'ops', owner: 'operator' }, reach: 'any' }

export type TestQueue = Omit<Runtime, 'sweep' | 'reserve' | 'matching'> & {
  readonly store: Store
  readonly clock: VirtualClock
  readonly queue: JobPorts
  readonly matching: NonNullable<Runtime['matching']>
  /** Under the role, which no other process wants here. */
  readonly sweep: { step(): Promise<void> }
  readonly reserve: { step(fence?: number): Promise<void> }
}

/** `store`: one that another queue used before: a restart. */
export async function openQueue(store: Store = memoryStore(), clock = virtualClock(1_000_000)): Promise<TestQueue> {
  const forgetting: Sandbox = {
    keep: async () => 0,
    read: async () => undefined,
    forget: async () => {},
  }
  const runtime = await buildRuntime({
    store,
    bus: localBus(clock),
    clock,
    log: silentLog(),
    sandbox: forgetting,
    live: memoryLiveOutput(),
    blobs: memoryBlobs(),
    roles: processRoles,
    holder: 'only',
    policy: { leaseMs, renewEveryMs: 8000, keepEndedMs: 60_000, reserveAfterMs: 300_000 },
    director: {
      random: seededRandom(1),
      clouds: [],
      services: [],
      render: () => '',
      policy: directorDefaults,
    },
  })
  // A process serves the pilots.
  await store.hold('api:00', 'only', 10 ** 12, clock.nowMs())
  const sweep = { step: () => runtime.sweep.step({ role: sweeperRole, fence: 1 }) }
  const reserve = { step: (fence = 1) => runtime.reserve.step({ role: sweeperRole, fence }) }
  const { jobs: queue, matching } = runtime
  assert(matching !== undefined, 'it serves pilots')
  return { ...runtime, queue, matching, sweep, reserve, store, clock }
}

export type WrittenPilot = PilotStream & {
  readonly vmId: VmId
  readonly heard: ServiceMessage[]
  /** Everything assigned so far, in order. */
  assigned(): readonly string[]
  say(message: Partial<PilotMessage>): Promise<void>
  offer(cores: number, received?: number): Promise<void>
}

/** A VM of 8 cores that is Active, and its pilot's stream. */
export async function openPilot(
  { matching, store, clock }: TestQueue,
  name: string,
  held: PilotMessage['renew'] = [],
  { traits, found, gpus }: { readonly traits?: Traits; readonly found?: FoundTraits; readonly gpus?: number } = {},
): Promise<WrittenPilot> {
  const vm = activeVm(name, { endByMs: 10 ** 12, traits, gpus })
  await store.intend(vm, clock.nowMs())
  const heard: ServiceMessage[] = []
  const session = await openPilotStream(matching, vm.id, { send: (message) => heard.push(message), end: () => {} })
  const assigned = () => heard.flatMap(({ assignments }) => assignments.map(({ jobId, attempt }) => `${jobId}.${attempt}`))
  async function say(message: Partial<PilotMessage>): Promise<void> {
    await session.receive({ reports: [], renew: [], ...message })
    await clock.settle()
    await clock.settle()
  }
  await say({ hello: { version: 'test', held, found } })
  return {
    ...session,
    vmId: vm.id,
    heard,
    assigned,
    say,
    offer: (cores, received = assigned().length) => say({ offer: offerOf(cores, received) }),
  }
}

export function offerOf(cores: number, received: number): Offer {
  const room = { cores, ...noAmounts, memoryBytes: 2 ** 40, diskBytes: 2 ** 40, remainingMs: Infinity }
  return { ...room, maxJobs: cores, received }
}

export async function submitSome(
  { queue, clock }: TestQueue,
  count: number,
  changes: Partial<RawSpec> = {},
  owner: Owner = alice,
): Promise<JobId[]> {
  const jobs = Array.from({ length: count }, () => ({ ...sampleSpec(), ...changes }))
  const { jobIds } = await submit(queue, { owner, jobs, idempotencyKey: '' })
  await clock.settle()
  await clock.settle()
  return [...jobIds]
}
