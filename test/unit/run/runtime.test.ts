import { memoryLiveOutput } from '../../../services/adapters/live-output/memory/memory-live-output.ts'
import { memoryBlobs } from '../../../services/adapters/sandbox/memory/memory-blobs.ts'
import type { Caller } from '../../../core/access/caller.ts'
import { assert } from '../../../core/kernel/assert.ts'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { VmId } from '../../../core/kernel/ids.ts'
import { leaseOf } from '../../../core/model/job.ts'
import { takeOverMs } from '../../../core/kernel/limits.ts'
import type { Bus } from '../../../core/ports/bus.ts'
import { silentLog } from '../../../core/ports/log.ts'
import type { Sandbox } from '../../../core/ports/sandbox.ts'
import { localBus } from '../../../services/adapters/bus/local/local-bus.ts'
import { openPilotStream } from '../../../services/matcher/pilot-stream.ts'
import { setShare, shareWeights } from '../../../services/accounting/share-weights.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { type ProcessRole, processRoles } from '../../../core/model/process-role.ts'
import { buildRuntime, type Runtime, startLoops } from '../../../services/run/runtime.ts'
import { openWorld, periodMs, type World } from '../director/world.ts'
import { offerOf } from '../matcher/open-queue.ts'
import { activeVm, alice, bob, sampleSpec } from '../../../sim/samples.ts'
import { type Path, troubledPath } from '../../support/troubled-path.ts'

const leaseMs = 90_000
const sandbox: Sandbox = { keep: async () => 0, read: async () => undefined, forget: async () => undefined }

let world: World
let bus: Bus
let started: Running[]

type Running = { readonly runtime: Runtime; readonly path: Path; stop(): Promise<void> }

beforeEach(() => {
  world = openWorld()
  bus = localBus(world.clock)
  started = []
})

afterEach(() => {
  for (const { path } of started) path.isDead = true
})

async function start(roles: readonly ProcessRole[], holder: string): Promise<Running> {
  const path = troubledPath(world.clock)
  const runtime = await buildRuntime({
    roles,
    holder,
    store: path.view(world.store),
    bus,
    clock: path.clock,
    log: silentLog(),
    sandbox,
    live: memoryLiveOutput(),
    blobs: memoryBlobs(),
    policy: { leaseMs, renewEveryMs: 25_000, keepEndedMs: Infinity, reserveAfterMs: 300_000 },
    director: world.options,
  })
  const running = { runtime, path, ...startLoops(runtime, periodMs) }
  started.push(running)
  return running
}

const held = async (): Promise<readonly string[]> =>
  (await world.store.roles('', world.clock.nowMs())).map(({ role, holder }) => `${role} ${holder}`)

it('a process with every role holds every role lease after its first step, and reads its cloud', async () => {
  await start(processRoles, 'only')
  await world.clock.advance(0)
  expect(await held()).toEqual(['accountant only', 'api:00 only', 'cloud:here only', 'director:00 only', 'sweeper only'])
  expect(world.cloud.calls.list).toBe(1)
  expect(await world.store.note('plan:here')).toBeDefined()
})

it('one that was killed waits for nothing when it starts again under its name', async () => {
  const first = await start(processRoles, 'only')
  await world.clock.advance(5000)
  first.path.isDead = true
  const lists = world.cloud.calls.list
  await start(processRoles, 'only')
  await world.clock.advance(0)
  expect(await held()).toHaveLength(5)
  expect(world.cloud.calls.list).toBe(lists + 1)
})

it('one that ends in order leaves nothing held', async () => {
  const { stop } = await start(processRoles, 'only')
  await world.clock.advance(25_000)
  const stopped = stop()
  await world.clock.advance(1000)
  await stopped
  expect(await held()).toEqual([])
})

it('a process that only shows holds nothing', async () => {
  await start(['dashboard'], 'page')
  await world.clock.advance(periodMs)
  expect(await held()).toEqual([])
})

it('a process that serves no pilots charges what it ends, and the ones that serve hear of it', async () => {
  const [sweeps, serves] = [await start(['sweeper'], 'one'), await start(['api'], 'two')]
  await world.clock.advance(5000)
  expect(await held()).toEqual(['accountant one', 'api:00 two', 'charger:00 one', 'sweeper one'])
  const vm = activeVm('a', { endByMs: 10 ** 13 })
  await world.store.intend(vm, world.clock.nowMs())
  await world.claim(await world.submit(1), vm.id)
  await world.clock.advance(3 * leaseMs)
  const charged = sweeps.runtime.ledger.usageOf(alice, world.clock.nowMs())
  expect(charged).toBeGreaterThan(0)
  await world.clock.advance(35_000)
  const heard = serves.runtime.ledger.usageOf(alice, world.clock.nowMs())
  expect(Math.abs(heard - charged)).toBeLessThan(0.01 * charged)
})

