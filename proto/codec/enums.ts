/**
 * The wire's enums and core's words, each both ways. A table has every word of its type: a new state does not compile before
 * it has a number here and in the proto.
 *
 * A number that is unknown, of a newer peer, has no word; what that means is decided by the caller.
 */

import type { End } from '../../core/model/attempt.ts'
import type { DependencyCondition } from '../../core/model/dependency.ts'
import type { CountedAttribute } from '../../core/model/job-filter.ts'
import type { JobStateName } from '../../core/model/job.ts'
import type { UserRole } from '../../core/model/owner.ts'
import type { AttemptEnding, UsageAttribute } from '../../core/model/usage-record.ts'
import type { VmStateName } from '../../core/model/vm.ts'
import type { BlockedReason, BlockingReason, Limit } from '../../core/plan/cause.ts'
import * as accounting from '../gen/pilotage/v1/accounting.ts'
import * as job from '../gen/pilotage/v1/job.ts'
import * as operate from '../gen/pilotage/v1/operate.ts'

export type WireEnum<Word extends string, Value extends number> = {
  readonly words: readonly Word[]
  number(word: Word): Value
  /** Undefined: unspecified, or unknown here. */
  word(value: number): Word | undefined
}

function wireEnum<Word extends string, Value extends number>(numbers: Readonly<Record<Word, Value>>): WireEnum<Word, Value> {
  const words = Object.keys(numbers) as Word[]
  const byNumber = new Map<number, Word>(words.map((word) => [numbers[word], word]))
  return { words, number: (word) => numbers[word], word: (value) => byNumber.get(value) }
}

export const jobStateEnum = wireEnum<JobStateName, job.JobState>({
  Waiting: job.JobState.WAITING,
  Held: job.JobState.HELD,
  Matched: job.JobState.MATCHED,
  Running: job.JobState.RUNNING,
  Completing: job.JobState.COMPLETING,
  Done: job.JobState.DONE,
  Failed: job.JobState.FAILED,
  Killed: job.JobState.KILLED,
  Blocked: job.JobState.BLOCKED,
})

export const dependencyConditionEnum = wireEnum<DependencyCondition, job.DependencyCondition>({
  ok: job.DependencyCondition.OK,
  ended: job.DependencyCondition.ENDED,
  failed: job.DependencyCondition.FAILED,
})

export const jobAttributeEnum = wireEnum<CountedAttribute, job.JobAttribute>({
  state: job.JobAttribute.STATE,
  vo: job.JobAttribute.VO,
  group: job.JobAttribute.GROUP,
  owner: job.JobAttribute.OWNER,
  jobGroup: job.JobAttribute.JOB_GROUP,
  jobType: job.JobAttribute.JOB_TYPE,
  name: job.JobAttribute.NAME,
  site: job.JobAttribute.SITE,
  cloud: job.JobAttribute.CLOUD,
})

export const payloadEndEnum = wireEnum<End, job.PayloadEnd>({
  exited: job.PayloadEnd.EXITED,
  signalled: job.PayloadEnd.SIGNALLED,
  'wall-limit': job.PayloadEnd.WALL_LIMIT,
  'memory-limit': job.PayloadEnd.MEMORY_LIMIT,
  'disk-limit': job.PayloadEnd.DISK_LIMIT,
  stopped: job.PayloadEnd.STOPPED,
  'not-started': job.PayloadEnd.NOT_STARTED,
  abandoned: job.PayloadEnd.ABANDONED,
})

export const attemptEndingEnum = wireEnum<AttemptEnding, job.AttemptEnding>({
  done: job.AttemptEnding.DONE,
  failed: job.AttemptEnding.FAILED,
  'limit-exceeded': job.AttemptEnding.LIMIT_EXCEEDED,
  killed: job.AttemptEnding.KILLED,
  rescheduled: job.AttemptEnding.RESCHEDULED,
  'machine-lost': job.AttemptEnding.MACHINE_LOST,
  'not-started': job.AttemptEnding.NOT_STARTED,
  abandoned: job.AttemptEnding.ABANDONED,
  withdrawn: job.AttemptEnding.WITHDRAWN,
})

export const usageAttributeEnum = wireEnum<UsageAttribute, accounting.UsageAttribute>({
  day: accounting.UsageAttribute.DAY,
  month: accounting.UsageAttribute.MONTH,
  year: accounting.UsageAttribute.YEAR,
  kind: accounting.UsageAttribute.KIND,
  vo: accounting.UsageAttribute.VO,
  group: accounting.UsageAttribute.GROUP,
  owner: accounting.UsageAttribute.OWNER,
  site: accounting.UsageAttribute.SITE,
  cloud: accounting.UsageAttribute.CLOUD,
  flavor: accounting.UsageAttribute.FLAVOR,
  cores: accounting.UsageAttribute.CORES,
  reason: accounting.UsageAttribute.REASON,
})

