/** What the verdicts say: the line of a room, its score with the error of a sample, and whether that is enough. */

import type { Verdict } from './judge.ts'
import type { Mutant } from './mutants.ts'

export type RoomResult = {
  readonly room: string
  readonly files: number
  /** All mutants of the chosen files that count, those that were not tried included. */
  readonly all: number
  readonly equivalent: number
  readonly verdicts: readonly Verdict[]
  readonly seconds: number
}

/** Of 95 % of samples the score lies within the error of the true one. */
const z = 1.96

export type Score = { readonly percent: number; readonly error: number }

/** Wilson's interval, made smaller by the part of all mutants that was tried: all of them have no error. */
export function scoreOf(found: number, tried: number, all: number): Score {
  if (tried === 0) return { percent: 100, error: 0 }
  const share = found / tried
  const root = Math.sqrt((share * (1 - share)) / tried + z ** 2 / (4 * tried ** 2))
  const rest = all <= 1 ? 0 : Math.max(0, (all - tried) / (all - 1))
  return { percent: 100 * share, error: ((100 * z * root) / (1 + z ** 2 / tried)) * Math.sqrt(rest) }
}

const count = (verdicts: readonly Verdict[], state: Verdict['state']): number =>
  verdicts.filter((verdict) => verdict.state === state).length

export function resultScore({ verdicts, all }: RoomResult): Score {
  return scoreOf(count(verdicts, 'killed') + count(verdicts, 'timeout'), verdicts.length, all)
}

export function roomLine(result: RoomResult): string {
  const { room, files, all, equivalent, verdicts, seconds } = result
  const { percent, error } = resultScore(result)
  const figures = [
    `room=${room}`,
    `files=${files}`,
    `mutants=${all}`,
    `tried=${verdicts.length}`,
    ...(['killed', 'timeout', 'survived', 'uncovered'] as const).map((state) => `${state}=${count(verdicts, state)}`),
    `equivalent=${equivalent}`,
    `score=${percent.toFixed(1)}`,
    `error=${error.toFixed(1)}`,
    `seconds=${Math.round(seconds)}`,
  ]
  return `mutants: ${figures.join(' ')}`
}

/** One change in a thousand is refused although its files are like the others of their room. */
const zOfChange = 3

/** How alike the mutants of one file are: with many per file a score says more of the files than of the room. */
const likeness = 0.2

/**
 * Whether the files that a change touched are below what their room had. They are no sample of the room: some files are
 * noticed less than others, and how many mutants are tried is up to the machine. So each file counts as a few mutants,
 * however many were tried, and the upper end of Wilson's interval has to be below.
 */
export function isChangeBelow({ verdicts, files }: RoomResult, minPercent: number): boolean {
  const tried = verdicts.length
  if (tried === 0) return false
  const share = (count(verdicts, 'killed') + count(verdicts, 'timeout')) / tried
  const worth = tried / (1 + Math.max(0, tried / files - 1) * likeness)
  const spread = zOfChange * Math.sqrt((share * (1 - share)) / worth + zOfChange ** 2 / (4 * worth ** 2))
  return (100 * (share + zOfChange ** 2 / (2 * worth) + spread)) / (1 + zOfChange ** 2 / worth) < minPercent
}

/** A sample fails where even the upper end of its error is below; all mutants together have no error. */
export function isBelow(result: RoomResult, minPercent: number): boolean {
  const { percent, error } = resultScore(result)
  return percent + error < minPercent
}

export function survivors({ verdicts }: RoomResult): readonly { readonly state: string; readonly mutant: Mutant }[] {
  return verdicts
    .filter(({ state }) => state === 'survived' || state === 'uncovered')
    .toSorted((a, b) => a.mutant.file.localeCompare(b.mutant.file) || a.mutant.start - b.mutant.start)
}
