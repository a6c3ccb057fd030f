/**
 * Where jobs, VMs, images and facts are kept. The store is the truth and decides every race; it takes no other decision.
 *
 * Everything that resolves is durable. Writes that arrive together may be committed together; each keeps its own outcome. A
 * change is atomic for its job, VM or image: the store reads it, asks `changeJob`, `changeVm` or `changeImage` of core, and
 * writes the answer with its fact, with nothing in between. A lost race is an outcome, never an exception. What is thrown is
 * a PilotageError: `unavailable` (come again), `store-failed` (the disk refused: nothing more is acknowledged).
 */

import type { TaskQueue, QueueCount, WaitingJob } from '../model/task-queue.ts'
import type { Fact, NewFact, Subject } from '../model/fact-shapes.ts'
import type { Image, ImageEvent } from '../model/image.ts'
import type { AttemptRef, ClassId, JobId, VmId } from '../kernel/ids.ts'
import type { AppliedImageOutcome, AppliedJobOutcome, AppliedVmOutcome, Refused } from '../model/apply.ts'
import type { CountQuery, JobCounts } from '../model/job-counts.ts'
import type { JobEvent, JobRefusal } from '../model/job-event.ts'
import type { JobCursor, JobFilter, JobOrder } from '../model/job-filter.ts'
import type { Job, JobSpec, JobStateName } from '../model/job.ts'
import type { Owner } from '../model/owner.ts'
import type { QuotaRefusal, WaitingQuota } from '../model/quota.ts'
import type { KeySpace } from '../model/submission-key.ts'
import type { Vm, VmEvent, KeptVm } from '../model/vm.ts'
import type { AccountingStore } from './accounting.ts'
import type { SandboxStore } from './sandbox-store.ts'

export type Submission = {
  readonly owner: Owner
  readonly jobs: readonly { readonly classId: ClassId; readonly spec: JobSpec }[]
  /** The task queues that `jobs` name. */
  readonly queues: readonly TaskQueue[]
  /** The key within its VO and owner (see submissionKey), and the digest of the content that it stands for. */
  readonly idempotency?: { readonly key: string; readonly space?: KeySpace; readonly digest: string }
  /** What the owner and the VO may have waiting with it; absent: any number. */
  readonly quota?: WaitingQuota
}

export type SubmitOutcome =
  /** The jobs got consecutive ids in their order. `repeated`: the key was known and nothing was added. */
  | {
      readonly ok: true
      readonly firstId: JobId
      readonly count: number
      readonly repeated: boolean
      /** The first id of each part that the jobs lie in, ascending; see WaitingJob. */
      readonly parts?: readonly JobId[]
    }
  /** The key is known with another content. */
  | { readonly ok: false; readonly why: 'key-conflict' }
  /** Nothing was added. A repeat of a key that is known is never refused. */
  | { readonly ok: false; readonly why: 'quota'; readonly refusal: QuotaRefusal }

export type JobOutcome =
  /**
   * The job as it is now, the state that it was in before, the attempt that the change ended, and with a claim what shall be
   * run.
   */
  (Extract<AppliedJobOutcome, { ok: true }> & { readonly spec?: JobSpec }) | Refused<JobRefusal>

export type JobQuery = JobFilter & {
  /** Absent: newest first. */
  readonly order?: JobOrder
  /** Only jobs behind this one: the next page. */
  readonly after?: JobCursor
  readonly limit: number
}

/** `after`: the last id of the slice before; empty: from the first. */
export type QueueSlice = { readonly ids: readonly ClassId[] } | { readonly after: string; readonly limit: number }

export type JobCount = { readonly state: JobStateName; readonly vo: string; readonly site: string; readonly count: number }

export interface JobStore {
  /** All jobs of the submission or none. Idempotent where a key is given: the first answer comes again. */
  submit(submission: Submission, nowMs: number): Promise<SubmitOutcome>

  /**
   * Applies each event to its job, in order, and answers each in order. A claim is also refused (`vm-not-active`) unless
   * its VM is Active at that same moment: that is the race which a drain wins or loses. And it is refused (`vm-full`, with a
   * `claim refused` fact of the VM, one per minute) where the VM's record has no room for it beside the leases that the VM
   * holds. Calls that one process makes in one turn take effect in their order.
   */
  change(events: readonly JobEvent[], nowMs: number): Promise<readonly JobOutcome[]>

  /** Those that exist, in the order asked for. */
  jobs(ids: readonly JobId[]): Promise<readonly Job[]>
  specs(ids: readonly JobId[]): Promise<ReadonlyMap<JobId, JobSpec>>

  /**
   * In the order asked for; fewer than `limit` are all that there are. A job that changes while the pages of a list by
   * change are read may be listed again, or be left out where it moved to a page that was read before.
   */
  list(query: JobQuery): Promise<readonly Job[]>

  /** How many jobs pass, by one or two attributes. */
  countBy(filter: JobFilter, query: CountQuery): Promise<JobCounts>

