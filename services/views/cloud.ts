/**
 * Clouds and the lines of the last plan for every edge: the data of the listing (services/vms/list-clouds.ts) with the texts
 * that are made of them.
 */

import type { Cause } from '../../core/plan/cause.ts'
import { blockedText, scopeText } from '../../core/plan/cause-text.ts'
import { bytesText } from '../../core/kernel/quantities.ts'
import { otherText } from '../../core/plan/measured-size.ts'
import type { Resources } from '../../core/model/resources.ts'
import type { MeasuredSize } from '../../core/plan/measured-size.ts'
import type { CloudRow, CloudStatus, PlanRow } from '../vms/list-clouds.ts'

export type CloudsView = Pick<CloudStatus, 'clouds'> & { readonly plan: readonly PlanRowView[] }

export type PlanRowView = Pick<PlanRow, 'atMs' | 'action' | 'subject' | 'count'> & {
  /** Of `hold`: what keeps VMs from being made or ended, with `cause` as data. */
  readonly why?: Cause['why']
  readonly cause?: Cause
  /** One readable line. */
  readonly reason: string
}

export function cloudsView({ clouds, plan }: CloudStatus): CloudsView {
  return { clouds, plan: plan.map(planRowView) }
}

function planRowView(row: PlanRow): PlanRowView {
  const { atMs, action, subject, count } = row
  if (row.action !== 'hold') return { atMs, action, subject, count, reason: row.reason }
  const { cause } = row
  return { atMs, action, subject, count, why: cause.why, cause, reason: blockedText(row) }
}

/** closed, or each scope that is not: what, until when and why. */
export function breakersText({ breakers }: Pick<CloudRow, 'breakers'>): string {
  return breakers.length === 0 ? 'closed' : breakers.map(scopeText).join('; ')
}

/** Empty: nothing that was measured is less than was promised. */
export function measuredText({ measured }: Pick<CloudRow, 'measured'>): string {
  return measured.map((one) => `${one.flavor}/${one.image}: ${lessText(one)} (${one.vmId})`).join('; ')
}

function lessText({ promised, size, traits }: MeasuredSize): string {
  const less = requirementSizes.flatMap(([key, name, show]) =>
    size[key] < promised[key] ? [`measured ${show(size[key])} ${name}, promised ${show(promised[key])}`] : [],
  )
  return [...less, ...(traits ? [otherText(traits)] : [])].join(', ')
}

const requirementSizes = [
  ['cores', 'cores', String],
  ['memoryBytes', 'memory', bytesText],
  ['diskBytes', 'disk', bytesText],
] as const satisfies readonly (readonly [keyof Resources, string, (amount: number) => string])[]

export function actionText({ action, why }: Pick<PlanRowView, 'action' | 'why'>): string {
  return why === undefined ? action : `${action}: ${why}`
}
