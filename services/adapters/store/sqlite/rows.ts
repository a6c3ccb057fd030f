/**
 * Rows to jobs and back. The only place that knows how a job lies in its columns; decides nothing.
 */

import type { End, Result } from '../../../../core/model/attempt.ts'
import { dependencyConditions, type OpenDependency } from '../../../../core/model/dependency.ts'
import type { ClassId, JobId, VmId } from '../../../../core/kernel/ids.ts'
import {
  type Job,
  type JobStateName,
  jobStates,
  type Lease,
  openOf,
  type Phase,
  type Stop,
} from '../../../../core/model/job.ts'
import type { Needs } from '../../../../core/model/requirements.ts'
import type { TaskQueue } from '../../../../core/model/task-queue.ts'

export const stateCode: Readonly<Record<JobStateName, number>> = {
  Waiting: 0,
  Held: 1,
  Matched: 2,
  Running: 3,
  Completing: 4,
  Done: 5,
  Failed: 6,
  Killed: 7,
  Blocked: 8,
}

export type JobRow = {
  id: number
  queue_ref: number
  owner_ref: number
  name: string
  priority: number
  submitted_ms: number
  changed_ms: number
  max_attempts: number
  machine_losses: number
  max_machine_losses: number
  attempt: number
  state: number
  vm_id: string | null
  cores: number | null
  gpus: number | null
  claimed_ms: number | null
  until_ms: number | null
  stop: string | null
  started_ms: number | null
  why: string | null
  result: string | null
  needs: string | null
  job_group: string
  job_type: string
  reschedules: number | null
  awaited: number
  open: string | null
}

export const updateJobSql = `update jobs set reschedules = ?, changed_ms = ?, max_attempts = ?, machine_losses = ?, attempt = ?, state = ?, vm_id = ?, cores = ?, gpus = ?,
  claimed_ms = ?, until_ms = ?, stop = ?, started_ms = ?, why = ?, result = ?, awaited = ?, open = ? where id = ?`

/** As it is, whatever became of it: what never changes, and then the columns of `updateJobSql`. */
export const insertJobSql = `insert or replace into jobs (queue_ref, owner_ref, name, job_group, job_type, priority, submitted_ms, needs,
  max_machine_losses, reschedules, changed_ms, max_attempts, machine_losses, attempt, state, vm_id, cores, gpus, claimed_ms, until_ms, stop, started_ms, why, result,
  awaited, open, id)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

export type Columns = (string | number | null)[]

/** In the order of `updateJobSql`. */
export function jobColumns(job: Job): Columns {
  const { id, reschedules, changedMs, maxAttempts, machineLosses, attempt, phase, awaited } = job
  const lease = 'lease' in phase ? phase.lease : undefined
  return [
    reschedules ?? null,
    changedMs,
    maxAttempts,
    machineLosses,
    attempt,
    stateCode[phase.state],
    lease?.vmId ?? null,
    lease?.cores ?? null,
    lease?.gpus ?? null,
    lease?.claimedMs ?? null,
    lease?.untilMs ?? null,
    lease?.stop ? JSON.stringify(lease.stop) : null,
    'startedMs' in phase ? phase.startedMs : null,
    'why' in phase ? phase.why : null,
    'result' in phase && phase.result ? packResult(phase.result) : null,
    awaited ?? 0,
    packOpen(openOf(phase)),
    id,
  ]
}

export function jobOf(row: JobRow, queue: Omit<TaskQueue, 'requirements'>): Job {
  return {
    id: row.id as JobId,
    classId: queue.id as ClassId,
    vo: queue.vo,
    group: queue.group,
    owner: queue.owner,
    name: row.name,
    jobGroup: row.job_group,
    jobType: row.job_type,
    priority: row.priority,
    maxAttempts: row.max_attempts,
    machineLosses: row.machine_losses,
    maxMachineLosses: row.max_machine_losses,
    submittedMs: row.submitted_ms,
    changedMs: row.changed_ms,
    attempt: row.attempt,
    phase: phaseOf(row),
    ...(row.reschedules === null ? {} : { reschedules: row.reschedules }),
    ...(row.needs === null ? {} : { needs: JSON.parse(row.needs) as Needs }),
    ...(row.awaited === 0 ? {} : { awaited: row.awaited }),
  }
}

export function needsText(needs: Needs | undefined): string | null {
  return needs === undefined ? null : JSON.stringify(needs)
}

function phaseOf(row: JobRow): Phase {
  const state = jobStates[row.state]
  const why = row.why ?? ''
  switch (state) {
    case 'Waiting':
      return { state }
    case 'Held':
      return row.open === null ? { state, why } : { state, why, open: unpackOpen(row.open) }
    case 'Blocked':
      return { state, open: unpackOpen(row.open ?? '[]') }
    case 'Matched':
      return { state, lease: leaseOf(row) }
    case 'Running':
    case 'Completing':
      return { state, lease: leaseOf(row), startedMs: row.started_ms ?? 0 }
    case 'Done':
      return { state, lease: leaseOf(row), result: unpackResult(row.result ?? '[]') }
    case 'Failed':
    case 'Killed':
      return { state, why, lease: row.vm_id === null ? undefined : leaseOf(row), result: resultOf(row) }
    default:
      throw new Error(`assertion failed: job ${row.id} has state code ${row.state}`)
  }
}

function leaseOf(row: JobRow): Lease {
  const lease = {
    vmId: (row.vm_id ?? '') as VmId,
    cores: row.cores ?? 0,
    ...(row.gpus ? { gpus: row.gpus } : {}),
    claimedMs: row.claimed_ms ?? 0,
    untilMs: row.until_ms ?? 0,
  }
  return row.stop === null ? lease : { ...lease, stop: JSON.parse(row.stop) as Stop }
}

type PackedOpen = [job: JobId, condition: number][]

/** Null: it waits for no job. */
export function packOpen(open: readonly OpenDependency[]): string | null {
  if (open.length === 0) return null
  return JSON.stringify(open.map(({ job, when }) => [job, dependencyConditions.indexOf(when)]))
}

function unpackOpen(text: string): readonly OpenDependency[] {
  return (JSON.parse(text) as PackedOpen).map(([job, code]) => ({ job, when: dependencyConditions[code] ?? 'ok' }))
}

function resultOf(row: JobRow): Result | undefined {
  return row.result === null ? undefined : unpackResult(row.result)
}

/** In this order, without names: the row of a job that ended stays as narrow as it was while it ran. */
function packResult(r: Result): string {
  return JSON.stringify([
    r.end,
    r.exitCode,
    r.signal,
    r.detail,
    r.peakMemoryBytes,
    r.cpuMs,
    r.wallMs,
    r.startedMs,
    r.endedMs,
    r.stdoutBytes,
    r.stderrBytes,
    r.droppedBytes,
  ])
}

type Packed = [End, number, string, string, number, number, number, number, number, number, number, number]

function unpackResult(text: string): Result {
  const [end, exitCode, signal, detail, peakMemoryBytes, cpuMs, wallMs, startedMs, endedMs, ...kept] = JSON.parse(
    text,
  ) as Packed
  const [stdoutBytes, stderrBytes, droppedBytes] = kept
  return {
    end,
    exitCode,
    signal,
    detail,
    peakMemoryBytes,
    cpuMs,
    wallMs,
    startedMs,
    endedMs,
    stdoutBytes,
    stderrBytes,
    droppedBytes,
  }
}
