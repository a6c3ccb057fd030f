/**
 * What a listing that passes over a whole store costs those who submit: the time to the acknowledgement of a submission,
 * with and without a loop that lists a state which few of 1 000 000 jobs have. `node bench/listing.ts [JOBS]`.
 *
 * Both are measured in turns of one run on one store, so that the ratio says more than the times: a shared machine drifts.
 */

import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../core/kernel/clock.ts'
import type { JobId } from '../core/kernel/ids.ts'
import type { Store } from '../core/ports/store.ts'
import { openSqliteStore } from '../services/adapters/store/sqlite/sqlite-store.ts'
import { sampleSpec, sampleSubmission } from '../sim/samples.ts'

const jobs = Number(process.argv[2] ?? 1_000_000)
const rounds = 24
const roundMs = 1000
/** Submissions under way at a time, of one job each. */
const callers = 8
const perFill = 10_000
/** The oldest jobs: the listing finds them at the very end. */
const rareJobs = 20

const clock = systemClock()
const directory = mkdtempSync(join(tmpdir(), 'pilotage-listing-'))

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}

async function fill(store: Store): Promise<void> {
  const submission = sampleSubmission(Array.from({ length: perFill }, () => sampleSpec()))
  for (let made = 0; made < jobs; made += perFill) await store.submit(submission, clock.nowMs())
  const kills = Array.from({ length: rareJobs }, (_, at) => {
    return { kind: 'kill', jobId: (at + 1) as JobId, by: 'bench', why: '' } as const
  })
  await store.change(kills, clock.nowMs())
}

async function submitUntil(store: Store, endMs: number): Promise<readonly number[]> {
  const one = sampleSubmission([sampleSpec()])
  const times: number[] = []
  const caller = async (): Promise<void> => {
    while (clock.monotonicMs() < endMs) {
      const beganMs = clock.monotonicMs()
      await store.submit(one, clock.nowMs())
      times.push(clock.monotonicMs() - beganMs)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return times
}

async function listUntil(store: Store, endMs: number): Promise<readonly number[]> {
  const times: number[] = []
  while (clock.monotonicMs() < endMs) {
    const beganMs = clock.monotonicMs()
    const found = await store.list({ states: ['Killed'], limit: 100 })
    if (found.length !== rareJobs) throw new Error(`the listing found ${found.length} jobs instead of ${rareJobs}`)
    times.push(clock.monotonicMs() - beganMs)
  }
  return times
}

/** Syncs of one page a second: the noise of the disk. */
function syncsPerSecond(): number {
  const file = openSync(join(directory, 'noise'), 'w')
  const page = Buffer.alloc(4096)
  const beganMs = clock.monotonicMs()
  let syncs = 0
  for (; clock.monotonicMs() - beganMs < 300; syncs += 1) {
    writeSync(file, page, 0, page.length, 0)
    fdatasyncSync(file)
  }
  closeSync(file)
  return Math.round((syncs * 1000) / (clock.monotonicMs() - beganMs))
}

const textOf = (times: readonly number[]): string =>
  `p50 ${quantile(times, 0.5).toFixed(2)} ms, p95 ${quantile(times, 0.95).toFixed(2)} ms, p99 ${quantile(times, 0.99).toFixed(2)} ms (${times.length})`

try {
  const store = await openSqliteStore(join(directory, 'pilotage.db'), clock)
  await fill(store)
  const [alone, beside, listings, noise]: number[][] = [[], [], [], []]
  for (let round = 0; round < rounds; round += 1) {
    noise?.push(syncsPerSecond())
    // The order changes from round to round: a machine that gets slower in between favours neither.
    for (const isListing of round % 2 === 0 ? [false, true] : [true, false]) {
      const endMs = clock.monotonicMs() + roundMs
      const [acks, lists] = await Promise.all([submitUntil(store, endMs), isListing ? listUntil(store, endMs) : []])
      for (const ms of acks) (isListing ? beside : alone)?.push(ms)
      for (const ms of lists) listings?.push(ms)
    }
  }
  await store.close()
  console.log(`syncs per second before each round: ${noise?.join(' ')}`)
  console.log(`submit to acknowledgement, ${jobs} jobs in the store: ${textOf(alone ?? [])}`)
  console.log(`the same while a listing of a rare state loops: ${textOf(beside ?? [])}`)
  console.log(`the listing: ${textOf(listings ?? [])}`)
  console.log(
    `ratio of p95: ${(quantile(beside ?? [], 0.95) / quantile(alone ?? [], 0.95)).toFixed(2)} (wanted: at most 1.5)`,
  )
} finally {
  rmSync(directory, { recursive: true, force: true })
}
