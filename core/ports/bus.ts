/**
 * Hints between the parts of an installation: "something about this changed, look". A hint carries a kind and ids, never
 * state; the one who is woken reads the store. Losing any number of hints costs latency and nothing else.
 */

export type HintKind =
  /** Task queues that got waiting jobs (class ids). */
  | 'waiting'
  /** Jobs that changed (job ids). */
  | 'jobs'
  /** VMs that changed, or whose leases were asked to stop (VM ids). */
  | 'vms'
  /** Clouds whose plan, list or breaker changed (names). */
  | 'clouds'
  /** Images that were added, approved, disapproved or revoked (names). */
  | 'images'
  /** Outputs of running payloads that users read (ids of the VMs that run them). */
  | 'outputs'

export type Hint = { readonly kind: HintKind; readonly ids: readonly (string | number)[] }

export interface Bus {
  /** Never fails and never waits. */
  hint(hint: Hint): void

  /** Calls `hear` for each hint of the kind, also for one's own. Returns how to stop. */
  listen(kind: HintKind, hear: (ids: readonly (string | number)[]) => void): () => void
}
