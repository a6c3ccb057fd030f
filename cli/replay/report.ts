/**
 * The report of a replay: what became of every acknowledged job, how long they waited, and what the VMs cost. Pure.
 *
 * A job is lost when it was acknowledged and is not there, or has not ended; it is doubled when two attempts of it ran to
 * their own end, or when one line of the trace became two jobs. The last line is for machines and its first words are fixed.
 */

import { durationText } from '../../core/kernel/quantities.ts'
import type { Vm } from '../../client/cluster.ts'
import { hasEnded } from '../../client/follow.ts'
import type { Fact, Job } from '../../client/jobs.ts'
import { knownFact } from '../../core/model/fact-shapes.ts'
import { table } from '../output/table.ts'

export type ReplayOutcome = {
  /** Jobs that the trace gave. */
  readonly jobs: number
  /** Acknowledged ids, each with the name that it was submitted under. */
  readonly acknowledged: ReadonlyMap<number, string>
  /** Those of them that the service knows, as they are now. */
  readonly found: readonly Job[]
  /** Every job of the service with a name of this replay. */
  readonly named: readonly { readonly jobId: number; readonly name: string }[]
  /** Jobs of which two attempts ran to their own end. */
  readonly ranTwice: readonly number[]
  readonly vms: readonly Vm[]
  readonly startMs: number
  readonly endMs: number
  readonly factor: number
}

export type ReplayFigures = {
  readonly jobs: number
  readonly accounted: number
  readonly lost: number
  readonly doubled: number
  readonly states: Readonly<Record<string, number>>
  readonly waits: readonly VoWaits[]
  readonly cores: { readonly paidMs: number; readonly bootMs: number; readonly usedMs: number; readonly wastedMs: number }
  readonly failures: readonly { readonly reason: string; readonly count: number }[]
  readonly tookMs: number
}

export type Spread = { readonly p50: number; readonly p95: number; readonly p99: number }
export type VoWaits = { readonly vo: string; readonly jobs: number; readonly wait: Spread; readonly turnaround: Spread }

export function figures(outcome: ReplayOutcome): ReplayFigures {
  const ended = outcome.found.filter(hasEnded)
  const endedIds = new Set(ended.map(({ jobId }) => jobId))
  const states: Record<string, number> = {}
  for (const { state } of outcome.found) states[state] = (states[state] ?? 0) + 1
  return {
    jobs: outcome.jobs,
    accounted: endedIds.size,
    lost: [...outcome.acknowledged.keys()].filter((id) => !endedIds.has(id)).length,
    doubled: doubled(outcome),
    states,
    waits: waitsByVo(ended),
    cores: coreTimes(outcome),
    failures: failures(ended),
    tookMs: outcome.endMs - outcome.startMs,
  }
}

/** Nothing lost, nothing doubled, and every job of the trace accounted for. */
export function isWhole({ jobs, accounted, lost, doubled }: ReplayFigures): boolean {
  return accounted === jobs && lost === 0 && doubled === 0
}

/** An attempt that the payload itself ended. A second one means that work was done twice. */
export function ranToEndTwice(facts: readonly Fact[]): boolean {
  const attempts = new Set<unknown>()
  for (const fact of facts.map(knownFact)) {
    if (fact.group !== 'job') continue
    const { end, attempt } = fact.data
    if (end === 'exited' || end === 'signalled' || end?.endsWith('-limit')) attempts.add(attempt)
  }
  const ends = facts.filter(({ kind }) => kind === 'Done' || kind === 'Failed' || kind === 'Killed').length
  return attempts.size > 1 || ends > 1
}

