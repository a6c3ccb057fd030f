/**
 * Submit: a user's jobs are checked whole, stored all or none, and wait.
 *
 * A call may bring thousands of jobs. They are checked, sorted into task queues and shown to the matcher some at a time,
 * with a turn of the event loop in between, so that other callers do not wait for them. Nothing can be seen of them before
 * the store has answered.
 *
 * Refuses to know who the user is (the edge does). A job that nothing configured could ever run is taken, with a warning:
 * the offering may come tomorrow, and the one who waits should know today.
 */

import { type Offered, offeredRoom } from '../../core/model/cloud.ts'
import { createHash } from 'node:crypto'
import { type Clock, inTurns } from '../../core/kernel/clock.ts'
import { PilotageError, shown, type Violation } from '../../core/kernel/errors.ts'
import type { ClassId, JobId } from '../../core/kernel/ids.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { Owner } from '../../core/model/owner.ts'
import { checkSpec, type RawSpec } from '../../core/language/check.ts'
import { idempotencyKeyLength, jobDefaults, jobsPerCall, jobsPerTurn } from '../../core/kernel/limits.ts'
import type { SandboxStore } from '../../core/ports/sandbox-store.ts'
import type { JobStore, SubmitOutcome } from '../../core/ports/store.ts'
import type { TaskQueue, WaitingJob } from '../../core/model/task-queue.ts'
import type { QuotaRefusal } from '../../core/model/quota.ts'
import { needsOf, requirementClass, type Sizes } from '../../core/language/requirement-class.ts'
import { hasRoom, suits } from '../../core/language/rules.ts'
import { normalised, requirementsKey } from '../../core/language/normal-form.ts'
import type { KeySpace } from '../../core/model/submission-key.ts'
import { counted, isPlainText, plainTextForm } from '../../core/kernel/text.ts'
import { wrongFields } from '../../core/kernel/violations.ts'
import { placeOf } from '../../core/model/vm-place.ts'
import type { Outcomes } from '../outcomes/outcomes.ts'
import { othersAwaited, refuseUnknown, resolved } from './dependencies.ts'
import { offeredNow } from './offered.ts'
import type { JobPorts } from './ports.ts'

export type SubmitPorts = Pick<JobPorts, 'clock' | 'policy' | 'offerings' | 'measured'> & {
  readonly store: Pick<JobStore, 'submit' | 'jobs'> & Pick<SandboxStore, 'renewClaims'>
  readonly outcomes: Pick<Outcomes, 'arrived' | 'submitted' | 'blocked'>
}

export type SubmitRequest = {
  readonly owner: Owner
  readonly jobs: readonly RawSpec[]
  readonly idempotencyKey: string
  /** Only for keys that the service makes itself; the edges never set it. */
  readonly keySpace?: KeySpace
}

export type Warning = { readonly code: 'no-offering'; readonly text: string; readonly indexes: readonly number[] }

export type SubmitAnswer = {
  readonly jobIds: readonly JobId[]
  readonly warnings: readonly Warning[]
  readonly repeated: boolean
}

/**
 * Durable when it resolves. Throws `invalid-argument` with every violation, `too-large`, `quota-exceeded`, or `conflict` for
 * a used key.
 */
export async function submit(
  ports: SubmitPorts,
  { owner, jobs, idempotencyKey, keySpace }: SubmitRequest,
): Promise<SubmitAnswer> {
  const specs = await checked(ports.clock, jobs, idempotencyKey)
  const missing = await missingFor(ports, owner, specs, keySpace)
  if (missing.length > 0 && idempotencyKey === '') throw wrong(missing)
  const { taskQueues, different } = await taskQueuesOf(ports, owner, specs)
  const digest = idempotencyKey === '' ? '' : await digestOf(ports.clock, specs)
  const nowMs = ports.clock.nowMs()
  const outcome = await ports.store.submit(
    {
      owner,
      jobs: specs.map((spec, at) => ({ classId: taskQueues[at]?.id as ClassId, spec })),
      queues: different,
      idempotency: idempotencyKey === '' ? undefined : { key: idempotencyKey, space: keySpace, digest },
      quota: missing.length > 0 ? noRoom : ports.policy.quota,
    },
    nowMs,
  )
  if (!outcome.ok && outcome.why === 'quota' && missing.length > 0) throw wrong(missing)
  if (!outcome.ok && outcome.why === 'quota') throw quotaError(owner, outcome.refusal)
  if (!outcome.ok) {
    throw new PilotageError('conflict', `the idempotency key ${shown(idempotencyKey)} was used with other jobs`)
  }
  if (!outcome.repeated) await nowWaiting(ports, specs, taskQueues, different, outcome, nowMs)
  return {
    jobIds: specs.map((_, at) => (outcome.firstId + at) as JobId),
    warnings: warningsFor(await offeredNow(ports), specs, taskQueues, different),
    repeated: outcome.repeated,
  }
}

