/**
 * Slots of a core each on a virtual clock, with the real index and ledger: what streams of jobs get of them. No store, no
 * pilots: a job ends when its time is over.
 */

import type { JobId } from '../../core/kernel/ids.ts'
import { seededRandom } from '../../core/kernel/random.ts'
import type { Owner } from '../../core/model/owner.ts'
import { noAmounts, type Place, type Room } from '../../core/model/resources.ts'
import type { TaskQueue, WaitingJob } from '../../core/model/task-queue.ts'
import { openLedger, ownerKey, type RunningAttempt } from '../../core/share/ledger.ts'
import { equalWeights, type Weights } from '../../core/share/weights.ts'
import { waitingIndex } from '../../services/matcher/waiting-index.ts'
import { sampleQueue } from '../../sim/samples.ts'

const tickMs = 10_000

export const slotPlace: Place = { cloud: 'here', site: 'home', platform: 'linux', tags: [], vos: [] }
export const slotRoom: Room = { cores: 1, ...noAmounts, memoryBytes: 2 ** 50, diskBytes: 2 ** 50, remainingMs: Infinity }

/** Jobs that wait from `fromMs` on, and run about `meanMs`. */
export type JobStream = { readonly owner: Owner; readonly jobs: number; readonly meanMs: number; readonly fromMs?: number }

type Running = RunningAttempt & { readonly stream: JobStream; readonly endMs: number; readonly owner: Owner }

type Waiting = { readonly queue: TaskQueue; readonly stream: JobStream; left: number }

export type Slots = {
  /** Until this number of jobs have ended, or until this time. */
  run(until: { readonly completions?: number; readonly nowMs?: number }): void
  /** Of all core time up to now, in the order of the streams. */
  parts(): readonly number[]
  /** When jobs of it started. */
  startsOf(stream: JobStream): readonly number[]
}

export function shareSlots(slots: number, streams: readonly JobStream[], weights: Weights = equalWeights): Slots {
  const random = seededRandom(1)
  const ledger = openLedger(0)
  const waiting = waitingIndex({ readNext: async () => [], onError: raise, ledger })
  const queues = new Map<string, Waiting>()
  const used = new Map<JobStream, number>()
  const started = new Map<JobStream, number[]>(streams.map((stream) => [stream, []]))
  const coming = streams.toSorted((a, b) => (a.fromMs ?? 0) - (b.fromMs ?? 0))
  let running: Running[] = []
  let [lastId, completions, nowMs] = [0, 0, 0]
  waiting.tick(weights, nowMs)

  function refill(one: Waiting): void {
    const jobs = Array.from({ length: Math.min(one.left, 100) }, (): WaitingJob => {
      lastId += 1
      return { id: lastId as JobId, priority: 0, submittedMs: nowMs }
    })
    one.left -= jobs.length
    if (jobs.length > 0) waiting.arrived(one.queue, jobs)
  }

  function arrive(stream: JobStream): void {
    const one = { queue: sampleQueue(stream.owner), stream, left: stream.jobs }
    queues.set(one.queue.id, one)
    refill(one)
  }

  function serve(): void {
    while (running.length < slots) {
      const pick = waiting.take(slotPlace, slotRoom)
      const one = pick && queues.get(pick.queue.id)
      if (!pick || !one) return
      const attempt = String(pick.job.id)
      const { owner, meanMs } = one.stream
      ledger.granted(ledger.claim(owner, 1, nowMs), attempt)
      const endMs = nowMs + meanMs * (0.5 + random.next())
      running.push({ attempt, ownerKey: ownerKey(owner), cores: 1, claimedMs: nowMs, endMs, stream: one.stream, owner })
      started.get(one.stream)?.push(nowMs)
      // One of each hundred: the next hundred comes before they are gone, and never more than a window holds.
      if (pick.job.id % 100 === 50) refill(one)
    }
  }

  function end(one: Running): void {
    running = running.filter((other) => other !== one)
    completions += 1
    used.set(one.stream, (used.get(one.stream) ?? 0) + nowMs - one.claimedMs)
    ledger.charge(one.owner, { attempt: one.attempt, cores: 1, ranMs: nowMs - one.claimedMs }, nowMs)
  }

  function step(): void {
    while (coming[0] && (coming[0].fromMs ?? 0) <= nowMs) arrive(coming.shift() as JobStream)
    serve()
    const next = running.toSorted((a, b) => a.endMs - b.endMs)[0]
    if (!next && coming.length === 0) throw new Error('nothing runs any more')
    const tickAtMs = Math.floor(nowMs / tickMs + 1) * tickMs
    nowMs = Math.min(next?.endMs ?? Infinity, tickAtMs, coming[0]?.fromMs ?? Infinity)
    if (nowMs === tickAtMs) ledger.publish(ledger.running(running, nowMs))
    if (nowMs === tickAtMs) waiting.tick(weights, nowMs)
    if (next && next.endMs <= nowMs) end(next)
  }

  return {
    run(until) {
      while (completions < (until.completions ?? Infinity) && nowMs < (until.nowMs ?? Infinity)) step()
    },
    parts: () => partsOf(streams, used, running, nowMs),
    startsOf: (stream) => started.get(stream) ?? [],
  }
}

function partsOf(
  streams: readonly JobStream[],
  used: ReadonlyMap<JobStream, number>,
  running: readonly Running[],
  nowMs: number,
): readonly number[] {
  const all = streams.map((stream) => {
    const open = running.filter((one) => one.stream === stream).reduce((sum, one) => sum + nowMs - one.claimedMs, 0)
    return (used.get(stream) ?? 0) + open
  })
  const sum = all.reduce((total, one) => total + one, 0)
  return all.map((one) => one / sum)
}

function raise(error: unknown): never {
  throw error
}
