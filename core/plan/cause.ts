/**
 * Why a line of the plan makes nothing, or ends nothing, as data: the limit with its numbers, the closest offering, the
 * breaker.
 *
 * The text is made in cause-text.ts. A plan note of an older director has the text alone: that is a cause in words.
 */

import type { RuleOutcome } from '../language/rule.ts'
import type { BlockedScope } from './breaker.ts'

export const blockedReasons = [
  'covered',
  'no-fit',
  'image',
  'limit',
  'quota',
  'ramp',
  'breaker',
  'unread',
  'frozen',
] as const

export type BlockedReason = (typeof blockedReasons)[number]

/** Those that keep VMs from being made. A reason why none is needed, or none is ended, blocks no job. */
export type BlockingReason = Exclude<BlockedReason, 'covered' | 'no-fit' | 'frozen'>

export type Cause =
  /** The work has room: that is free now, that is coming, or that may be free soon. */
  | { readonly why: 'covered'; readonly by: 'free' | 'coming' | 'soon' }
  /** `closest` is absent if there is no offering, or if enough queues were looked at. */
  | { readonly why: 'no-fit'; readonly closest?: ClosestOffering }
  /** limit: configured for the cloud. quota: the cloud's own. */
  | { readonly why: 'limit' | 'quota'; readonly limit: Limit }
  /** As many create calls as one step may make. */
  | { readonly why: 'ramp'; readonly maxCreates: number }
  | { readonly why: 'breaker'; readonly breaker: BlockedScope }
  | { readonly why: 'unread'; readonly reading: Unread }
  | { readonly why: 'frozen'; readonly reading: Unread | Doubted }
  /** In the words of the component that decided it: the image catalogue, the role lease, an older director. */
  | { readonly why: BlockedReason; readonly words: string }

/** The offering that breaks the fewest rules: these. */
export type ClosestOffering = {
  readonly cloud: string
  readonly flavor: string
  readonly broken: readonly RuleOutcome[]
}

/** Bytes for memory. */
export type Limit = { readonly name: 'vms' | 'cores' | 'memory'; readonly used: number; readonly max: number }

/** The cloud is not known well enough to make anything there. */
export type Unread =
  | { readonly kind: 'failed'; readonly failure: string }
  | { readonly kind: 'never' }
  | { readonly kind: 'stale'; readonly listBeganMs: number }

/** Nothing is ended on such a reading; `vms`: of ours that may be in a cloud that is not configured any more. */
export type Doubted =
  | { readonly kind: 'implausible'; readonly words: string }
  | { readonly kind: 'not-configured'; readonly vms: number }

/** A site has fewer VMs of a service than wanted. */
export type Shortage = {
  readonly service: string
  readonly site: string
  readonly present: number
  readonly wanted: number
}

/** `shortage`: what nothing is made for; absent: jobs. */
export type Blocked = { readonly cause: Cause; readonly shortage?: Shortage }
