/**
 * Many processes at one store: each worker does what services do, at random, and keeps books of what it was answered. What
 * the store then holds must agree with all books together, whatever happened to the servers during the test.
 *
 * A call that fails as `unavailable` has an unknown outcome: the worker asks what became of it, as a service does.
 */

import { expect } from 'vitest'
import { type Clock, sleep } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import type { JobId, VmId } from '../../core/kernel/ids.ts'
import type { JobEvent } from '../../core/model/job-event.ts'
import { type Job, leaseOf } from '../../core/model/job.ts'
import type { Store } from '../../core/ports/store.ts'
import { type Random, seededRandom } from '../../core/kernel/random.ts'
import { fits } from '../../core/model/resources.ts'
import {
  activeVm,
  alice,
  sampleQueue,
  sampleRequirements,
  sampleResult,
  sampleSpec,
  sampleSubmission,
} from '../../sim/samples.ts'

export type Storm = {
  readonly stores: readonly Store[]
  readonly clock: Clock
  readonly workers: number
  readonly steps: number
  readonly seed: number
}

type Books = {
  readonly jobs: Set<JobId>
  /** By job and attempt: the VM that got it. */
  readonly grants: Map<string, VmId>
  readonly ended: Set<JobId>
  readonly retired: Set<VmId>
  unavailable: number
  lostRaces: number
}

type Worker = {
  readonly store: Store
  readonly other: Store
  readonly random: Random
  readonly books: Books
  vmId: VmId
  readonly name: string
  made: number
}

const wishes = [1, 2, 4].map((cores) => sampleRequirements({ cores: { min: cores, max: cores } }))
const leaseMs = 600_000

export async function runStorm({ stores, clock, workers, steps, seed }: Storm): Promise<Books> {
  const books: Books = {
    jobs: new Set(),
    grants: new Map(),
    ended: new Set(),
    retired: new Set(),
    unavailable: 0,
    lostRaces: 0,
  }
  await Promise.all(
    Array.from({ length: workers }, async (_, at) => {
      const store = stores[at % stores.length] as Store
      const other = stores[(at + 1) % stores.length] as Store
      const worker: Worker = {
        store,
        other,
        random: seededRandom(seed + at),
        books,
        vmId: '' as VmId,
        name: `w${String(at).padStart(2, '0')}`,
        made: 0,
      }
      await insist(books, clock, () => newVm(worker, clock))
      for (let step = 0; step < steps; step += 1) await act(worker, clock)
    }),
  )
  return books
}

async function act(worker: Worker, clock: Clock): Promise<void> {
  const { random, books } = worker
  const chance = random.next()
  const nowMs = clock.nowMs()
  if (chance < 0.12) return insist(books, clock, submitting(worker, nowMs))
  if (chance < 0.5) return trying(books, () => claim(worker, nowMs))
  if (chance < 0.85) return insist(books, clock, () => report(worker, nowMs))
  if (chance < 0.93) return trying(books, () => kill(worker, nowMs))
  return insist(books, clock, () => retire(worker, clock))
}

/** Until the store has answered: what is asked may be asked again. */
async function insist(books: Books, clock: Clock, ask: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await ask()
    } catch (error) {
      countUnavailable(books, error)
      if (tries > 100) throw error
      await sleep(clock, 200)
    }
  }
}

async function trying(books: Books, ask: () => Promise<void>): Promise<void> {
  await ask().catch((error: unknown) => countUnavailable(books, error))
}

function countUnavailable(books: Books, error: unknown): void {
  if (!(error instanceof PilotageError) || error.code !== 'unavailable') throw error
  books.unavailable += 1
}

/** With a key, and now and then once more through another process. */
function submitting({ store, other, random, books, name }: Worker, nowMs: number): () => Promise<void> {
  const requirements = wishes[Math.floor(random.next() * wishes.length)] ?? sampleRequirements()
  const count = 1 + Math.floor(random.next() * 150)
  const specs = Array.from({ length: count }, (_, at) =>
    sampleSpec({ requirements, priority: at < count / 3 ? 5 : 0, maxAttempts: 50 }),
  )
  const submission = sampleSubmission(specs, alice, `${name}-${random.letters(10)}`)
  const twice = random.next() < 0.3
  return async () => {
    const answers = await Promise.all([store, ...(twice ? [other] : [])].map((one) => one.submit(submission, nowMs)))
    const firsts = new Set(answers.map((answer) => (answer.ok ? answer.firstId : 0)))
    expect(firsts.size, 'one key, one answer').toBe(1)
    for (const first of firsts) for (let at = 0; at < count; at += 1) books.jobs.add((first + at) as JobId)
  }
}

