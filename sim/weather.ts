/**
 * The weather of a seed: how bad each kind of fault is. Every seed has its own, so that calm and rough runs are both seen.
 *
 * Rates are per message or call, `every...Ms` are mean times between two faults of a kind. All of it is over when the world
 * heals: then nothing is lost, late or broken any more.
 */

import type { Dice } from './dice.ts'
import { drawUseless, type UselessOffering } from './useless.ts'

export type Weather = {
  /** Messages of unary calls, each way. */
  dropRate: number
  doubleRate: number
  /** Mean of a message's way, and of the rare slow one. */
  wayMs: number
  slowRate: number
  slowMs: number
  /** A stream breaks by itself. */
  streamBreaksEveryMs: number
  /** One VM is cut off from the service, for `cutMs` on average. */
  cutsEveryMs: number
  cutMs: number
  serviceKillsEveryMs: number
  serviceStallsEveryMs: number
  /** Store calls that end with `unavailable`, half of them after the commit: their outcome is not known. */
  storeFailRate: number
  /** No outcome of the store is ever unknown in this run, as with the embedded store. */
  readonly isStoreSure: boolean
  storeMs: number
  /**
   * As the embedded store: calls are committed and answered in their order. Else each takes its own time, as over a network.
   */
  readonly isStoreOrdered: boolean
  /** Calls that take seconds. */
  storeHiccupRate: number
  storeCrawlsEveryMs: number
  pilotKillsEveryMs: number
  pilotStallsEveryMs: number
  monitorKillsEveryMs: number
  vmCrashesEveryMs: number
  vmHangsEveryMs: number
  cloudFaultRate: number
  lostReplyRate: number
  neverBootsRate: number
  cloudOutagesEveryMs: number
  serviceClockMovesEveryMs: number
  vmClockMovesEveryMs: number
  disksFillEveryMs: number
  diskFullMs: number
  /** Payloads that leave what cannot be removed. */
  keptPayloadRate: number
  /** The offering whose machines are of no use. */
  useless: UselessOffering | undefined
}

const minutes = 60_000

/** `apart`: for what was added later, so that a seed keeps the rest of its weather. */
export function drawWeather({ between, anyScale, chance }: Dice, apart: Dice): Weather {
  const isStoreSure = chance(0.5)
  const useless = drawUseless(apart)
  const everyApart = (min: number, max: number): number => (apart.chance(0.4) ? Infinity : apart.anyScale(min, max))
  const every = (min: number, max: number): number => (chance(0.15) ? Infinity : anyScale(min, max))
  return {
    dropRate: chance(0.2) ? 0 : anyScale(0.002, 0.1),
    doubleRate: chance(0.2) ? 0 : anyScale(0.002, 0.1),
    wayMs: anyScale(0.3, 60),
    slowRate: anyScale(0.0005, 0.02),
    slowMs: anyScale(500, 12_000),
    streamBreaksEveryMs: every(1 * minutes, 30 * minutes),
    cutsEveryMs: every(0.3 * minutes, 6 * minutes),
    cutMs: anyScale(10_000, 240_000),
    serviceKillsEveryMs: every(1 * minutes, 10 * minutes),
    serviceStallsEveryMs: every(3 * minutes, 20 * minutes),
    storeFailRate: isStoreSure ? 0 : anyScale(0.0001, 0.003),
    isStoreSure,
    storeMs: anyScale(0.1, 10),
    isStoreOrdered: chance(0.5),
    storeHiccupRate: anyScale(0.0001, 0.01),
    storeCrawlsEveryMs: every(3 * minutes, 15 * minutes),
    pilotKillsEveryMs: every(0.5 * minutes, 10 * minutes),
    pilotStallsEveryMs: every(0.3 * minutes, 6 * minutes),
    monitorKillsEveryMs: every(1 * minutes, 10 * minutes),
    vmCrashesEveryMs: every(1 * minutes, 15 * minutes),
    vmHangsEveryMs: every(1 * minutes, 10 * minutes),
    cloudFaultRate: chance(0.2) ? 0 : anyScale(0.005, 0.3),
    lostReplyRate: between(0, 1),
    neverBootsRate: chance(0.3) ? 0 : anyScale(0.005, 0.15),
    cloudOutagesEveryMs: every(5 * minutes, 30 * minutes),
    serviceClockMovesEveryMs: everyApart(3 * minutes, 20 * minutes),
    vmClockMovesEveryMs: everyApart(1 * minutes, 10 * minutes),
    disksFillEveryMs: everyApart(1 * minutes, 15 * minutes),
    diskFullMs: apart.anyScale(5000, 10 * minutes),
    keptPayloadRate: apart.chance(0.4) ? 0 : apart.anyScale(0.005, 0.3),
    useless,
  }
}

/** Faults are over; work goes on at the pace that it had. */
export function clearUp(weather: Weather): void {
  const calm: Omit<Weather, 'isStoreOrdered' | 'isStoreSure'> = {
    dropRate: 0,
    doubleRate: 0,
    wayMs: Math.min(weather.wayMs, 20),
    slowRate: 0,
    slowMs: 0,
    streamBreaksEveryMs: Infinity,
    cutsEveryMs: Infinity,
    cutMs: 0,
    serviceKillsEveryMs: Infinity,
    serviceStallsEveryMs: Infinity,
    storeFailRate: 0,
    storeMs: Math.min(weather.storeMs, 2),
    storeHiccupRate: 0,
    storeCrawlsEveryMs: Infinity,
    pilotKillsEveryMs: Infinity,
    pilotStallsEveryMs: Infinity,
    monitorKillsEveryMs: Infinity,
    vmCrashesEveryMs: Infinity,
    vmHangsEveryMs: Infinity,
    cloudFaultRate: 0,
    lostReplyRate: 0,
    neverBootsRate: 0,
    cloudOutagesEveryMs: Infinity,
    serviceClockMovesEveryMs: Infinity,
    vmClockMovesEveryMs: Infinity,
    disksFillEveryMs: Infinity,
    diskFullMs: 0,
    keptPayloadRate: 0,
    useless: undefined,
  }
  Object.assign(weather, calm)
}
