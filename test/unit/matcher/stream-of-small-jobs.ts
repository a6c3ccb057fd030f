/** VMs of 8 cores under an endless stream of jobs of one core, which end one by one: no two cores are free at one time. */

import type { JobId } from '../../../core/kernel/ids.ts'
import type { Owner } from '../../../core/model/owner.ts'
import type { Random } from '../../../core/kernel/random.ts'
import { reserveEveryMs } from '../../../services/jobs/reserve.ts'
import { alice, sampleRequirements, sampleResult } from '../../../sim/samples.ts'
import { openPilot, submitSome, type TestQueue, type WrittenPilot } from './open-queue.ts'

export const cores = 8
const tickMs = 5000
/** Waiting at any time. */
const backlog = 6

export function wide(min: number, wallMs: number) {
  return { requirements: sampleRequirements({ cores: { min, max: min }, wallMs }) }
}

type Running = { readonly jobId: number; readonly attempt: number; readonly size: number; readonly endMs: number }

export type Stream = {
  readonly pilots: readonly WrittenPilot[]
  /** Until the job runs, or the time is over: the time that passed. `isReserving`: with the step that reserves VMs. */
  until(jobId: JobId, maxMs: number, isReserving?: boolean): Promise<number>
  /** One tick. */
  tick(isReserving: boolean): Promise<void>
}

export async function streamOfSmallJobs(
  test: TestQueue,
  { vms, wallMs, random, owner = alice }: { vms: number; wallMs: number; random: Random; owner?: Owner },
): Promise<Stream> {
  const { clock, store } = test
  const pilots: WrittenPilot[] = []
  for (let at = 0; at < vms; at += 1) pilots.push(await openPilot(test, `vm${at}`))
  const running = pilots.map((): Running[] => [])
  const seen = pilots.map(() => 0)
  let [report, reservedMs] = [0, clock.monotonicMs()]

  function start(at: number): void {
    const pilot = pilots[at]
    const all = pilot?.heard.flatMap(({ assignments }) => assignments) ?? []
    for (const { jobId, attempt, cores: size, spec } of all.slice(seen[at])) {
      const ranMs = Math.round(spec.requirements.wallMs * (0.3 + 0.7 * random.next()))
      running[at]?.push({ jobId, attempt, size, endMs: clock.nowMs() + ranMs })
    }
    seen[at] = all.length
  }

  async function end(at: number): Promise<void> {
    const [pilot, all] = [pilots[at], running[at] ?? []]
    const over = all.filter(({ endMs }) => endMs <= clock.nowMs())
    running[at] = all.filter((one) => !over.includes(one))
    const used = (running[at] ?? []).reduce((sum, { size }) => sum + size, 0)
    const reports = over.map(({ jobId, attempt }) => {
      report += 1
      return {
        jobId: jobId as JobId,
        attempt,
        reportId: report,
        startedMs: 0,
        phase: 'ended',
        result: sampleResult(),
      } as const
    })
    const room = { cores: cores - used, memoryBytes: 2 ** 40, diskBytes: 2 ** 40, remainingMs: Infinity }
    await pilot?.say({ reports, offer: { ...room, maxJobs: cores - used, received: pilot.assigned().length } })
    start(at)
  }

  async function tick(isReserving: boolean): Promise<void> {
    const waiting = (await store.counts()).find(({ state }) => state === 'Waiting')?.count ?? 0
    if (waiting < backlog) await submitSome(test, backlog - waiting, wide(1, wallMs), owner)
    for (let at = 0; at < pilots.length; at += 1) await end(at)
    if (isReserving && clock.monotonicMs() - reservedMs >= reserveEveryMs) {
      reservedMs = clock.monotonicMs()
      await test.reserve.step()
      await clock.settle()
    }
    await clock.advance(tickMs)
    for (let at = 0; at < pilots.length; at += 1) start(at)
  }

  return {
    pilots,
    tick,
    async until(jobId, maxMs, isReserving = true) {
      const fromMs = clock.monotonicMs()
      while (clock.monotonicMs() - fromMs < maxMs) {
        const [job] = await store.jobs([jobId])
        if (job && job.phase.state !== 'Waiting') return clock.monotonicMs() - fromMs
        await tick(isReserving)
      }
      return Infinity
    },
  }
}
