/**
 * What an explanation of a job says, as data: what was found, where the job could run, and rule by rule why not.
 *
 * The texts are made of it in services/views/explanation.ts, for every edge.
 */

import type { JobId, VmId } from '../../core/kernel/ids.ts'
import type { OpenDependency } from '../../core/model/dependency.ts'
import type { RuleOutcome } from '../../core/language/rule.ts'
import type { JobStateName } from '../../core/model/job.ts'
import type { Needs } from '../../core/model/requirements.ts'
import type { VmStateName } from '../../core/model/vm.ts'
import type { Blocked } from './ports.ts'

export type Explained = {
  readonly jobId: JobId
  readonly state: JobStateName
  readonly finding: Finding
  /** Where the job's task queue asks for more than the job itself. */
  readonly classDifferences: readonly ClassDifference[]
  /** Why the last plans make no VM for it; empty unless it is Waiting. */
  readonly blocked: readonly Blocked[]
  /** The VMs and offerings that were looked at, the closest first; bounded. */
  readonly places: readonly PlaceExplanation[]
}

/** The jobs of its task queue before it: that number, or more. */
type Ahead = { readonly jobsAhead: number; readonly hasMoreAhead: boolean }

export type Finding =
  /** Its specification is not stored any more. */
  | { readonly kind: 'forgotten' }
  /** It ended before any VM took it. */
  | { readonly kind: 'never-started' }
  | { readonly kind: 'runs' | 'ran'; readonly attempt: number; readonly vmId: VmId; readonly cores: number }
  /** `waitsFor`: jobs that it waits for beside; absent: none. */
  | { readonly kind: 'held'; readonly why: string; readonly waitsFor?: number }
  /** `first`: some of the jobs that it waits for, as they are now; `waitsFor`: how many there are. */
  | { readonly kind: 'blocked'; readonly waitsFor: number; readonly first: readonly AwaitedJob[] }
  /** No cloud is configured, and no VM exists. */
  | ({ readonly kind: 'no-place' } & Ahead)
  /** No VM and no offering satisfies its requirements. `closest` breaks the fewest rules: these. */
  | { readonly kind: 'no-fit'; readonly closest: Place; readonly broken: readonly RuleOutcome[] }
  /** VMs are counted if they suit it. */
  | ({ readonly kind: 'waits-for-turn'; readonly vmsWithRoom: number } & Ahead)
  /** A VM keeps its room for its task queue until enough of it is free. */
  | ({
      readonly kind: 'waits-for-reserved'
      readonly vmId: VmId
      readonly reservedMs: number
      readonly freeCores: number
      readonly cores: number
    } & Ahead)
  | ({ readonly kind: 'waits-for-room'; readonly busyVms: number; readonly comingVms: number } & Ahead)

/** `state` undefined: it is not stored any more. */
export type AwaitedJob = OpenDependency & { readonly state: JobStateName | undefined }

export type ClassDifference = { readonly requirement: keyof Needs; readonly own: number; readonly ofClass: number }

export type Place =
  | {
      readonly kind: 'vm'
      readonly vmId: VmId
      readonly state: VmStateName
      readonly cloud: string
      readonly flavor: string
      readonly image: string
      /** The cloud's own id; empty: not known yet. */
      readonly ref: string
    }
  | { readonly kind: 'offering'; readonly cloud: string; readonly flavor: string; readonly image: string }

export type PlaceExplanation = {
  readonly place: Place
  readonly fits: boolean
  readonly rules: readonly RuleOutcome[]
  readonly note?: PlaceNote
}

export type PlaceNote =
  /** It fits when running jobs have ended. */
  | { readonly kind: 'busy' }
  /** It keeps its room for the job's task queue, or for another one. */
  | { readonly kind: 'reserved'; readonly sinceMs: number; readonly freeCores: number; readonly cores: number }
  | { readonly kind: 'reserved-for-others' }
  /** It fits, and the last plan makes none of it. */
  | { readonly kind: 'blocked'; readonly by: readonly Blocked[] }
  /** The rules are those of the whole VM, as it was when the job was matched. */
  | { readonly kind: 'whole-vm' }
