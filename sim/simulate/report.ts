/**
 * The report of a simulation as data: what the JSON file holds, and what the page and the tables are made from.
 *
 * The same input gives the same report, byte for byte: no time of day, no duration of the run, and every number rounded to
 * what it is good for.
 */

import { addBill, type Bill, newBill, wasteReasons, wastedOf } from './bill.ts'
import { intervalOf, type Level } from './level.ts'
import { type Spread, spreadOf, type VoMeasure } from './measure.ts'
import type { Ended } from './run.ts'
import type { SwfTrace } from './swf.ts'
import type { Site } from './site.ts'
import { type Weights, weightsOf } from '../../core/share/weights.ts'
import { fairShares } from './targets.ts'
import { byName, type Workload } from './workload.ts'
import type { SimCloud } from './world.ts'

const hourMs = 3_600_000

export type Seconds = Spread

export type BillReport = {
  readonly vms: number
  readonly paidCoreHours: number
  readonly usedCoreHours: number
  readonly wastedCoreHours: number
  readonly wastedByReason: Readonly<Record<string, number>>
  /** Wasted, in percent of the used. */
  readonly wastedPercent: number
  readonly money: number
}

export type VoReport = {
  readonly vo: string
  readonly submitted: number
  readonly done: number
  readonly failed: number
  readonly restarts: number
  readonly usedCoreHours: number
  /** Of all that was used. */
  readonly sharePercent: number
  /** What it should have had by the weights of `shares` and by what it asked for. */
  readonly targetPercent: number
  readonly waitSeconds: Seconds
  readonly slowdown: Spread
}

export type Series = { readonly intervalSeconds: number; readonly values: Readonly<Record<string, readonly number[]>> }

export type PolicyReport = {
  readonly name: string
  readonly summary: string
  /** From the first submission until nothing was left. */
  readonly hours: number
  readonly jobs: Readonly<Record<'submitted' | 'done' | 'failed' | 'waiting' | 'running' | 'restarts', number>>
  readonly waitSeconds: Seconds
  readonly slowdown: Spread
  readonly bill: BillReport
  readonly clouds: readonly (BillReport & { readonly cloud: string; readonly refusals: Readonly<Record<string, number>> })[]
  readonly vos: readonly VoReport[]
  readonly decisions: readonly { readonly what: string; readonly count: number }[]
  readonly levels: Series
  /** Mean cores in use, by VO. */
  readonly voCores: Series
  /** What each VO should have had of the cores in use. */
  readonly voTargets: Series
}

export type Report = {
  readonly version: 1
  readonly trace: {
    readonly name: string
    readonly jobs: number
    readonly leftOut: Readonly<Record<string, number>>
    readonly tooLarge: number
    readonly scale: number
    readonly vos: number
    readonly taskQueues: number
    readonly coreHours: number
    readonly hours: number
  }
  readonly seed: number
  readonly site: Site
  readonly policies: readonly PolicyReport[]
}

export type Named = { readonly name: string; readonly summary: string }

export function policyReport({ world, endMs }: Ended, { name, summary }: Named): PolicyReport {
  const { measure, clouds, jobs, backlog } = world
  const vos = [...measure.vos].sort(([a], [b]) => byName(a, b))
  const all = vos.map(([, one]) => one)
  const sum = (of: (vo: VoMeasure) => number): number => all.reduce((total, one) => total + of(one), 0)
  const bill = newBill()
  for (const cloud of clouds) addBill(bill, cloud.bill)
  const used = sum((vo) => vo.used)
  const targets = targetsOf(vos, weightsOf(world.site.shares.weights), endMs)
  return {
    name,
    summary,
    hours: rounded(endMs / hourMs, 2),
    jobs: {
      submitted: sum((vo) => vo.submitted),
      done: sum((vo) => vo.done),
      failed: sum((vo) => vo.failed),
      waiting: backlog.size(),
      running: jobs.size - backlog.size(),
      restarts: sum((vo) => vo.restarts),
    },
    waitSeconds: secondsOf(all.flatMap(({ waits }) => waits)),
    slowdown: spreadOfRatios(all.flatMap(({ slowdowns }) => slowdowns)),
    bill: billReport(bill),
    clouds: clouds.map(cloudReport),
    vos: vos.map(([vo, one]) => voReport(vo, one, used, targets.percent.get(vo) ?? 0)),
    decisions: [...measure.decisions].sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, count]) => ({ what, count })),
    levels: seriesOf(levelsOf(measure), endMs),
    voCores: seriesOf(Object.fromEntries(vos.map(([vo, { cores }]) => [vo, cores])), endMs),
    voTargets: targets.series,
  }
}

function levelsOf({ waiting, running, coming, active, stopping, paidCores, usedCores }: Ended['world']['measure']) {
  return { waiting, running, coming, active, stopping, paidCores, usedCores }
}