export const steerRefusalEnum = wireEnum({
  'not-found': job.SteerRefusal.NOT_FOUND,
  ended: job.SteerRefusal.ENDED,
  'not-waiting': job.SteerRefusal.NOT_WAITING,
  'not-held': job.SteerRefusal.NOT_HELD,
  held: job.SteerRefusal.HELD,
  'quota-exceeded': job.SteerRefusal.QUOTA_EXCEEDED,
  'not-live': job.SteerRefusal.NOT_LIVE,
  forbidden: job.SteerRefusal.FORBIDDEN,
  'not-ended': job.SteerRefusal.NOT_ENDED,
  'reschedule-limit': job.SteerRefusal.RESCHEDULE_LIMIT,
  awaited: job.SteerRefusal.AWAITED,
})

export const outputNameEnum = wireEnum({ stdout: job.OutputName.STDOUT, stderr: job.OutputName.STDERR })

export const findingEnum = wireEnum({
  forgotten: job.FindingKind.FORGOTTEN,
  'never-started': job.FindingKind.NEVER_STARTED,
  runs: job.FindingKind.RUNS,
  ran: job.FindingKind.RAN,
  held: job.FindingKind.HELD,
  blocked: job.FindingKind.BLOCKED,
  'no-place': job.FindingKind.NO_PLACE,
  'no-fit': job.FindingKind.NO_FIT,
  'waits-for-turn': job.FindingKind.WAITS_FOR_TURN,
  'waits-for-room': job.FindingKind.WAITS_FOR_ROOM,
  'waits-for-reserved': job.FindingKind.WAITS_FOR_RESERVED,
})

export const blockedCauseEnum = wireEnum<BlockingReason, job.BlockedCause>({
  image: job.BlockedCause.IMAGE,
  limit: job.BlockedCause.LIMIT,
  quota: job.BlockedCause.QUOTA,
  ramp: job.BlockedCause.RAMP,
  breaker: job.BlockedCause.BREAKER,
  unread: job.BlockedCause.UNREAD,
})

export const limitNameEnum = wireEnum<Limit['name'], job.LimitName>({
  vms: job.LimitName.VMS,
  cores: job.LimitName.CORES,
  memory: job.LimitName.MEMORY,
})

export const placeNoteEnum = wireEnum({
  busy: job.PlaceNote.BUSY,
  blocked: job.PlaceNote.BLOCKED,
  'whole-vm': job.PlaceNote.WHOLE_VM,
  reserved: job.PlaceNote.RESERVED,
  'reserved-for-others': job.PlaceNote.RESERVED_FOR_OTHERS,
})

export const warningEnum = wireEnum({ 'no-offering': job.WarningCode.NO_OFFERING })

export const vmStateEnum = wireEnum<VmStateName, operate.VmState>({
  Intended: operate.VmState.INTENDED,
  Requested: operate.VmState.REQUESTED,
  Booting: operate.VmState.BOOTING,
  Active: operate.VmState.ACTIVE,
  Draining: operate.VmState.DRAINING,
  Stopping: operate.VmState.STOPPING,
  Gone: operate.VmState.GONE,
  Failed: operate.VmState.FAILED,
  Lost: operate.VmState.LOST,
})

export const vmRefusalEnum = wireEnum({
  'not-found': operate.VmRefusal.NOT_FOUND,
  ended: operate.VmRefusal.ENDED,
  stale: operate.VmRefusal.STALE,
  'not-up': operate.VmRefusal.NOT_UP,
  busy: operate.VmRefusal.BUSY,
})

export const roleEnum = wireEnum<UserRole, operate.UserRole>({
  user: operate.UserRole.USER,
  operator: operate.UserRole.OPERATOR,
  admin: operate.UserRole.ADMIN,
})

export const imageStateEnum = wireEnum({
  Listed: operate.ImageState.LISTED,
  Approved: operate.ImageState.APPROVED,
  Revoked: operate.ImageState.REVOKED,
  Unknown: operate.ImageState.UNKNOWN,
})

export const planActionEnum = wireEnum({
  create: operate.PlanAction.CREATE,
  hold: operate.PlanAction.HOLD,
  drain: operate.PlanAction.DRAIN,
  retire: operate.PlanAction.RETIRE,
  stop: operate.PlanAction.STOP,
})

export const holdCauseEnum = wireEnum<BlockedReason, operate.HoldCause>({
  covered: operate.HoldCause.COVERED,
  'no-fit': operate.HoldCause.NO_FIT,
  image: operate.HoldCause.IMAGE,
  limit: operate.HoldCause.LIMIT,
  quota: operate.HoldCause.QUOTA,
  ramp: operate.HoldCause.RAMP,
  breaker: operate.HoldCause.BREAKER,
  unread: operate.HoldCause.UNREAD,
  frozen: operate.HoldCause.FROZEN,
})

export const breakerStateEnum = wireEnum({
  open: operate.BreakerState.OPEN,
  'half-open': operate.BreakerState.HALF_OPEN,
})

/** The number of a word that comes as text: a word without one is unspecified. */
export function numberOf<Word extends string, Value extends number>(of: WireEnum<Word, Value>, text: string): Value | 0 {
  const word = of.words.find((known) => known === text)
  return word === undefined ? 0 : of.number(word)
}
