/**
 * What is measured of a run: levels over time, the waiting time and slowdown of every job, and what was decided.
 *
 * Percentiles are exact: every value is kept (8 bytes each), sorted, and the smallest value is taken that at least that part
 * of all values does not exceed.
 */

import { type Level, openLevel } from './level.ts'

/** Jobs shorter than this count as this long in the slowdown, as is usual: else one second of waiting is everything. */
export const slowdownFloorMs = 10_000

export type VoMeasure = {
  submitted: number
  done: number
  failed: number
  restarts: number
  /** Core-milliseconds of attempts that ended well. */
  used: number
  readonly waits: number[]
  readonly slowdowns: number[]
  /** In use. */
  readonly cores: Level
  /** Of jobs that wait or run. */
  readonly demand: Level
}

export type Measure = {
  readonly vos: ReadonlyMap<string, VoMeasure>
  readonly waiting: Level
  readonly running: Level
  readonly coming: Level
  readonly active: Level
  readonly stopping: Level
  readonly paidCores: Level
  readonly usedCores: Level
  /** By what was decided and where. */
  readonly decisions: Map<string, number>
  plans: number
}

export function openMeasure(vos: readonly string[]): Measure {
  const open = (): VoMeasure => ({
    ...{ submitted: 0, done: 0, failed: 0, restarts: 0, used: 0, waits: [], slowdowns: [] },
    cores: openLevel(),
    demand: openLevel(),
  })
  return {
    vos: new Map(vos.map((vo) => [vo, open()])),
    waiting: openLevel(),
    running: openLevel(),
    coming: openLevel(),
    active: openLevel(),
    stopping: openLevel(),
    paidCores: openLevel(),
    usedCores: openLevel(),
    decisions: new Map(),
    plans: 0,
  }
}

export function voOf({ vos }: Measure, vo: string): VoMeasure {
  const found = vos.get(vo)
  if (!found) throw new Error(`assertion failed: no job is of ${vo}`)
  return found
}

export function countDecision({ decisions }: Measure, what: string, count = 1): void {
  decisions.set(what, (decisions.get(what) ?? 0) + count)
}

export type Spread = {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = Float64Array.from(values).sort()
  const at = (part: number): number => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0
  const sum = sorted.reduce((total, one) => total + one, 0)
  const mean = sorted.length === 0 ? 0 : sum / sorted.length
  return { count: sorted.length, mean, p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), max: at(1) }
}

export function slowdownOf(turnaroundMs: number, runMs: number): number {
  return Math.max(1, turnaroundMs / Math.max(runMs, slowdownFloorMs))
}