function cloudReport({ name: cloud, bill, refusals }: SimCloud): PolicyReport['clouds'][number] {
  return { cloud, ...billReport(bill), refusals }
}

function billReport(bill: Bill): BillReport {
  const wasted = wastedOf(bill)
  return {
    vms: bill.vms,
    paidCoreHours: hoursOf(bill.paid),
    usedCoreHours: hoursOf(bill.used),
    wastedCoreHours: hoursOf(wasted),
    wastedByReason: Object.fromEntries(wasteReasons.map((reason) => [reason, hoursOf(bill.wasted[reason])])),
    wastedPercent: rounded(bill.used === 0 ? 0 : (100 * wasted) / bill.used, 2),
    money: rounded(bill.money, 2),
  }
}

function voReport(vo: string, one: VoMeasure, allUsed: number, targetPercent: number): VoReport {
  const { submitted, done, failed, restarts, used, waits, slowdowns } = one
  return {
    ...{ vo, submitted, done, failed, restarts },
    usedCoreHours: hoursOf(used),
    sharePercent: rounded(allUsed === 0 ? 0 : (100 * used) / allUsed, 2),
    targetPercent,
    waitSeconds: secondsOf(waits),
    slowdown: spreadOfRatios(slowdowns),
  }
}

/** Points of a series in a report: as much as a page shows. */
const maxPoints = 400

function seriesOf(levels: Readonly<Record<string, Level>>, endMs: number): Series {
  const intervalMs = intervalOf(endMs, maxPoints)
  const values = Object.entries(levels).map(([name, level]) => [
    name,
    level.means(intervalMs, endMs).map((mean) => rounded(mean, 1)),
  ])
  return { intervalSeconds: intervalMs / 1000, values: Object.fromEntries(values) }
}

/** In each interval the cores that were in use are divided anew. */
function targetsOf(vos: readonly (readonly [string, VoMeasure])[], weights: Weights, endMs: number) {
  const intervalMs = intervalOf(endMs, maxPoints)
  const levels = vos.map(([vo, { cores, demand }]) => ({
    vo,
    used: cores.means(intervalMs, endMs),
    demand: demand.means(intervalMs, endMs),
    target: [] as number[],
  }))
  const count = levels[0]?.used.length ?? 0
  for (let at = 0; at < count; at += 1) {
    const total = levels.reduce((sum, { used }) => sum + (used[at] ?? 0), 0)
    const wishes = levels.map(({ vo, demand }) => ({ weight: weights.of([vo]), demand: demand[at] ?? 0 }))
    fairShares(total, wishes).forEach((cores, index) => {
      levels[index]?.target.push(cores)
    })
  }
  const sumOf = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0)
  const all = sumOf(levels.map(({ target }) => sumOf(target)))
  const percent = new Map(
    levels.map(({ vo, target }) => [vo, rounded(all === 0 ? 0 : (100 * sumOf(target)) / all, 2)] as const),
  )
  const values = Object.fromEntries(levels.map(({ vo, target }) => [vo, target.map((cores) => rounded(cores, 1))]))
  return { percent, series: { intervalSeconds: intervalMs / 1000, values } satisfies Series }
}

function secondsOf(waitsMs: readonly number[]): Seconds {
  return mapped(spreadOf(waitsMs), (ms) => rounded(ms / 1000, 1))
}

function spreadOfRatios(ratios: readonly number[]): Spread {
  return mapped(spreadOf(ratios), (ratio) => rounded(ratio, 2))
}

function mapped({ count, ...spread }: Spread, of: (value: number) => number): Spread {
  const { mean, p50, p90, p95, p99, max } = spread
  return { count, mean: of(mean), p50: of(p50), p90: of(p90), p95: of(p95), p99: of(p99), max: of(max) }
}

function hoursOf(coreMs: number): number {
  return rounded(coreMs / hourMs, 2)
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

export type ReportOptions = {
  readonly name: string
  readonly trace: SwfTrace
  readonly workload: Workload
  readonly site: Site
  readonly seed: number
  readonly scale: number
  readonly policies: readonly PolicyReport[]
}

export function reportOf({ name, trace, workload, site, seed, scale, policies }: ReportOptions): Report {
  const { jobs, tooLarge, vos, taskQueues } = workload
  const coreMs = jobs.reduce((sum, { runMs, cores }) => sum + runMs * cores, 0)
  const hours = rounded((jobs.at(-1)?.submitMs ?? 0) / hourMs, 2)
  const { leftOut } = trace
  const about = { name, jobs: jobs.length, leftOut, tooLarge, scale, vos: vos.length, taskQueues }
  return { version: 1, trace: { ...about, coreHours: hoursOf(coreMs), hours }, seed, site, policies }
}

/** As it is written to a file. Infinity, which JSON does not know, stands for what has no bound. */
export function reportText(report: Report): string {
  return `${JSON.stringify(report, (_, value: unknown) => (value === Infinity ? 'unbounded' : value), 1)}\n`
}