it('of two sweepers one gives up what has ended, and the other one after it', async () => {
  const [one, two] = [await start(['sweeper', 'api'], 'one'), await start(['sweeper', 'api'], 'two')]
  await world.clock.advance(5000)
  const sweeper = async () => (await world.store.roles('sweeper', world.clock.nowMs()))[0]?.holder
  const first = await sweeper()
  const [dies, stays] = first === 'one' ? [one, 'two'] : [two, 'one']
  dies.path.isDead = true
  await world.clock.advance(takeOverMs)
  expect(await sweeper()).toBe(stays)
  const vm = activeVm('a', { endByMs: 10 ** 13 })
  await world.store.intend(vm, world.clock.nowMs())
  const id = await world.submit(1)
  await world.claim(id, vm.id)
  await world.clock.advance(2 * leaseMs + takeOverMs)
  expect((await world.store.jobs([id]))[0]?.phase.state).toBe('Waiting')
})

/** A pilot with this number of cores on a process of its own choice, that ends each job as soon as it has it. */
async function eager({ runtime: { matching } }: Running, name: string, cores: number) {
  assert(matching !== undefined, 'it serves pilots')
  const vm = activeVm(name, { cores, memoryBytes: 2 ** 50, diskBytes: 2 ** 50, endByMs: 10 ** 13 })
  await world.store.intend(vm, world.clock.nowMs())
  const got: string[] = []
  const session = await openPilotStream(matching, vm.id, {
    send({ assignments }) {
      for (const { jobId, attempt } of assignments) got.push(`${jobId}.${attempt}`)
    },
    end: () => {},
  })
  await session.receive({ hello: { version: 'test', held: [] }, reports: [], renew: [] })
  return { vmId: vm.id, got, offer: () => session.receive({ reports: [], renew: [], offer: offerOf(cores, got.length) }) }
}

it('two that serve share a queue: nothing is leased twice, and each takes from its own part', async () => {
  const [one, two] = [await start(['api'], 'one'), await start(['api'], 'two')]
  await world.clock.advance(10_000)
  expect([one, two].map(({ runtime }) => runtime.roleLeases.seat?.now()?.of)).toEqual([2, 2])
  const pilots = [await eager(one, 'a', 100), await eager(two, 'b', 100)]
  const jobs = Array.from({ length: 1000 }, () => sampleSpec())
  await submit(one.runtime.jobs, { owner: alice, jobs, idempotencyKey: '' })
  await world.clock.advance(3000)
  await Promise.all(pilots.map(({ offer }) => offer()))
  await world.clock.advance(1000)
  const all = pilots.flatMap(({ got }) => got)
  expect(new Set(all).size).toBe(200)
  const parts = pilots.map(({ got }) => new Set(got.map((text) => Math.floor(Number.parseInt(text, 10) / 64) % 2)))
  expect(parts.map(({ size }) => size)).toEqual([1, 1])
  const live = (await world.store.list({ states: ['Matched'], limit: 1000 })).map(({ phase }) => leaseOf(phase)?.vmId)
  expect(pilots.map(({ vmId }) => live.filter((id?: VmId) => id === vmId).length)).toEqual([100, 100])
})

it('matches by the weights that an operator sets within ten seconds, and counts what runs while it runs', async () => {
  const serves = await start(['api'], 'one')
  const { jobs, ledger, weights } = serves.runtime
  await world.clock.advance(1000)
  const pilot = await eager(serves, 'a', 100)
  const many = Array.from({ length: 200 }, () => sampleSpec())
  for (const owner of [alice, bob]) await submit(jobs, { owner, jobs: many, idempotencyKey: '' })
  const caller: Caller = { owner: { vo: 'ops', group: 'g', owner: 'olga' }, reach: 'any' }
  // Set by another process: this one has to read it.
  const other = { store: world.store, clock: world.clock, weights: shareWeights(world.store, []) }
  await setShare(other, caller, { path: [bob.vo], weight: 9, reason: '' })
  expect(weights.now().of([bob.vo])).toBe(1)
  await world.clock.advance(11_000)
  expect(weights.now().of([bob.vo])).toBe(9)
  await pilot.offer()
  await world.clock.advance(1000)
  const vos = (await world.store.list({ states: ['Matched'], limit: 1000 })).map(({ vo }) => vo)
  expect(vos).toHaveLength(100)
  expect(vos.filter((vo) => vo === bob.vo)).toHaveLength(90)
  await world.clock.advance(80_000)
  // 90 cores for 80 s and more, none of which has ended: renewals are not this test's.
  expect(ledger.usageOf(bob, world.clock.nowMs())).toBeGreaterThan(90 * 75_000)
})
