/**
 * Patterns of output files: `*` and `?` stay in one folder, `**` as a whole name stands for any folders, and a folder stands
 * for everything in it. All other characters stand for themselves.
 *
 * The time to match grows with the pattern times the path and no faster, whatever the pattern.
 */

import { sandboxLimits } from '../kernel/sandbox-limits.ts'
import { sandboxPathProblem } from '../model/sandbox-file.ts'

export const outputPatternForm = `a relative path of at most ${sandboxLimits.patternLength} characters, in which *, ? and ** stand for others`

/** What is wrong with it; undefined: it is a pattern. */
export function outputPatternProblem(pattern: string): string | undefined {
  if (pattern.length > sandboxLimits.patternLength) return 'too long'
  return sandboxPathProblem(pattern.replace(/(?<=.)\/$/, ''))
}

/** Whether the file at this path is one that the patterns name. */
export function isOutput(patterns: readonly string[], path: string): boolean {
  const names = path.split('/')
  return patterns.some((pattern) => matchesSome(namesOf(pattern), names))
}

/** A last `**` stands for one name at least: what lies in the folder, and not the folder. */
function namesOf(pattern: string): readonly string[] {
  const names = pattern.replace(/\/$/, '').split('/')
  return names.at(-1) === '**' ? [...names, '*'] : names
}

/** The path itself, or a folder above it. `reached[at]`: the names of the pattern before `at` stand for the path so far. */
function matchesSome(pattern: readonly string[], names: readonly string[]): boolean {
  let reached = withoutFolders(pattern, [true])
  for (const name of names) {
    const next: boolean[] = []
    for (const [at, one] of pattern.entries()) {
      if (!reached[at]) continue
      if (one === '**') next[at] = true
      else if (matchesName(one, name)) next[at + 1] = true
    }
    reached = withoutFolders(pattern, next)
    if (reached[pattern.length]) return true
  }
  return false
}

/** `**` stands for no folder as well. */
function withoutFolders(pattern: readonly string[], reached: boolean[]): boolean[] {
  for (const [at, one] of pattern.entries()) if (reached[at] && one === '**') reached[at + 1] = true
  return reached
}

/** One name, by `*` and `?`. Only the last star can need another length. */
function matchesName(pattern: string, name: string): boolean {
  let [at, from, star, mark] = [0, 0, -1, 0]
  while (from < name.length) {
    if (pattern[at] === '*') {
      star = at
      mark = from
      at += 1
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[from])) {
      at += 1
      from += 1
    } else if (star >= 0) {
      at = star + 1
      mark += 1
      from = mark
    } else return false
  }
  while (pattern[at] === '*') at += 1
  return at === pattern.length
}