/** For a submission that may only be a repeat: the first answer to a known key comes again, whatever the quota is. */
const noRoom = { owner: { jobs: 0, taskQueues: 0 }, vo: { jobs: 0, taskQueues: 0 } }

/**
 * What the jobs name and is not there: files, and jobs that they wait for. All of it was there when the first of these jobs
 * were taken, so it is no reason to refuse a repeat.
 */
async function missingFor(
  ports: SubmitPorts,
  owner: Owner,
  specs: readonly JobSpec[],
  keySpace: SubmitRequest['keySpace'],
): Promise<readonly Violation[]> {
  const violations: Violation[] = []
  // What is run again waits for what it waited for: that may be forgotten by now.
  if (keySpace !== 'reschedule') await refuseUnknown(ports, owner, specs, violations)
  await checkInputs(ports, owner, specs, violations)
  return violations
}

function wrong(violations: readonly Violation[]): PilotageError {
  return new PilotageError('invalid-argument', wrongFields(violations), { violations })
}

/**
 * A job names what its own owner has put, and nothing that is only known by its digest. The claims are renewed before the
 * jobs are stored, so the files last until the jobs name them.
 */
async function checkInputs(
  { store, clock }: SubmitPorts,
  owner: Owner,
  specs: readonly JobSpec[],
  violations: Violation[],
): Promise<void> {
  const digests = [...new Set(specs.flatMap(({ inputFiles }) => inputFiles.map(({ digest }) => digest)))]
  const bytesOf = new Map<string, number>()
  for (let at = 0; at < digests.length; at += digestsAtOnce) {
    const known = await store.renewClaims(owner, digests.slice(at, at + digestsAtOnce), clock.nowMs())
    for (const { digest, bytes } of known) bytesOf.set(digest, bytes)
  }
  for (const [job, { inputFiles }] of specs.entries()) {
    for (const [at, { digest, bytes }] of inputFiles.entries()) {
      const known = bytesOf.get(digest)
      if (known === bytes) continue
      const path = `jobs[${job}].input_files[${at}]`
      const [rule, accepted] =
        known === undefined ? ['not put', 'the digest of a file that its owner has put'] : ['wrong size', `${known} bytes`]
      violations.push({ path, value: known === undefined ? digest : `${bytes} bytes`, rule, accepted })
      if (violations.length >= maxInputViolations) break
    }
  }
}

const digestsAtOnce = 1000
const maxInputViolations = 100

const quotaKeys = {
  owner: { jobs: 'queue.maxWaitingPerOwner', taskQueues: 'queue.maxTaskQueuesPerOwner' },
  vo: { jobs: 'queue.maxWaitingPerVo', taskQueues: 'queue.maxTaskQueuesPerVo' },
} as const

function quotaError({ vo, group, owner }: Owner, { of, what, limit, used, more }: QuotaRefusal): PilotageError {
  const who = of === 'owner' ? `owner ${vo}/${group}/${owner}` : `VO ${vo}`
  const things = what === 'jobs' ? 'waiting jobs' : 'task queues with waiting jobs'
  const path = quotaKeys[of][what]
  const violation = { path, value: `${used} in use, ${more} more`, rule: 'quota exceeded', accepted: `at most ${limit}` }
  return new PilotageError(
    'quota-exceeded',
    `${who} has ${used} ${things}, ${more} more exceed the limit of ${limit} (${path})`,
    {
      violations: [violation],
    },
  )
}

async function checked(clock: Clock, jobs: readonly RawSpec[], idempotencyKey: string): Promise<readonly JobSpec[]> {
  if (jobs.length > jobsPerCall) {
    throw new PilotageError('too-large', `${jobs.length} jobs in one call: at most ${jobsPerCall}`)
  }
  const violations: Violation[] = []
  if (jobs.length === 0) violations.push({ path: 'jobs', value: '[]', rule: 'empty', accepted: `1 to ${jobsPerCall} jobs` })
  const isLong = idempotencyKey.length > idempotencyKeyLength
  if (isLong || !isPlainText(idempotencyKey)) {
    const accepted = `at most ${idempotencyKeyLength} ${plainTextForm}`
    const rule = isLong ? 'too long' : 'not a key'
    violations.push({ path: 'idempotency_key', value: shown(idempotencyKey), rule, accepted })
  }
  const specs: JobSpec[] = []
  await inTurns(clock, jobs, jobsPerTurn, (slice, from) => {
    slice.forEach((raw, at) => {
      const spec = checkSpec(raw, `jobs[${from + at}]`, violations)
      if (spec) specs.push(spec)
    })
  })
  const found = violations.length === 0 ? resolved(specs, violations) : specs
  if (violations.length > 0) throw wrong(violations)
  return found
}

