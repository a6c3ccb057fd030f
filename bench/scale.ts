/**
 * What a match costs while more and more waits: CPU time of the index and the ledger per match, and the memory of the index
 * per waiting job and per task queue, with 1000 jobs in 10 task queues up to 10 000 000 jobs in 20 000; the same with 10 000
 * owners, and with 200 kinds of places. Ratios of one run. No store: jobs are read from numbers.
 *
 * `node --expose-gc bench/scale.ts [LARGEST]`, where LARGEST is the number of jobs of the largest case (10 000 000).
 */

import { sleep, systemClock } from '../core/kernel/clock.ts'
import type { ClassId, JobId } from '../core/kernel/ids.ts'
import { noSizes, requirementClass } from '../core/language/requirement-class.ts'
import type { Owner } from '../core/model/owner.ts'
import { noAmounts, type Place, type Room } from '../core/model/resources.ts'
import type { QueueCount, TaskQueue, WaitingJob } from '../core/model/task-queue.ts'
import { openLedger } from '../core/share/ledger.ts'
import { equalWeights } from '../core/share/weights.ts'
import { placeOf } from '../core/model/vm-place.ts'
import { waitingIndex } from '../services/matcher/waiting-index.ts'
import { activeVm, sampleQueue, sampleRequirements } from '../sim/samples.ts'

const gib = 1024 ** 3
const matches = 50_000
const clock = systemClock()

type Case = { readonly jobs: number; readonly queues: number; readonly owners: number; readonly kinds: number }

function queuesOf({ queues, owners }: Case): readonly TaskQueue[] {
  return Array.from({ length: queues }, (_, at): TaskQueue => {
    const owner: Owner = { vo: `vo${at % 5}`, group: `g${at % 7}`, owner: `o${at % owners}` }
    const exact = sampleRequirements({
      cores: { min: 1 + (at % 8), max: 1 + (at % 8) },
      memoryBytes: (1 + (at % 16)) * gib,
      diskBytes: (1 + (Math.floor(at / 16) % 20)) * gib,
      sites: { allowed: [], banned: [`site-${at}`] },
    })
    return sampleQueue(owner, requirementClass(exact, noSizes))
  })
}

function heapBytes(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

async function run(one: Case): Promise<{ readonly p50: number; readonly p99: number; readonly bytes: number }> {
  const queues = queuesOf(one)
  const perQueue = Math.floor(one.jobs / one.queues)
  const first = new Map<ClassId, number>(queues.map(({ id }, at) => [id, at * perQueue]))
  const readNext = async (id: ClassId, limit: number): Promise<readonly WaitingJob[]> => {
    const from = first.get(id) ?? 0
    return Array.from({ length: Math.min(limit, perQueue) }, (_, at) => {
      return { id: (from + at + 1) as JobId, priority: 0, submittedMs: 0 }
    })
  }
  const before = heapBytes()
  const ledger = openLedger(0)
  const fail = (error: unknown): never => {
    throw error
  }
  const index = waitingIndex({ readNext, onError: fail, ledger })
  const places = Array.from({ length: one.kinds }, (_, at): Place => ({ ...placeOf(activeVm('shape')), site: `s${at}` }))
  const counts = queues.map((queue): QueueCount => ({ queue, waiting: perQueue, topPriority: 0, oldestMs: 0 }))
  for (let at = 0; at < counts.length; at += 500) {
    index.learn(counts.slice(at, at + 500))
    await sleep(clock, 0)
  }
  const bytes = heapBytes() - before
  index.tick(equalWeights, 1)
  const took: number[] = []
  let lastId = one.jobs
  for (let match = 0; match < matches; match += 1) {
    const room: Room = { cores: 8, ...noAmounts, memoryBytes: 16 * gib, diskBytes: 500 * gib, remainingMs: 1e12 }
    const beganMs = clock.monotonicMs()
    const pick = index.take(places[match % places.length] as Place, room)
    if (!pick) throw new Error(`nothing found at match ${match}`)
    const attempt = String(pick.job.id)
    ledger.granted(ledger.claim(pick.queue, 1, match), attempt)
    ledger.charge(pick.queue, { attempt, cores: 1, ranMs: 60_000 }, match)
    took.push((clock.monotonicMs() - beganMs) * 1000)
    // As much waits as before.
    lastId += 1
    index.arrived(pick.queue, [{ id: lastId as JobId, priority: 0, submittedMs: 0 }])
    if (match % 500 === 0) await sleep(clock, 0)
  }
  took.sort((a, b) => a - b)
  const quantile = (part: number): number => took[Math.floor(took.length * part)] ?? 0
  return { p50: quantile(0.5), p99: quantile(0.99), bytes }
}

const largest = Number(process.argv[2] ?? 10_000_000)
const cases: readonly Case[] = [
  { jobs: 1000, queues: 10, owners: 1, kinds: 1 },
  { jobs: 1_000_000, queues: 10_000, owners: 1, kinds: 1 },
  { jobs: 1_000_000, queues: 10_000, owners: 10_000, kinds: 1 },
  { jobs: 1_000_000, queues: 10_000, owners: 100, kinds: 200 },
  { jobs: largest, queues: 20_000, owners: 100, kinds: 1 },
]
let firstUs = 0
for (const one of cases) {
  const { p50, p99, bytes } = await run(one)
  firstUs ||= p50
  const perJob = (bytes / one.jobs).toFixed(0)
  console.log(
    `scale: jobs=${one.jobs} queues=${one.queues} owners=${one.owners} kinds=${one.kinds} match_p50_us=${p50.toFixed(1)} ` +
      `p99_us=${p99.toFixed(1)} ratio=${(p50 / firstUs).toFixed(2)} heap_mb=${(bytes / 1e6).toFixed(0)} bytes_per_job=${perJob}`,
  )
}
