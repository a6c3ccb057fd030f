/**
 * The plan of a replay: which job is submitted when and by whom, and how long its payload runs. Pure.
 *
 * All times are divided by one factor, submissions and run times alike, so that the shape of the load stays. Run times have
 * a cap, because the longest of them would outlast the replay by hours; the report counts those that were cut. A group
 * becomes a VO, a user becomes an owner, and each job of the trace becomes exactly one job, named after it.
 */

import { type NewJob, newJob } from '../../client/new-job.ts'
import type { TraceJob } from './swf.ts'

export type ReplayOptions = {
  /** How long the replay takes, with its last runs. */
  readonly minutes: number
  /** Instead of one that fits the minutes. */
  readonly factor?: number
  readonly burn: boolean
  /** Distinguishes this replay's jobs from those of another: part of every name. */
  readonly run: string
}

export type PlannedJob = {
  /** Since the start of the replay. */
  readonly atMs: number
  readonly vo: string
  readonly owner: string
  readonly name: string
  readonly runMs: number
  readonly cores: number
  readonly spec: NewJob
}

export type ReplayPlan = {
  readonly jobs: readonly PlannedJob[]
  readonly factor: number
  readonly vos: readonly string[]
  readonly owners: number
  /** Run times beyond this were cut to it. */
  readonly capMs: number
  readonly cut: number
  readonly lastSubmitMs: number
  readonly coreMs: number
}

/** The part of the time that submitting takes; the rest is for the last jobs to wait and run. */
const submittingShare = 0.625
/** The longest run takes no more than this part of the time. */
const longestShare = 1 / 12
const minRunMs = 10
const memoryBytes = 64 * 1024 * 1024
const diskBytes = 16 * 1024 * 1024

export function planReplay(trace: readonly TraceJob[], options: ReplayOptions): ReplayPlan {
  const wholeMs = options.minutes * 60_000
  const ordered = [...trace].sort((a, b) => a.submitSeconds - b.submitSeconds || a.number - b.number)
  const firstSeconds = ordered[0]?.submitSeconds ?? 0
  const spanMs = ((ordered.at(-1)?.submitSeconds ?? 0) - firstSeconds) * 1000
  const factor = options.factor ?? Math.max(1, spanMs / (wholeMs * submittingShare))
  const capMs = Math.round(wholeMs * longestShare)

  const jobs = ordered.map((job, at) => planned(job, at, firstSeconds, factor, capMs, options))
  return {
    jobs,
    factor,
    vos: [...new Set(jobs.map(({ vo }) => vo))].sort(),
    owners: new Set(jobs.map(({ vo, owner }) => `${vo}/${owner}`)).size,
    capMs,
    cut: ordered.filter(({ runSeconds }) => (runSeconds * 1000) / factor > capMs).length,
    lastSubmitMs: jobs.at(-1)?.atMs ?? 0,
    coreMs: jobs.reduce((sum, { runMs, cores }) => sum + runMs * cores, 0),
  }
}

function planned(
  job: TraceJob,
  at: number,
  firstSeconds: number,
  factor: number,
  capMs: number,
  { burn, run }: ReplayOptions,
): PlannedJob {
  const runMs = Math.round(Math.min(Math.max((job.runSeconds * 1000) / factor, minRunMs), capMs))
  const vo = job.group >= 0 ? `vo${job.group}` : 'vo'
  const owner = job.user >= 0 ? `user${job.user}` : 'user'
  // A trace that knows no numbers has -1 for each.
  const name = job.number >= 0 ? `${run}-${job.number}` : `${run}-at-${at}`
  const { cores } = job
  const spec = newJob({
    ...(burn ? burning(runMs) : sleeping(runMs)),
    name,
    cores,
    memoryBytes,
    diskBytes,
    wallMs: wallMs(runMs),
  })
  return { atMs: Math.round(((job.submitSeconds - firstSeconds) * 1000) / factor), vo, owner, name, runMs, cores, spec }
}

function sleeping(runMs: number): { executable: string; arguments: string[] } {
  return { executable: 'sleep', arguments: [(runMs / 1000).toFixed(3)] }
}

/** A busy loop beside a sleep that ends it: nothing but a plain shell, and both in the payload's own process group. */
function burning(runMs: number): { executable: string; arguments: string[] } {
  const script = 'while :; do :; done & sleep "$1"; kill "$!"; wait "$!" 2>/dev/null; exit 0'
  return { executable: '/bin/sh', arguments: ['-c', script, 'burn', (runMs / 1000).toFixed(3)] }
}

/** Few different limits, far above the run: each one is a task queue of its own, and a busy machine must not fail a job. */
function wallMs(runMs: number): number {
  const needMs = runMs * 2 + 60_000
  return 60_000 * 2 ** Math.ceil(Math.log2(needMs / 60_000))
}
