/**
 * What the service answers about jobs, as a program reads it: plain values, times in milliseconds since 1970 (0: not yet),
 * empty texts for what does not apply. Types only; the calls are in pilotage-client.ts.
 */

import type { Fact as CoreFact } from '../core/model/fact-shapes.ts'
import type { JobFilter as CoreFilter } from '../core/model/job-filter.ts'
import type { JobSpec } from '../core/model/job.ts'

export type Job = {
  readonly jobId: number
  readonly state: string
  readonly name: string
  /** Empty: none. */
  readonly jobGroup: string
  readonly jobType: string
  readonly vo: string
  readonly group: string
  readonly owner: string
  readonly priority: number
  /** The number of the last attempt, 0 before the first. */
  readonly attempt: number
  /** The job's, and one more for each attempt that did not count as one. */
  readonly maxAttempts: number
  /** Attempts that were lost with their machine, and at which number of them it is Failed. */
  readonly machineLosses: number
  readonly maxMachineLosses: number
  readonly submittedMs: number
  readonly changedMs: number
  readonly taskQueue: string
  /** How many jobs it still waits for. */
  readonly waitsFor: number
  /** Why it is Held, Failed or Killed, or what its live attempt was asked to do. */
  readonly reason: string
  /** Where it runs or ran last. */
  readonly vmId: string
  readonly site: string
  readonly cloud: string
  /** Granted to the last attempt. */
  readonly cores: number
  readonly startedMs: number
  readonly endedMs: number
  /** Of the last attempt that reported one. */
  readonly result: Result | undefined
}

/** What was submitted, with the defaults filled in. */
export type SubmittedSpec = JobSpec

/** How a payload ended, as the pilot saw it. */
export type Result = {
  /** exited, signalled, wall-limit, memory-limit, disk-limit, stopped, not-started, abandoned */
  readonly end: string
  /** Absent: it did not exit by itself. */
  readonly exitCode?: number
  readonly signal: string
  readonly detail: string
  readonly peakMemoryBytes: number
  readonly cpuMs: number
  readonly wallMs: number
  readonly startedMs: number
  readonly endedMs: number
  readonly stdoutBytes: number
  readonly stderrBytes: number
  /** Written beyond the limit and not kept. */
  readonly droppedBytes: number
}

/** What all fields that are given say must hold; empty texts say nothing. */
export type JobFilter = Omit<CoreFilter, 'states'> & { readonly states?: readonly string[] }

export type SteeredJob = {
  readonly jobId: number
  readonly changed: boolean
  /** After the call. */
  readonly state: string
  /** Why nothing changed; empty: it did, or it was so already. */
  readonly refusal: string
  /** What a reschedule of an ended job made; 0: none. */
  readonly newJobId: number
  /** Of a kill: jobs that wait for it and end with it; from 1000 on at least that number. */
  readonly dependants: number
}

/** Something that happened to a job, a VM, a cloud, an image or a submission. `knownFact` of core types its data. */
export type Fact = CoreFact & {
  /** One readable line. */
  readonly text: string
}

/** Accepted, but not as the user may expect. */
export type Warning = {
  readonly code: string
  readonly text: string
  /** Of the jobs in the order of submission. */
  readonly indexes: readonly number[]
}

export type JobExplanation = {
  readonly summary: string
  readonly finding: Finding
  /** Where its task queue asks for more than the job itself. */
  readonly classDifferences: readonly ClassDifference[]
  /** Why the last plans make no VM for it. */
  readonly blocked: readonly BlockedCloud[]
  /** Offerings and live VMs, the closest first. */
  readonly places: readonly PlaceExplanation[]
}

/** A field that does not belong to the kind is 0 or empty. */
export type Finding = {
  /**
   * forgotten, never-started, runs, ran, held, blocked, no-place, no-fit, waits-for-turn, waits-for-room,
   * waits-for-reserved; empty: not known here
   */
  readonly kind: string
  /** Of runs and ran, with the VM and the cores. */
  readonly attempt: number
  readonly vmId: string
  readonly cores: number
  /** Of blocked: how many jobs it waits for, and the first of them. */
  readonly waitsFor: number
  readonly awaited: readonly AwaitedJob[]
  /** Of held. */
  readonly why: string
  /** Of waits-for-turn. */
  readonly vmsWithRoom: number
  /** Of waits-for-room: VMs that are up, and VMs on their way. */
  readonly busyVms: number
  readonly comingVms: number
  /** Jobs before it in its task queue, or more. */
  readonly jobsAhead: number
  readonly hasMoreAhead: boolean
  /** Of waits-for-reserved, with the VM and its cores: how many are free, and since when it keeps its room. */
  readonly freeCores: number
  readonly reservedMs: number
}

/** `when`: ok, ended or failed. `state` empty: it is not stored any more. */
export type AwaitedJob = { readonly jobId: number; readonly when: string; readonly state: string }

/** A requirement that is larger in the task queue than in the job: in bytes, or in milliseconds for the wall time. */
export type ClassDifference = {
  /** memory, disk, wall time: as in the rules */
  readonly rule: string
  readonly own: number
  readonly ofClass: number
}

export type BlockedCloud = {
  readonly cloud: string
  /** image, limit, quota, ramp, breaker, unread */
  readonly cause: string
  readonly reason: string
  /** Of limit and quota. */
  readonly limit: Limit | undefined
}

/** What is used of a limit; bytes for memory. */
export type Limit = {
  /** vms, cores, memory */
  readonly name: string
  readonly used: number
  readonly max: number
}

export type PlaceExplanation = {
  readonly place: string
  readonly fits: boolean
  readonly rules: readonly RuleOutcome[]
  /** What else is to be known about it; empty: nothing. */
  readonly note: string
  /** busy, blocked, whole-vm, reserved, reserved-for-others */
  readonly noteKind: string
  /** Empty: an offering. */
  readonly vmId: string
  readonly cloud: string
  readonly flavor: string
  readonly image: string
}

export type RuleOutcome = {
  readonly rule: string
  readonly holds: boolean
  readonly wanted: string
  readonly offered: string
}
