/**
 * Violations on their way together: every wrong field of a document, the first hundred kept and all counted.
 *
 * Values are shown briefly and never walked: a wrong value may be a million elements or a thousand levels deep.
 */

import { PilotageError, shown, type Violation } from './errors.ts'

export type Violations = {
  add(path: string, value: unknown, rule: string, accepted: string): void
  count(): number
  /** Throws where there is any. */
  settle(doing: string): void
}

/** What one refusal names; docs/errors.md and the service have the same. */
const shownViolations = 100

export function gatherViolations(): Violations {
  const kept: Violation[] = []
  let count = 0
  return {
    add(path, value, rule, accepted) {
      count += 1
      if (kept.length < shownViolations)
        kept.push({ path: path === '' ? 'the document' : path, value: brief(value), rule, accepted })
    },
    count: () => count,
    settle(doing) {
      if (count === 0) return
      const fields = count === 1 ? 'one field is wrong' : `${count} fields are wrong`
      const more = count > kept.length ? `, the first ${kept.length} are shown` : ''
      throw new PilotageError('invalid-argument', `${doing}: ${fields}${more}`, { violations: kept })
    },
  }
}

/** What a refusal of a request says of its wrong fields. */
export function wrongFields(violations: readonly Violation[]): string {
  const [first] = violations
  const which = violations.length === 1 ? 'one field is wrong: ' : `${violations.length} fields are wrong, the first is `
  return `${which}${first?.path}: ${first?.rule}`
}

function brief(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return `a mapping of ${Object.keys(value).length}`
  return value === undefined ? 'nothing' : shown(value)
}

/** The known name that a slip was meant for, where one is near enough. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > 40) return undefined
  const wanted = name.toLowerCase().replace(/[_-]/g, '')
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(wanted, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best && best.distance <= Math.max(1, Math.floor(best.candidate.length / 3)) ? best.candidate : undefined
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
