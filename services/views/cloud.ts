/**
 * A cloud and the lines of the last plan as texts for people: what the breakers say, and what a line of the plan does. The data
 * themselves are those of the listing (services/vms/list-clouds.ts).
 */

import type { BlockedScope, CloudRow, PlanRow } from '../vms/list-clouds.ts'

/** closed, or each scope that is not: what, until when and why. */
export function breakersText({ breakers }: Pick<CloudRow, 'breakers'>): string {
  return breakers.length === 0 ? 'closed' : breakers.map(scopeText).join('; ')
}

function scopeText(blocked: BlockedScope): string {
  const { kind, name, why } = blocked
  switch (blocked.state) {
    case 'open':
      return `${kind} ${name}: open until ${new Date(blocked.untilMs).toISOString()} (${why})`
    case 'half-open':
      return `${kind} ${name}: half-open, one probe (${why})`
  }
}

export function actionText({ action, why }: Pick<PlanRow, 'action' | 'why'>): string {
  return why === undefined ? action : `${action}: ${why}`
}
