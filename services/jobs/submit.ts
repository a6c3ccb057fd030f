/**
 * Submit: a user's jobs are checked whole, stored all or none, and wait.
 *
 * Refuses to know who the user is (the edge does). A job that nothing configured could ever run is taken, with a warning: the
 * offering may come tomorrow, and the one who waits should know today.
 */

import { createHash } from 'node:crypto'
import { PilotageError, shown, type Violation } from '../../core/kernel/errors.ts'
import type { ClassId, JobId } from '../../core/kernel/ids.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { Owner } from '../../core/model/owner.ts'
import { checkSpec, type RawSpec } from '../../core/language/check.ts'
import { idempotencyKeyLength, jobsPerCall } from '../../core/kernel/limits.ts'
import type { SubmitOutcome } from '../../core/ports/store.ts'
import type { TaskQueue, WaitingJob } from '../../core/model/task-queue.ts'
import type { QuotaRefusal } from '../../core/model/quota.ts'
import { needsOf, requirementClass, type Sizes } from '../../core/language/requirement-class.ts'
import { hasRoom, normalised, requirementsKey, suits } from '../../core/language/rules.ts'
import type { KeySpace } from '../../core/model/submission-key.ts'
import { isPlainText, plainTextForm } from '../../core/kernel/text.ts'
import { placeOf, roomOf } from '../../core/model/vm.ts'
import type { Queue } from './queue.ts'

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

/** Durable when it resolves. Throws `invalid-argument` with every violation, `too-large`, `quota-exceeded`, or `conflict` for a used key. */
export async function submit(queue: Queue, { owner, jobs, idempotencyKey, keySpace }: SubmitRequest): Promise<SubmitAnswer> {
  const specs = checked(jobs, idempotencyKey)
  const { taskQueues, different } = taskQueuesOf(queue, owner, specs)
  const nowMs = queue.clock.nowMs()
  const outcome = await queue.store.submit(
    {
      owner,
      jobs: specs.map((spec, at) => ({ classId: taskQueues[at]?.id as ClassId, spec })),
      queues: different,
      idempotency: idempotencyKey === '' ? undefined : { key: idempotencyKey, space: keySpace, digest: digestOf(specs) },
      quota: queue.policy.quota,
    },
    nowMs,
  )
  if (!outcome.ok && outcome.why === 'quota') throw quotaError(owner, outcome.refusal)
  if (!outcome.ok) {
    throw new PilotageError('conflict', `the idempotency key ${shown(idempotencyKey)} was used with other jobs`)
  }
  if (!outcome.repeated) nowWaiting(queue, specs, taskQueues, different, outcome, nowMs)
  return {
    jobIds: specs.map((_, at) => (outcome.firstId + at) as JobId),
    warnings: warningsFor(queue, taskQueues, different),
    repeated: outcome.repeated,
  }
}

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

function checked(jobs: readonly RawSpec[], idempotencyKey: string): readonly JobSpec[] {
  if (jobs.length > jobsPerCall) {
    throw new PilotageError('too-large', `${jobs.length} jobs in one call: at most ${jobsPerCall}`)
  }
  const violations: Violation[] = []
  if (jobs.length === 0) violations.push({ path: 'jobs', value: '[]', rule: 'empty', accepted: `1 to ${jobsPerCall} jobs` })
  const isLong = idempotencyKey.length > idempotencyKeyLength
  if (isLong || !isPlainText(idempotencyKey)) {
    const accepted = `at most ${idempotencyKeyLength} ${plainTextForm}`
    const rule = isLong ? 'too long' : 'not a key'
    violations.push({ path: 'idempotencyKey', value: shown(idempotencyKey), rule, accepted })
  }
  const specs = jobs.flatMap((raw, at) => checkSpec(raw, `jobs[${at}]`, violations) ?? [])
  if (violations.length > 0) {
    const first = violations[0]
    const what = first ? `${first.path}: ${first.rule}` : ''
    throw new PilotageError('invalid-argument', `${violations.length} wrong fields, the first is ${what}`, { violations })
  }
  return specs
}

