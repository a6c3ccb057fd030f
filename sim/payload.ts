/**
 * Payloads as the simulated world has them: a duration, an exit code, whether it obeys a request to stop, and how much it
 * writes. Its own arguments say all of this, so that a job does the same on every machine.
 */

import type { Result } from '../core/model/attempt.ts'
import type { RawSpec } from '../core/language/check.ts'
import type { Requirements } from '../core/model/requirements.ts'
import type { Dice } from './dice.ts'

export type Plan = {
  readonly runsMs: number
  readonly exitCode: number
  /** It goes only when it is killed. */
  readonly isStubborn: boolean
  readonly stdoutBytes: number
}

const gib = 1024 ** 3
const longestMs = 200_000

/** `isWide`: it asks for the whole of a small machine or more. */
export function drawSpec(dice: Dice, isWide: boolean): RawSpec {
  const cores = dice.pick(isWide ? [2, 2, 2, 2, 2, 4] : [1, 1, 1, 2, 2, 4])
  const runsMs = Math.round(dice.anyScale(300, longestMs))
  const exitCode = dice.chance(0.1) ? dice.whole(1, 100) : 0
  const stdoutBytes = dice.pick([0, 0, 100, 200_000])
  const isImpossible = dice.chance(0.003)
  return {
    name: '',
    executable: '/bin/simulated',
    arguments: [runsMs, exitCode, dice.chance(0.2) ? 1 : 0, stdoutBytes].map(String),
    environment: {},
    requirements: {
      cores: { min: isImpossible ? 64 : cores, max: isImpossible ? 64 : dice.chance(0.2) ? cores * 2 : cores },
      memoryBytes: dice.pick([1, 2]) * gib,
      diskBytes: gib,
      // Some break the limit that they asked for.
      wallMs: dice.chance(0.05) ? 30_000 : 5 * 60_000,
      platforms: [],
      sites: { allowed: dice.chance(0.15) ? ['site-south'] : [], banned: [] },
      clouds: { allowed: [], banned: dice.chance(0.1) ? ['south'] : [] },
      tags: dice.chance(0.1) ? ['fast'] : [],
      ...rareWishes(runsMs, cores),
    },
    priority: dice.pick([0, 0, 0, 3, 9]),
    // Enough for most of what the weather does; too few for some.
    maxAttempts: dice.pick([3, 10, 10]),
    maxMachineLosses: dice.pick([1, 10, 10]),
    jobGroup: '',
    jobType: '',
  }
}

const anyGpu = { vendor: '', memoryBytes: 0, minCapability: 0, maxCapability: 0, minDriver: '' }

/** What one job in three asks for beside. By the number that is drawn already: the rest of a run stays as it was drawn. */
function rareWishes(runsMs: number, cores: number): Partial<Requirements> {
  switch (runsMs % 24) {
    case 0:
      return { wholeNode: true }
    case 1:
      return { gpus: { min: 1, max: 2, ...anyGpu } }
    case 2:
      return { glibc: '2.36' }
    case 3:
      return { os: { name: 'almalinux', min: '9', max: '9' } }
    case 4:
      return { tagExpression: 'fast or not slow' }
    case 5:
      // Five minutes of the cores that it needs in the south.
      return { cpuWorkMs: 5 * 60_000 * southPower * cores, wallMs: 0 }
    case 6:
      return { memoryBytes: gib, memoryPerCoreBytes: gib / 2, memoryLimitBytes: 8 * gib }
    case 7:
      return { alternatives: [{ glibc: '2.40' }, { sites: { allowed: ['site-south'], banned: [] } }, { tags: ['fast'] }] }
    default:
      return {}
  }
}

const southPower = 5

type Wishes = Pick<Requirements, 'cores' | 'tags' | 'sites' | 'clouds' | 'glibc' | 'os'>

/** No flavor of the two clouds of clouds.ts fits. Computed here a second time, without the rules that are under test. */
export function isHopeless({ cores, tags, sites, clouds, glibc, os }: Wishes): boolean {
  const isNorth = !sites.allowed.includes('site-south') && glibc === undefined
  const isSouth = !clouds.banned.includes('south') && !tags.includes('fast') && os === undefined
  return cores.min > 8 || !(isNorth || isSouth)
}

export function planOf(args: readonly string[]): Plan {
  const [runsMs = 0, exitCode = 0, stubborn = 0, stdoutBytes = 0] = args.map(Number)
  return { runsMs, exitCode, isStubborn: stubborn === 1, stdoutBytes }
}

export function resultOf(end: Result['end'], plan: Plan, detail: string, startedMs: number, endedMs: number): Result {
  return {
    end,
    exitCode: end === 'exited' ? plan.exitCode : 0,
    signal: '',
    detail,
    peakMemoryBytes: 1024,
    cpuMs: Math.round(endedMs - startedMs),
    wallMs: Math.round(endedMs - startedMs),
    startedMs: Math.round(startedMs),
    endedMs: Math.round(endedMs),
    stdoutBytes: plan.stdoutBytes,
    stderrBytes: 0,
    droppedBytes: 0,
  }
}