  /** Task queues with a waiting job: every one, these, or a slice of them by id. */
  queues(of?: QueueSlice): Promise<readonly QueueCount[]>

  /** The next waiting jobs of a task queue: highest priority first, then lowest id. */
  next(classId: ClassId, limit: number): Promise<readonly WaitingJob[]>

  /** Leases that ended before `nowMs`, oldest first. */
  expired(nowMs: number, limit: number): Promise<readonly AttemptRef[]>

  /** Leases that end after `untilMs`, in any order. Reads every lease: not for every step. */
  leasesBeyond(untilMs: number, limit: number): Promise<readonly AttemptRef[]>

  counts(): Promise<readonly JobCount[]>

  /**
   * Removes jobs that ended before, with their specs, facts and keys; at most `limit`. Answers the ids. A job that is still
   * awaited stays.
   */
  forget(endedBeforeMs: number, limit: number): Promise<readonly JobId[]>
}

/**
 * Jobs that wait for the ends of others. A job with dependencies comes as Blocked, with every dependency open, whatever
 * became of the jobs that it names; one that names a job that is not stored is Failed with the submission. The jobs that are
 * named are counted as awaited in the same step, so that an end finds its dependants, or the submission finds the end.
 */
export interface DependencyStore {
  /** The jobs that have an open dependency on this one, by id; at most `limit`. */
  dependants(on: JobId, limit: number): Promise<readonly JobId[]>

  /** Jobs that ended before and are still awaited: not all of their dependants may know it. The longest ended first. */
  awaitedEnds(endedBeforeMs: number, limit: number): Promise<readonly Job[]>
}

export type VmOutcome = AppliedVmOutcome

export interface VmStore {
  /**
   * False, and no change that lasts, if the id is taken, or if the role that it is intended `under` has passed to another.
   */
  intend(vm: Vm, nowMs: number, under?: Fence): Promise<boolean>

  /** As `change` of jobs. The leases that a VM holds are counted at that same moment. */
  changeVms(events: readonly VmEvent[], nowMs: number): Promise<readonly VmOutcome[]>

  vm(id: VmId): Promise<KeptVm | undefined>

  /** Every VM that has not ended. */
  liveVms(): Promise<readonly KeptVm[]>

  /** Newest first. */
  endedVms(limit: number): Promise<readonly Vm[]>

  /** The jobs that hold a lease on it. */
  leasesOn(id: VmId): Promise<readonly Job[]>
}

export type NoteChange = { readonly name: string; readonly was: string | undefined; readonly text: string }

export interface FactStore {
  /** Facts that explain no change of a job or VM: of clouds, plans, the service itself. */
  emit(facts: readonly NewFact[], nowMs: number): Promise<void>

  /** Of one subject, oldest first; the last `limit`, or as many as are kept. Here `seq` orders this answer only. */
  history(subject: Subject, limit: number): Promise<readonly Fact[]>

  /** Of all subjects, oldest first, after `seq`. With -1, the last `limit`. */
  facts(afterSeq: number, limit: number): Promise<readonly Fact[]>

  /** A small named document that a role keeps for its next start: a plan, a breaker. Not truth about jobs or VMs. */
  note(name: string): Promise<string | undefined>
  keepNote(name: string, text: string): Promise<void>

  /**
   * Sets the note if it still is `was` (undefined: if there is none), with the facts that explain it. False: it is something
   * else by now, and nothing has changed.
   */
  changeNote(note: NoteChange, facts: readonly NewFact[], nowMs: number): Promise<boolean>
}

/** The image as it is now, and whether the event changed it. */
export type ImageOutcome = AppliedImageOutcome

export interface ImageStore {
  /** By name; all of them, or those of these names that there are. At most `imageLimits.images`. */
  images(names?: readonly string[]): Promise<readonly Image[]>

  /** As `change` of jobs. How many images there are is counted at that same moment. */
  changeImage(event: ImageEvent, nowMs: number): Promise<ImageOutcome>
}

/** A role, and the number of this lease of it: each later holder has a higher one. */
export type Fence = { readonly role: string; readonly fence: number }

export type RoleLease = Fence & { readonly holder: string; readonly untilMs: number }

/**
 * Which process acts where only one may: a director on a cloud, the sweeper. Times are the store's own where it has a clock
 * (processes on many machines do not agree on one), else `nowMs`.
 */
export interface RoleStore {
  /** Takes the role or renews it for this time; undefined while another process holds it. Renewing keeps the fence. */
  hold(role: string, holder: string, forMs: number, nowMs: number): Promise<RoleLease | undefined>

  /** Gives it up at once, if it is still this holder's. */
  letGo(role: string, holder: string): Promise<void>

  /** The live ones whose names begin so, by name. */
  roles(prefix: string, nowMs: number): Promise<readonly RoleLease[]>
}

export interface Store
  extends JobStore,
    DependencyStore,
    VmStore,
    ImageStore,
    FactStore,
    RoleStore,
    SandboxStore,
    AccountingStore {
  /** What was acknowledged is on disk, and everything is let go. */
  close(): Promise<void>
}
