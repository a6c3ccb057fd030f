/** What the instrumented sources note, and which tests the notes are taken to speak of. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { instrument, notes, pointOf } from './points.ts'

const source = `export function f(a: number): string {
  if (a === 1) return 'one'
  for (const b of [a]) { if (b === 2) return 'two' }
  switch (a) { case 3: return 'three' }
  const g = (c: number) => (c === 4 ? 'four' : { x: 'other' }.x)
  try { if (a === 5) throw new Error('no') } catch { return 'five' } finally { void 0 }
  return g(a)
}
`

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-points-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('an instrumented source', () => {
  it('does what it did, and notes the innermost block that ran', async () => {
    const sink = join(dir, 'sink')
    const { text, points } = instrument('a.ts', source, 9, sink)
    const path = join(dir, 'a.ts')
    writeFileSync(path, text)
    const { f } = (await import(pathToFileURL(path).href)) as { f: (a: number) => string }
    const ran: string[] = []
    for (const [value, result, mark] of [
      [1, 'one', "'one'"],
      [2, 'two', "'two'"],
      [3, 'three', "'three'"],
      [4, 'four', "'four'"],
      [5, 'five', "'five'"],
      [6, 'other', "'other'"],
    ] as const) {
      writeFileSync(sink, '')
      const shared = globalThis as { __pRound?: number }
      shared.__pRound = (shared.__pRound ?? 0) + 1
      expect(f(value)).toBe(result)
      const noted = new Set(
        readFileSync(sink, 'utf8')
          .split('\n')
          .filter(Boolean)
          .map((line) => Number(line.split(' ')[2])),
      )
      const marks = [1, 2, 3, 4, 5, 6].map((number) => `'${['one', 'two', 'three', 'four', 'five', 'other'][number - 1]}'`)
      const seen = marks.filter((one) => {
        const start = source.indexOf(one)
        return noted.has(pointOf(points, { start, end: start + one.length }))
      })
      expect(seen).toEqual([mark])
      ran.push(mark)
    }
    expect(ran.length).toBe(6)
  })
})

describe('the notes of a test file', () => {
  it('belong to the test that ran, or to all', () => {
    const covered = notes([
      '7 0 0',
      'T 7 a',
      '7 0 1',
      '7 0 2',
      'E 7',
      '7 0 3',
      'T 7 b',
      '7 0 1',
      '8 0 4',
      'thread 0 5',
      'E 7',
    ])
    expect(Object.fromEntries(covered)).toEqual({
      '0:0': 'all',
      '0:1': ['a', 'b'],
      '0:2': ['a'],
      '0:3': 'all',
      '0:4': 'all',
      '0:5': 'all',
    })
  })

  it('belong to all where tests run at once', () => {
    expect([...notes(['T 7 a', 'T 7 b', '7 0 1', 'E 7', 'E 7'])]).toEqual([['0:1', 'all']])
  })
})
