/**
 * Clouds: in use against limits, breakers, and the last plan, as far as the caller sees it. Read from the notes that the
 * directors keep, each for the clouds that it holds, so that every process answers the same. It decides nothing and asks no
 * cloud.
 */

import { type Caller, visibleVo } from '../../core/access/caller.ts'
import { atTime, type BlockedScope, blockedScope, type KeptBreaker } from '../../core/plan/breaker.ts'
import { isFresh, isLess, type MeasuredSize } from '../../core/plan/measured-size.ts'
import type { Blocked } from '../../core/plan/cause.ts'
import { type CloudNote, cloudNote, noteOf, planNote, planOf, type StuckVm } from '../../core/plan/cloud-note.ts'
import type { CloudLimits } from '../../core/model/cloud.ts'
import type { CreateLine, EndingLine, FleetPlan, BlockedLine, JobsByVo, PlanLine } from '../../core/plan/fleet.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import { type KeptVm, concerns } from '../../core/model/vm.ts'
import type { FactStore, VmStore } from '../../core/ports/store.ts'

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
  /** Those that are not closed. */
  readonly breakers: readonly BlockedScope[]
  /** Of its offerings, those whose latest VM had less than was promised. */
  readonly measured: readonly MeasuredSize[]
  /** When the plan was made that read it last; 0 before the first. */
  readonly listedMs: number
  /** What it does not end. */
  readonly stuck: readonly StuckRow[]
}

/** `vos`: of the VM; empty: every VO. Absent: the caller sees it anyway. */
export type StuckRow = StuckVm & { readonly vos?: readonly string[] }

export type PlanRow = RowSubject & (Made | ({ readonly action: 'hold' } & Blocked))

type Made = { readonly action: (CreateLine | EndingLine)['kind']; readonly reason: string }

type RowSubject = {
  /** Whose demand it is about, in jobs; absent: it is about none. */
  readonly byVo?: JobsByVo
  /** The VOs of the VM that it is about; empty: every VO. */
  readonly vos?: readonly string[]
  readonly atMs: number
  /** CLOUD/FLAVOR/IMAGE for create, a VM for what ends one, else a cloud or all of them. */
  readonly subject: string
  readonly count: number
}

export type CloudStatus = { readonly clouds: readonly CloudRow[]; readonly plan: readonly PlanRow[] }

export type CloudStore = Pick<VmStore, 'liveVms'> & Pick<FactStore, 'note'>

/** The whole status, for callers who see every VO; what others see of it is `cloudsFor`. */
export async function cloudStatus(
  store: CloudStore,
  configured: readonly ConfiguredCloud[],
  nowMs: number,
): Promise<CloudStatus> {
  const [live, kept] = await Promise.all([store.liveVms(), Promise.all(configured.map(({ name }) => readKept(store, name)))])
  const vosOf = new Map(live.map(({ vm }) => [vm.id, vm.vos]))
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
        breakers: blockedScopes(kept[at]?.note?.breakers ?? [], nowMs),
        measured: (kept[at]?.note?.sizes ?? []).filter((one) => isLess(one) && isFresh(one, nowMs)),
        listedMs: kept[at]?.plan?.atMs ?? 0,
        stuck: (kept[at]?.note?.stuck ?? []).map((one) => ({ ...one, vos: vosOf.get(one.vmId) ?? ofNoVo })),
      }
    }),
    plan: planRows(kept, live),
  }
}

/** What of it the caller sees. */
export function cloudsFor(caller: Caller, { clouds, plan }: CloudStatus): CloudStatus {
  const vo = visibleVo(caller)
  const seen = (rows: readonly StuckRow[]): readonly StuckRow[] =>
    rows.flatMap(({ vos = [], ...row }) => (vo === undefined || concerns({ vos }, vo) ? [row] : []))
  return { clouds: clouds.map((cloud) => ({ ...cloud, stuck: seen(cloud.stuck) })), plan: planFor(plan, vo) }
}

/** `vo`: only the demand of this VO and the VMs that concern it; undefined: all of it. */
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

async function readKept(store: CloudStore, name: string): Promise<Kept> {
  const [note, plan] = await Promise.all([store.note(cloudNote(name)), store.note(planNote(name))])
  return { name, note: noteOf(note), plan: planOf(plan) }
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

function blockedScopes(breakers: readonly KeptBreaker[], nowMs: number): readonly BlockedScope[] {
  return breakers.flatMap(({ scope, breaker }) => blockedScope(scope, atTime(breaker, nowMs)) ?? [])
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
        action: line.kind,
        subject: line.cloud ?? 'all clouds',
        count: line.jobs,
        cause: line.cause,
        shortage: line.shortage,
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
function demandOf({ queues, byVo }: CreateLine | BlockedLine): JobsByVo | undefined {
  return queues.length === 0 ? undefined : (byVo ?? {})
}