async function nowWaiting(
  ports: SubmitPorts,
  specs: readonly JobSpec[],
  taskQueues: readonly TaskQueue[],
  different: readonly TaskQueue[],
  { firstId, parts }: Pick<Extract<SubmitOutcome, { ok: true }>, 'firstId' | 'parts'>,
  nowMs: number,
): Promise<void> {
  let partAt = 0
  await inTurns(ports.clock, specs, jobsPerTurn, (slice, from) => {
    const waiting = new Map<TaskQueue, WaitingJob[]>()
    slice.forEach(({ priority, requirements, after }, at) => {
      const taskQueue = taskQueues[from + at]
      if (!taskQueue) return
      const id = (firstId + from + at) as JobId
      if (parts && (parts[partAt + 1] ?? Infinity) <= id) partAt += 1
      if (after && after.length > 0) return
      const needs = needsOf(requirements, taskQueue.requirements)
      const jobs = waiting.get(taskQueue) ?? []
      jobs.push({ id, priority, submittedMs: nowMs, part: parts?.[partAt], needs })
      waiting.set(taskQueue, jobs)
    })
    ports.outcomes.arrived([...waiting].map(([queue, jobs]) => ({ queue, jobs })))
  })
  ports.outcomes.submitted(different)
  const others = othersAwaited(specs)
  if (others.length > 0) ports.outcomes.blocked(others)
}

function warningsFor(
  offered: readonly Offered[],
  specs: readonly JobSpec[],
  taskQueues: readonly TaskQueue[],
  different: readonly TaskQueue[],
): readonly Warning[] {
  const hopeless = new Set(different.filter((demand) => !couldRun(offered, demand)).map(({ id }) => id))
  if (hopeless.size === 0) return []
  // A class asks for as much as an offering promises; a job of it may fit what that was found to have.
  const indexes = taskQueues.flatMap((queue, at) => {
    const { requirements = queue.requirements } = specs[at] ?? {}
    return hopeless.has(queue.id) && !couldRun(offered, { ...queue, requirements }) ? [at] : []
  })
  if (indexes.length === 0) return []
  const text = `${counted(indexes.length, 'job')} without any offering that fits: explain shows which rule fails`
  return [{ code: 'no-offering', text, indexes: indexes.slice(0, 100) }]
}

function couldRun(offered: readonly Offered[], demand: TaskQueue): boolean {
  return offered.some((offering) => suits(demand, placeOf(offering)) && hasRoom(demand, offeredRoom(offering)))
}

/** What offerings promise: a class asks for no more than the smallest that fits the job. */
export function sizesOf({ offerings }: Pick<JobPorts, 'offerings'>): Sizes {
  const sizes = (field: 'memoryBytes' | 'diskBytes' | 'usableMs') => [...new Set(offerings.map((one) => one[field]))]
  const work = offerings.flatMap(({ traits, cores, usableMs }) =>
    traits?.power === undefined ? [] : [{ power: traits.power, cores, usableMs }],
  )
  return { memoryBytes: sizes('memoryBytes'), diskBytes: sizes('diskBytes'), wallMs: sizes('usableMs'), work }
}

/** Of each job, and all of them once. Most jobs of a call are alike: a class is named once. */
async function taskQueuesOf(ports: SubmitPorts, owner: Owner, specs: readonly JobSpec[]) {
  const sizes = sizesOf(ports)
  const byKey = new Map<string, TaskQueue>()
  const taskQueues: TaskQueue[] = []
  await inTurns(ports.clock, specs, jobsPerTurn, (slice) => {
    for (const { requirements } of slice) {
      const of = requirementClass(requirements, sizes)
      const key = requirementsKey(of)
      const known = byKey.get(key) ?? taskQueueOf(owner, of, key)
      byKey.set(key, known)
      taskQueues.push(known)
    }
  })
  return { taskQueues, different: [...byKey.values()] }
}

/** Equal owner and equal wishes: one task queue, on any machine and at any time. */
function taskQueueOf({ vo, group, owner }: Owner, requirements: JobSpec['requirements'], key: string): TaskQueue {
  const named = JSON.stringify([vo, group, owner, key])
  const id = createHash('sha256').update(named).digest('hex').slice(0, 16) as ClassId
  return { vo, group, owner, id, requirements: normalised(requirements) }
}

/** Of the JSON text of the whole list, as earlier versions wrote it: digests that are kept stay comparable. */
async function digestOf(clock: Clock, specs: readonly JobSpec[]): Promise<string> {
  const hash = createHash('sha256').update('[')
  await inTurns(clock, specs, jobsPerTurn, (slice, from) => {
    hash.update(`${from > 0 ? ',' : ''}${JSON.stringify(slice.map(digested)).slice(1, -1)}`)
  })
  return hash.update(']').digest('hex')
}

/** A field that earlier versions did not have is a part of it only where it is given. */
function digested({ maxMachineLosses, jobGroup, jobType, inputFiles, outputFiles, ...rest }: JobSpec): Partial<JobSpec> {
  return {
    ...rest,
    ...(maxMachineLosses === jobDefaults.machineLosses ? {} : { maxMachineLosses }),
    ...(jobGroup === '' ? {} : { jobGroup }),
    ...(jobType === '' ? {} : { jobType }),
    ...(inputFiles.length === 0 ? {} : { inputFiles }),
    ...(outputFiles.length === 0 ? {} : { outputFiles }),
  }
}