async function claim(worker: Worker, nowMs: number): Promise<void> {
  const { store, random, books, vmId } = worker
  const queue = sampleQueue(alice, wishes[Math.floor(random.next() * wishes.length)])
  const next = await store.next(queue.id, 16)
  const events = next
    .slice(0, 1 + Math.floor(random.next() * 12))
    .map(({ id }): JobEvent => ({ kind: 'claim', jobId: id, vmId, cores: 1, untilMs: nowMs + leaseMs }))
  const outcomes = await store.change(events, nowMs)
  for (const outcome of outcomes) {
    if (!outcome.ok) {
      books.lostRaces += 1
      continue
    }
    const key = `${outcome.job.id}.${outcome.job.attempt}`
    expect(books.grants.get(key), `attempt ${key} is given once`).toBeUndefined()
    expect(outcome.spec, 'a claim comes with what shall be run').toBeDefined()
    expect(books.retired.has(vmId), `${vmId} is retired and gets nothing`).toBe(false)
    books.grants.set(key, vmId)
  }
}

/** What the store says that the VM holds: some of it ends, the rest is renewed. */
async function report({ store, random, books, vmId }: Worker, nowMs: number): Promise<void> {
  const held = await store.leasesOn(vmId)
  const events = held.map(({ id: jobId, attempt }): JobEvent => {
    if (random.next() < 0.7) return { kind: 'ended', jobId, attempt, vmId, result: sampleResult() }
    return { kind: 'renew', jobId, attempt, vmId, untilMs: nowMs + leaseMs }
  })
  const outcomes = await store.change(events, nowMs)
  for (const outcome of outcomes) if (outcome.ok && outcome.job.phase.state === 'Done') books.ended.add(outcome.job.id)
}

async function kill({ store, random, books }: Worker, nowMs: number): Promise<void> {
  const known = [...books.jobs]
  const jobId = known[Math.floor(random.next() * known.length)]
  if (jobId !== undefined) await store.change([{ kind: 'kill', jobId, by: 'storm', why: '' }], nowMs)
}

async function retire(worker: Worker, clock: Clock): Promise<void> {
  const { other, books, vmId } = worker
  const [outcome] = await other.changeVms([{ kind: 'retire', vmId, why: 'idle' }], clock.nowMs())
  if (!outcome?.ok) return
  books.retired.add(vmId)
  expect(await worker.store.leasesOn(vmId), `${vmId} was stopped while it held nothing`).toEqual([])
  await newVm(worker, clock)
}

async function newVm(worker: Worker, clock: Clock): Promise<void> {
  worker.made += 1
  // Some claims exceed it: those are lost races as well.
  const size = { cores: 24, memoryBytes: 2 ** 40, diskBytes: 2 ** 40 }
  const vm = activeVm(`${worker.name}${String(worker.made).padStart(4, '0')}`.slice(0, 10), size)
  await worker.store.intend(vm, clock.nowMs())
  worker.vmId = vm.id
}

/** Everything that the store answers must agree with itself and with the books. */
export async function audit(store: Store, books: Books): Promise<void> {
  const all = await everyJob(store)
  const byId = new Map(all.map((job) => [job.id, job]))
  expect(
    [...books.jobs].filter((id) => !byId.has(id)),
    'jobs lost',
  ).toEqual([])
  expect(
    [...books.ended].filter((id) => byId.get(id)?.phase.state !== 'Done'),
    'ends that were taken back',
  ).toEqual([])
  const waiting = all.filter(({ phase }) => phase.state === 'Waiting')
  const queues = await store.queues()
  expect(
    queues.reduce((sum, queue) => sum + queue.waiting, 0),
    'waiting by queue',
  ).toBe(waiting.length)
  const counts = new Map((await store.counts()).map(({ state, site, count }) => [`${state} ${site}`, count]))
  expect(counts, 'counts').toEqual(countsOf(all))
  for (const { vm, leases, used } of await store.liveVms()) {
    // A claim whose confirmation failed has an unknown outcome: its VM's next session takes it back.
    if (books.unavailable === 0) expect(fits(used, vm), `${vm.id} holds ${used.cores} of ${vm.cores} cores`).toBe(true)
    const held = all.filter(({ phase }) => leaseOf(phase)?.vmId === vm.id)
    expect(leases, `leases on ${vm.id}`).toBe(held.length)
  }
  await auditFacts(store, all)
}

async function auditFacts(store: Store, all: readonly Job[]): Promise<void> {
  const facts: Fact[] = []
  for (;;) {
    const more = await store.facts(facts.at(-1)?.seq ?? 0, 1000)
    if (more.length === 0) break
    facts.push(...more)
  }
  expect(new Set(facts.map(({ seq }) => seq)).size, 'each number once').toBe(facts.length)
  const bySubject = Map.groupBy(facts, ({ subject }) => subject)
  for (const { id } of all) {
    const story = (await store.history(`job:${id}`, 1000)).map(({ kind }) => kind)
    expect(
      (bySubject.get(`job:${id}`) ?? []).map(({ kind }) => kind),
      `facts of job ${id}`,
    ).toEqual(story)
  }
}

async function everyJob(store: Store): Promise<readonly Job[]> {
  const all: Job[] = []
  for (;;) {
    const page = await store.list({ limit: 1000, after: all.at(-1) })
    if (page.length === 0) return all
    all.push(...page)
  }
}

function countsOf(all: readonly Job[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { phase } of all) {
    const key = `${phase.state} ${'lease' in phase && phase.lease ? 'home' : ''}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}
