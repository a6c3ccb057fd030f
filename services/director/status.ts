/**
 * What the page and the API show of clouds: in use against limits, breakers, the last plan. Read from what the directors keep,
 * each for the clouds that it holds, and put together here, so that it is the same in every process; it decides nothing and
 * asks no cloud.
 */

import { atTime, type Breaker } from '../../core/plan/breaker.ts'
import type { CloudLimits } from '../../core/model/cloud.ts'
import type { CreateLine, FleetPlan, HoldLine, JobsByVo, PlanLine } from '../../core/plan/fleet.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import { type KeptVm, concerns } from '../../core/model/vm.ts'
import type { Store } from '../../core/ports/store.ts'
import type { KeptBreaker } from './breakers.ts'
import { type CloudNote, cloudNote, noteOf } from './cloud-note.ts'
import { planNote } from './plan-note.ts'

export type ConfiguredCloud = {
  readonly name: string
  readonly kind: string
  readonly site: string
  readonly limits: CloudLimits
}

export type CloudRow = {
  readonly name: string
  readonly kind: string
  readonly site: string
  readonly vms: number
  readonly maxVms: number
  readonly cores: number
  readonly maxCores: number
  /** closed, or each scope that is not: what, until when and why. */
  readonly breaker: string
  /** When the plan was made that read it last; 0 before the first. */
  readonly listedMs: number
}

export type PlanRow = {
  /** Whose demand it is about, in jobs; absent: it is about none. */
  readonly byVo?: JobsByVo
  /** The VOs of the VM that it is about; empty: every VO. */
  readonly vos?: readonly string[]
  readonly atMs: number
  readonly action: string
  readonly subject: string
  readonly count: number
  readonly reason: string
}

export type CloudStatus = { readonly clouds: readonly CloudRow[]; readonly plan: readonly PlanRow[] }

export async function cloudStatus(
  store: Store,
  configured: readonly ConfiguredCloud[],
  nowMs: number,
): Promise<CloudStatus> {
  const [live, kept] = await Promise.all([store.liveVms(), Promise.all(configured.map(({ name }) => readKept(store, name)))])
  return {
    clouds: configured.map(({ name, kind, site, limits }, at) => {
      const own = live.filter(({ vm }) => vm.cloud === name)
      return {
        name,
        kind,
        site,
        vms: own.length,
        maxVms: limits.maxVms,
        cores: own.reduce((sum, { vm }) => sum + vm.cores, 0),
        maxCores: limits.maxCores,
        breaker: breakerText(kept[at]?.note?.breakers ?? [], nowMs),
        listedMs: kept[at]?.plan?.atMs ?? 0,
      }
    }),
    plan: planRows(kept, live),
  }
}

/** The plan as a caller may see it. `vo`: only the demand of this VO and the VMs that concern it; undefined: all of it. */
export function planFor(rows: readonly PlanRow[], vo: string | undefined): readonly PlanRow[] {
  return rows.flatMap(({ byVo, vos, ...row }): readonly PlanRow[] => {
    if (vo === undefined) return [row]
    if (vos !== undefined && !concerns({ vos }, vo)) return []
    if (byVo === undefined) return [row]
    const jobs = byVo[vo] ?? 0
    if (jobs === 0) return []
    return [row.action === 'create' ? row : { ...row, count: jobs }]
  })
}

type Kept = { readonly name: string; readonly note: CloudNote | undefined; readonly plan: FleetPlan | undefined }

async function readKept(store: Store, name: string): Promise<Kept> {
  const [note, plan] = await Promise.all([store.note(cloudNote(name)), store.note(planNote(name))])
  return { name, note: noteOf(note), plan: plan === undefined ? undefined : (JSON.parse(plan) as FleetPlan) }
}

/** What each holder plans for its cloud, and from the newest plan what it says of no cloud that is configured. */
function planRows(kept: readonly Kept[], live: readonly KeptVm[]): readonly PlanRow[] {
  const vosOf = new Map(live.map(({ vm }) => [vm.id, vm.vos]))
  const planRow = (line: PlanLine, atMs: number): PlanRow => rowOf(line, atMs, vosOf)
  const configured = new Set(kept.map(({ name }) => name))
  const plans = kept.flatMap(({ plan }) => plan ?? [])
  const newest = plans.toSorted((a, b) => b.atMs - a.atMs)[0]
  const ofNone = newest?.lines.filter(({ cloud }) => cloud === undefined || !configured.has(cloud)) ?? []
  return [
    ...kept.flatMap(({ name, plan }) =>
      (plan?.lines ?? []).filter(({ cloud }) => cloud === name).map((line) => planRow(line, plan?.atMs ?? 0)),
    ),
    ...ofNone.map((line) => planRow(line, newest?.atMs ?? 0)),
  ]
}

function breakerText(breakers: readonly KeptBreaker[], nowMs: number): string {
  const open = breakers.flatMap(({ scope, breaker }) => {
    const [kind, rest] = [scope.slice(0, scope.indexOf(':')), scope.slice(scope.indexOf(':') + 1)]
    const told = stateText(atTime(breaker, nowMs))
    return told !== '' ? [`${kind} ${rest}: ${told}`] : []
  })
  return open.length === 0 ? 'closed' : open.join('; ')
}

function stateText(breaker: Breaker): string {
  switch (breaker.state) {
    case 'closed':
      return ''
    case 'open':
      return `open until ${new Date(breaker.untilMs).toISOString()} (${breaker.why})`
    case 'half-open':
      return `half-open, one probe (${breaker.why})`
  }
}

function rowOf(line: PlanLine, atMs: number, vosOf: ReadonlyMap<VmId, readonly string[]>): PlanRow {
  switch (line.kind) {
    case 'create': {
      const { cloud, flavor, image } = line.offering
      const subject = `${cloud}/${flavor}/${image}`
      return { atMs, action: line.kind, subject, count: line.count, reason: line.reason, byVo: demandOf(line) }
    }
    case 'hold':
      return {
        atMs,
        action: `hold: ${line.why}`,
        subject: line.cloud ?? 'all clouds',
        count: line.jobs,
        reason: line.reason,
        byVo: demandOf(line),
      }
    case 'drain':
    case 'retire':
    case 'stop':
      return {
        atMs,
        action: line.kind,
        subject: line.vmId,
        count: 1,
        reason: line.reason,
        vos: vosOf.get(line.vmId) ?? ofNoVo,
      }
  }
}

/** No VO has this name: a VM that has ended since is for operators alone. */
const ofNoVo: readonly string[] = ['']

/** A plan that was kept by an older director does not say whose demand it is about. */
function demandOf({ queues, byVo }: CreateLine | HoldLine): JobsByVo | undefined {
  return queues.length === 0 ? undefined : (byVo ?? {})
}
