/**
 * What an owner and a VO may have waiting: jobs, and task queues with jobs. Held and Blocked jobs count as waiting ones.
 * Decides whether a submission goes in; a job that waits again because its lease was lost is never refused.
 */

/** How many jobs wait, are held or are blocked, and in how many task queues. */
export type WaitingUse = { readonly jobs: number; readonly taskQueues: number }

export type WaitingQuota = { readonly owner: WaitingUse; readonly vo: WaitingUse }

export type QuotaRefusal = {
  readonly of: keyof WaitingQuota
  readonly what: keyof WaitingUse
  readonly limit: number
  readonly used: number
  /** How many more the submission would have made. */
  readonly more: number
}

/** Undefined: it goes in. */
export function quotaRefusal(
  of: keyof WaitingQuota,
  limit: WaitingUse,
  used: WaitingUse,
  more: WaitingUse,
): QuotaRefusal | undefined {
  for (const what of ['jobs', 'taskQueues'] as const) {
    if (more[what] > 0 && used[what] + more[what] > limit[what]) {
      return { of, what, limit: limit[what], used: used[what], more: more[what] }
    }
  }
  return undefined
}