/** Nearest rank; 0 of nothing. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
}

export function reportText(figure: ReplayFigures): string {
  const columns = [
    { title: 'VO', cell: ({ vo }: VoWaits) => vo },
    { title: 'JOBS', right: true, cell: ({ jobs }: VoWaits) => jobs },
    ...(['wait', 'turnaround'] as const).flatMap((what) =>
      (['p50', 'p95', 'p99'] as const).map((rank) => ({
        title: `${what.toUpperCase()} ${rank}`,
        right: true,
        cell: (row: VoWaits) => seconds(row[what][rank]),
      })),
    ),
  ]
  const { paidMs, bootMs, usedMs, wastedMs } = figure.cores
  const share = (ms: number): string => `${paidMs === 0 ? 0 : Math.round((ms / paidMs) * 100)} %`
  const failed = figure.failures.map(({ reason, count }) => `  ${count} x ${reason}\n`).join('')
  return [
    table(columns, figure.waits),
    `\nVM core time: paid ${durationText(paidMs)}, used ${durationText(usedMs)} (${share(usedMs)}), wasted ${durationText(wastedMs)}`,
    ` (${share(wastedMs)}; booting ${share(bootMs)})\n`,
    failed === '' ? 'No failures\n' : `Failures\n${failed}`,
  ].join('')
}

export function lastLine(figure: ReplayFigures, factor: number): string {
  const { jobs, accounted, lost, doubled: twice, states, cores, tookMs, waits } = figure
  const all = waits.find(({ vo }) => vo === 'all')
  const used = cores.paidMs === 0 ? 0 : cores.usedMs / cores.paidMs
  return [
    `replay: jobs=${jobs} accounted=${accounted} lost=${lost} doubled=${twice}`,
    `done=${states.Done ?? 0} failed=${states.Failed ?? 0} killed=${states.Killed ?? 0}`,
    `seconds=${Math.round(tookMs / 1000)} factor=${Math.round(factor)}`,
    `wait_p50_s=${seconds(all?.wait.p50 ?? 0)} wait_p95_s=${seconds(all?.wait.p95 ?? 0)} vm_used=${used.toFixed(2)}`,
  ].join(' ')
}

function doubled({ acknowledged, named, ranTwice }: ReplayOutcome): number {
  const ids = new Map<string, Set<number>>()
  const add = (name: string, id: number): void => {
    ids.set(name, (ids.get(name) ?? new Set()).add(id))
  }
  for (const [id, name] of acknowledged) add(name, id)
  for (const { jobId, name } of named) add(name, jobId)
  return [...ids.values()].filter((same) => same.size > 1).length + ranTwice.length
}

function waitsByVo(ended: readonly Job[]): readonly VoWaits[] {
  const byVo = Map.groupBy(ended, ({ vo }) => vo)
  const rows = [...byVo].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
  return [...rows.map(([vo, jobs]) => waits(vo, jobs)), waits('all', ended)]
}

function waits(vo: string, jobs: readonly Job[]): VoWaits {
  const started = jobs.filter(({ startedMs }) => startedMs > 0)
  return {
    vo,
    jobs: jobs.length,
    wait: spread(started.map(({ startedMs, submittedMs }) => Math.max(0, startedMs - submittedMs))),
    turnaround: spread(jobs.filter(({ endedMs }) => endedMs > 0).map((job) => Math.max(0, job.endedMs - job.submittedMs))),
  }
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  return { p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95), p99: percentile(sorted, 0.99) }
}

/** Paid from the moment a VM was wanted until it was gone, as clouds count; used is what payloads ran. */
function coreTimes({ vms, found, endMs }: ReplayOutcome): ReplayFigures['cores'] {
  let [paidMs, bootMs] = [0, 0]
  for (const { cores, intendedMs, activatedMs, endedMs } of vms) {
    const until = endedMs || endMs
    paidMs += cores * Math.max(0, until - intendedMs)
    bootMs += cores * Math.max(0, (activatedMs || until) - intendedMs)
  }
  const usedMs = found.reduce((sum, { cores, result }) => sum + cores * (result?.wallMs ?? 0), 0)
  return { paidMs, bootMs, usedMs, wastedMs: Math.max(0, paidMs - usedMs) }
}

function failures(ended: readonly Job[]): ReplayFigures['failures'] {
  const failed = ended.filter(({ state }) => state !== 'Done')
  return [...Map.groupBy(failed, ({ state, reason }) => reason || state)]
    .map(([reason, jobs]) => ({ reason, count: jobs.length }))
    .sort((a, b) => b.count - a.count)
    .slice(0, 10)
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1)
}
