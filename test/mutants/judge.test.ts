/** The whole way on a small tree: what its tests run is read, and each mutant gets the verdict that it deserves. */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../core/kernel/clock.ts'
import { cover } from './cover.ts'
import { openHost } from './hosts.ts'
import { openJudge } from './judge.ts'
import { mutantsOf, shown } from './mutants.ts'
import { makeSandbox, whyUnconfined } from './sandbox.ts'

const root = join(import.meta.dirname, '../..')
const clock = systemClock()
const maxTestMs = 120_000

const source = `export function sum(values: readonly number[]): number {
  let total = 0
  for (const value of values) total += value
  return total
}
export function wait(isOver: () => boolean): void {
  let isDone = false
  while (!isDone) {
    if (isOver()) isDone = true
  }
}
export const bound = (value: number): boolean => value < 10
export const low = (value: number): boolean => value < 5
export const unused = (value: number): number => -value
export const unread = (value: number): number => ~value
`
const sound = `import { expect, it } from 'vitest'
import { bound, sum, wait } from '../../core/kernel/sum.ts'
it('adds', () => expect(sum([1, 2])).toBe(3))
it('compares', () => expect([bound(9), bound(11)]).toEqual([true, false]))
it('waits', () => wait(() => true))
`
const partly = `import { expect, it } from 'vitest'
import { low, unused } from '../../core/kernel/sum.ts'
it('is wrong of itself', () => expect(unused(1)).toBe(1))
it('is right', () => expect(low(1)).toBe(true))
`
const broken = `import { expect, it } from 'vitest'
import { unused } from '../../core/kernel/sum.ts'
it('is wrong of itself', () => expect(unused(1)).toBe(1))
`

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-judge-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('mutants of a small tree', () => {
  it('are killed, out of time, not noticed or not run', { timeout: maxTestMs }, async () => {
    const tree = join(dir, 'tree')
    const file = 'core/kernel/sum.ts'
    for (const path of [
      'core/kernel',
      'test/mutants',
      'vitest.config.ts',
      'package-lock.json',
      '.gitignore',
      'package.json',
    ]) {
      cpSync(join(root, path), join(tree, path), { recursive: true })
    }
    mkdirSync(join(tree, 'test/unit'))
    mkdirSync(join(tree, 'node_modules'))
    symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'))
    writeFileSync(join(tree, file), source)
    writeFileSync(join(tree, 'test/unit/sum.test.ts'), sound)
    writeFileSync(join(tree, 'test/unit/broken.test.ts'), broken)
    writeFileSync(join(tree, 'test/unit/partly.test.ts'), partly)
    const isConfined = whyUnconfined(root, join(dir, 'probe')) === ''
    const sandbox = makeSandbox(tree, join(dir, 'box'), isConfined, join(root, 'node_modules'))
    const host = openHost(sandbox, clock, { PATH: `${join(root, 'node_modules/.bin')}:/usr/sbin:/usr/bin:/sbin:/bin` })
    try {
      const tests = ['broken', 'partly', 'sum'].map((name) => `test/unit/${name}.test.ts`)
      const coverage = await cover(tree, [host], [file], tests, clock, Number.POSITIVE_INFINITY)
      expect(coverage.tests.map(({ isUsable }) => isUsable)).toEqual([false, true, true])
      expect(coverage.tests.map(({ isSound }) => isSound)).toEqual([false, false, true])
      const { judge } = openJudge([file], coverage, () => source, 2000)
      const states: string[] = []
      for (const mutant of mutantsOf(file, source)) {
        const { state } = await judge(host, mutant)
        states.push(`${state} ${shown(mutant).replace(/^\S+ /, '')}`)
      }
      expect(states).toEqual(
        expect.arrayContaining([
          'killed assignment: += -> -=',
          'timeout boolean: true -> false',
          'survived boundary: < -> <=',
          'killed condition: value < 5 -> false',
          'survived condition: value < 5 -> true',
          'uncovered sign: ~value -> (value)',
        ]),
      )
      expect(readFileSync(join(sandbox.dir, file), 'utf8')).toBe(source)
      // What the tests read of a mutant is forgotten with it, also where the next mutant is one of another file.
      const broke = `${source}throw new Error('planted')\n`
      const request = { test: 'test/unit/sum.test.ts', isQuick: true }
      host.write(file, broke)
      expect(await host.run(request, maxTestMs)).toMatchObject({ isOk: false })
      host.write(file, source)
      host.write('core/kernel/text.ts', readFileSync(join(root, 'core/kernel/text.ts'), 'utf8'))
      expect(await host.run(request, maxTestMs)).toMatchObject({ isOk: true })
    } finally {
      await host.close()
    }
  })
})
