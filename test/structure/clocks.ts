/**
 * Which files compare times, and which of them the clock table of docs/architecture.md names.
 *
 * A comparison counts if one side is a name for a point in time (`untilMs`, `nowMs`), not for a duration (`leaseMs`). Found
 * by the names that STYLE.md asks for: a time without `Ms` is not seen.
 */

import type { SourceFile } from './tree.ts'

const points = (
  'active answered asked at before began begin changed claimed contact created date deadline due end endBy ended exchanged ' +
  'expires first from giveUp intended last latest looked monotonic named newest now oldest read said sent since started ' +
  'submitted until used written youngest'
).split(' ')
/** At the beginning of a name or within it: `untilMs`, `leaseUntilMs`. */
const anyCase = points.map((word) => `[${word.charAt(0)}${word.charAt(0).toUpperCase()}]${word.slice(1)}`).join('|')

const name = String.raw`[\w.?()]*\b\w*?(?:${anyCase})Ms\b`
const comparison = new RegExp(
  [
    String.raw`${name}[^\n;]*?(?:\s[<>]=?\s|\$[lg]te?\b)`,
    String.raw`(?:\s[<>]=?\s|\$[lg]te?\b)[^\n;]*?${name}`,
    String.raw`Math\.(?:min|max|abs)\([^\n;]*?${name}`,
  ].join('|'),
)

/** Programs that people run, and pages, only show times. */
const rooms = /^(?:core|services|agents|client)\/(?!dashboard\/pages\/|kernel\/limits\.ts)/

export function comparesTimes({ path, code }: Pick<SourceFile, 'path' | 'code'>): boolean {
  return rooms.test(path) && comparison.test(code)
}

/** The paths in the table, `{a,b}` spelt out. */
export function clockPaths(document: string): readonly string[] {
  const [, table = ''] = /<!-- clocks: begin -->\n([\s\S]*?)<!-- clocks: end -->/.exec(document) ?? []
  const named = [...table.matchAll(/`((?:core|services|agents|client)\/[^`]+)`/g)].map(([, path = '']) => path)
  return [...new Set(named.flatMap(spelt))]
}

function spelt(path: string): readonly string[] {
  const [, before, inner, after] = /^(.*)\{(.*)\}(.*)$/.exec(path) ?? []
  return inner === undefined ? [path] : inner.split(',').map((one) => `${before}${one}${after}`)
}
