import { describe, expect, it } from 'vitest'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { gatherViolations, nearest, wrongFields } from '../../../core/kernel/violations.ts'

function refusal(run: () => void): PilotageError {
  try {
    run()
  } catch (error) {
    if (error instanceof PilotageError) return error
  }
  throw new Error('it was not refused')
}

describe('violations', () => {
  it('refuse nothing while there is none', () => {
    const violations = gatherViolations()
    expect(violations.count()).toBe(0)
    expect(() => violations.settle('reading')).not.toThrow()
  })

  it.each([
    [1, 'reading: one field is wrong', 1],
    [2, 'reading: 2 fields are wrong', 2],
    [100, 'reading: 100 fields are wrong', 100],
    [101, 'reading: 101 fields are wrong, the first 100 are shown', 100],
  ])('are counted, and the first hundred kept: %d', (many, message, kept) => {
    const violations = gatherViolations()
    for (let at = 0; at < many; at += 1) violations.add(`field[${at}]`, at, 'out of range', '1 to 2')
    expect(violations.count()).toBe(many)
    const refused = refusal(() => violations.settle('reading'))
    expect([refused.code, refused.message]).toEqual(['invalid-argument', message])
    expect(refused.violations.length).toBe(kept)
    expect(refused.violations[0]).toEqual({ path: 'field[0]', value: '0', rule: 'out of range', accepted: '1 to 2' })
  })

  it.each([
    [[1, 2, 3], 'a list of 3'],
    [{ a: 1, b: 2 }, 'a mapping of 2'],
    [undefined, 'nothing'],
    [null, 'null'],
    [7, '7'],
  ])('show %j briefly', (value, text) => {
    const violations = gatherViolations()
    violations.add('', value, 'wrong', 'right')
    const [only] = refusal(() => violations.settle('reading')).violations
    expect(only).toMatchObject({ path: 'the document', value: text })
  })

  it('name the first field of a request', () => {
    const one = { path: 'a.b', value: '1', rule: 'is odd', accepted: '2' }
    expect(wrongFields([one])).toBe('one field is wrong: a.b: is odd')
    expect(wrongFields([one, { ...one, path: 'c' }])).toBe('2 fields are wrong, the first is a.b: is odd')
  })
})

describe('the nearest known name', () => {
  const known = ['memory', 'cores', 'wallTime', 'disk', 'gpu']

  it.each([
    ['memory', 'memory'],
    ['memmory', 'memory'],
    ['Memory', 'memory'],
    ['meory', 'memory'],
    ['mmry', 'memory'],
    ['wall_time', 'wallTime'],
    ['wall-time', 'wallTime'],
    ['core', 'cores'],
    ['gpus', 'gpu'],
    ['dusk', 'disk'],
    ['dsik', undefined],
    ['gpuss', undefined],
    ['mry', undefined],
    ['', undefined],
    ['memory'.padEnd(41, 'y'), undefined],
  ])('of %j is %j', (name, expected) => {
    expect(nearest(name, known)).toBe(expected)
  })

  it('is none where none is known', () => {
    expect(nearest('memory', [])).toBeUndefined()
  })

  it('is the one with the fewest changes', () => {
    expect(nearest('maxCores', ['minCores', 'maxScores'])).toBe('maxScores')
    expect(nearest('maxCores', ['maxScores', 'maxCore', 'maxCores'])).toBe('maxCores')
  })
})
