/** Versions as programs and systems write them, `2.34` or `535.104.05`: numbers with dots between, compared one by one. */

const pattern = /^\d{1,9}(\.\d{1,9}){0,3}$/

export const versionForm = 'one to four numbers with dots between, in quotes: "9", "2.34"'

export const versionPattern = pattern.source

export function isVersion(text: string): boolean {
  return pattern.test(text)
}

/** Without zeros in front of its numbers: `535.104.05` is `535.104.5`. */
export function plainVersion(text: string): string {
  return numbersOf(text).join('.')
}

/** Below 0: the first is the lower one. A number that is not there is 0. */
export function byVersion(a: string, b: string): number {
  const [first, second] = [numbersOf(a), numbersOf(b)]
  for (let at = 0; at < Math.max(first.length, second.length); at += 1) {
    const difference = (first[at] ?? 0) - (second[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/**
 * Whether a version is at most `max`, as far as `max` says: 9.4 is at most 9. A version that says less than `max` may be
 * above it, so it is not.
 */
export function isUpTo(version: string, max: string): boolean {
  const [own, bound] = [numbersOf(version), numbersOf(max)]
  return own.length >= bound.length && byVersion(own.slice(0, bound.length).join('.'), max) <= 0
}

/** Whether the second version is one of those that the first one names: 9.4 is a 9. */
export function isVersionOf(version: string, exact: string): boolean {
  const [own, other] = [numbersOf(version), numbersOf(exact)]
  return own.length <= other.length && own.every((number, at) => number === other[at])
}

function numbersOf(text: string): readonly number[] {
  return text.split('.').map(Number)
}