/** Of more task queues than this every seat is served once, in place of each seat being asked about each of them. */
const servedSingly = 16

function nowWaiting(
  queue: Queue,
  specs: readonly JobSpec[],
  taskQueues: readonly TaskQueue[],
  different: readonly TaskQueue[],
  { firstId, parts }: Pick<Extract<SubmitOutcome, { ok: true }>, 'firstId' | 'parts'>,
  nowMs: number,
): void {
  const waiting = new Map<ClassId, WaitingJob[]>(different.map(({ id }) => [id, []]))
  let partAt = 0
  specs.forEach(({ priority, requirements }, at) => {
    const taskQueue = taskQueues[at]
    if (!taskQueue) return
    const id = (firstId + at) as JobId
    if (parts && (parts[partAt + 1] ?? Infinity) <= id) partAt += 1
    const needs = needsOf(requirements, taskQueue.requirements)
    waiting.get(taskQueue.id)?.push({ id, priority, submittedMs: nowMs, part: parts?.[partAt], needs })
  })
  for (const taskQueue of different) {
    queue.waiting.arrived(taskQueue, waiting.get(taskQueue.id) ?? [])
    if (different.length <= servedSingly) queue.matcher.serveQueue(taskQueue)
  }
  if (different.length > servedSingly) queue.matcher.serveAll()
  queue.bus.hint({ kind: 'waiting', ids: different.map(({ id }) => id) })
}

function warningsFor(queue: Queue, taskQueues: readonly TaskQueue[], different: readonly TaskQueue[]): readonly Warning[] {
  const hopeless = new Set(different.filter((demand) => !couldRun(queue, demand)).map(({ id }) => id))
  if (hopeless.size === 0) return []
  const indexes = taskQueues.flatMap(({ id }, at) => (hopeless.has(id) ? [at] : []))
  const text = `${indexes.length} jobs fit no configured offering: explain tells which rule fails`
  return [{ code: 'no-offering', text, indexes: indexes.slice(0, 100) }]
}

function couldRun(queue: Queue, demand: TaskQueue): boolean {
  return queue.offerings.some(
    (offering) => suits(demand, placeOf(offering)) && hasRoom(demand, roomOf(offering, queue.policy.vmLifeMs)),
  )
}

/** What offerings have: a class asks for no more than the smallest that fits the job. */
export function sizesOf({ offerings, policy }: Queue): Sizes {
  const sizes = (field: 'memoryBytes' | 'diskBytes') => [...new Set(offerings.map((offering) => offering[field]))]
  return { memoryBytes: sizes('memoryBytes'), diskBytes: sizes('diskBytes'), wallMs: [policy.vmLifeMs] }
}

/** Of each job, and all of them once. Most jobs of a call are alike: a class is named once. */
function taskQueuesOf(queue: Queue, owner: Owner, specs: readonly JobSpec[]) {
  const sizes = sizesOf(queue)
  const byKey = new Map<string, TaskQueue>()
  const taskQueues = specs.map(({ requirements }) => {
    const of = requirementClass(requirements, sizes)
    const key = requirementsKey(of)
    const known = byKey.get(key) ?? taskQueueOf(owner, of, key)
    byKey.set(key, known)
    return known
  })
  return { taskQueues, different: [...byKey.values()] }
}

/** Equal owner and equal wishes: one task queue, on any machine and at any time. */
function taskQueueOf({ vo, group, owner }: Owner, requirements: JobSpec['requirements'], key: string): TaskQueue {
  const named = JSON.stringify([vo, group, owner, key])
  const id = createHash('sha256').update(named).digest('hex').slice(0, 16) as ClassId
  return { vo, group, owner, id, requirements: normalised(requirements) }
}

function digestOf(specs: readonly JobSpec[]): string {
  return createHash('sha256').update(JSON.stringify(specs)).digest('hex')
}
