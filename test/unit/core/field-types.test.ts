/** Each type of field at its bounds: what a document may write, what a check accepts, and where a refusal points. */

import { describe, expect, it } from 'vitest'
import { jobLimits } from '../../../core/kernel/limits.ts'
import {
  allowedNames,
  amount,
  count,
  type FieldType,
  line,
  nameList,
  range,
  texts,
  variables,
} from '../../../core/language/field-types.ts'

type Outcome = { readonly value: unknown; readonly refused: readonly string[] }

function refusals(run: (refuse: (path: string, value: unknown, rule: string) => void) => unknown): Outcome {
  const refused: string[] = []
  const value = run((path, _, rule) => refused.push(`${path}: ${rule}`))
  return { value, refused }
}

const read = <Raw, Checked>(type: FieldType<Raw, Checked>, value: unknown): Outcome =>
  refusals((refuse) => type.read(value, 'f', refuse))
const check = <Raw, Checked>(type: FieldType<Raw, Checked>, raw: Raw): Outcome =>
  refusals((refuse) => type.check(raw, 'f', refuse))
const good = (value: unknown): Outcome => ({ value, refused: [] })

describe('a line', () => {
  const type = line({ max: 4, rule: 'not a name', fallback: 'none' })

  it('is a text of one character or more', () => {
    expect(read(type, 'a')).toEqual(good('a'))
    expect(read(type, 7)).toEqual({ value: undefined, refused: ['f: not a text: put it in quotes'] })
    expect(read(type, true).refused).toEqual(['f: not a text: put it in quotes'])
    for (const value of ['', null, [], {}]) expect(read(type, value).refused).toEqual(['f: not a text'])
  })

  it('is accepted up to its length, and of plain characters', () => {
    expect(check(type, 'abcd')).toEqual(good('abcd'))
    expect(check(type, '')).toEqual(good(''))
    expect(check(type, 'abcde').refused).toEqual(['f: not a name'])
    expect(check(type, 'a\n').refused).toEqual(['f: not a name'])
  })

  it('may be needed', () => {
    const needed = line({ max: 4, rule: 'not a name', fallback: 'none', isNeeded: true })
    expect(check(needed, '').refused).toEqual(['f: missing'])
    expect(check(needed, 'a')).toEqual(good('a'))
  })

  it('is written unless it is empty', () => {
    expect([type.write('a'), type.write('')]).toEqual(['a', undefined])
  })
})

describe('texts', () => {
  const type = texts(2, 3)

  it('are a list of texts, empty ones included', () => {
    expect(read(type, [])).toEqual(good([]))
    expect(read(type, ['', 'a'])).toEqual(good(['', 'a']))
    expect(read(type, 'a')).toEqual({ value: undefined, refused: ['f: not a list of texts'] })
    expect(read(type, ['a', 1])).toEqual({ value: undefined, refused: ['f[1]: not a text: put it in quotes'] })
  })

  it('are accepted up to their number and length', () => {
    expect(check(type, ['abc', ''])).toEqual(good(['abc', '']))
    expect(check(type, ['a', 'abcd']).refused).toEqual(['f[1]: not an argument'])
    expect(check(type, ['a\0', 'b']).refused).toEqual(['f[0]: not an argument'])
    expect(check(type, ['a', 'b', 'abcd']).refused).toEqual(['f: too many'])
  })

  it('are written unless there is none', () => {
    expect([type.write(['']), type.write([])]).toEqual([[''], undefined])
  })
})

describe('variables', () => {
  const type = variables(2, 3)

  it('are a mapping of names to texts', () => {
    expect(read(type, { A: '', B: 'b' })).toEqual(good({ A: '', B: 'b' }))
    expect(read(type, ['a']).refused).toEqual(['f: a mapping of names to texts'])
    expect(read(type, { A: 'a', B: 1 })).toEqual({ value: undefined, refused: ['f.B: not a text: put it in quotes'] })
    expect(Object.keys(read(type, JSON.parse('{"__proto__": "a"}')).value as object)).toEqual(['__proto__'])
  })

  it('are accepted up to their number and length', () => {
    expect(check(type, { A: 'abc', _b1: '' })).toEqual(good({ A: 'abc', _b1: '' }))
    expect(check(type, { A: '', B: 'abcd' }).refused).toEqual(['f.B: not a value'])
    expect(check(type, { A: 'a\0' }).refused).toEqual(['f.A: not a value'])
    expect(check(type, { A: '', B: '', '1': '' }).refused).toContain('f: too many')
  })

  it.each(['A', '_', 'aZ_09', 'XPILOTAGE_', 'A'.repeat(jobLimits.environmentNameLength)])('may be named %s', (name) => {
    expect(check(type, { [name]: '' }).refused).toEqual([])
  })

  it.each(['', '1a', 'a-b', 'a b', 'é', 'PILOTAGE_', 'PILOTAGE_A', 'A'.repeat(jobLimits.environmentNameLength + 1)])(
    'may not be named %j',
    (name) => {
      expect(check(type, { [name]: '' }).refused).toEqual([expect.stringContaining('not a variable name')])
    },
  )

  it('are written unless there is none', () => {
    expect([type.write({ A: '' }), type.write({})]).toEqual([{ A: '' }, undefined])
  })
})

describe('a count', () => {
  const type = count({ min: 2, max: 5, fallback: 3 })

  it('is a whole number, and not zero', () => {
    expect(read(type, 9)).toEqual(good(9))
    for (const value of [0, 1.5, '2', null, Number.NaN]) expect(read(type, value).refused).toEqual(['f: not a whole number'])
  })

  it('may be zero where its bounds begin there', () => {
    const fromZero = count({ min: 0, max: 5, fallback: 0 })
    expect(read(fromZero, 0)).toEqual(good(0))
    expect(fromZero.write(0)).toBe(0)
    expect(check(fromZero, 0)).toEqual(good(0))
  })

  it('is accepted within its bounds, and has its default', () => {
    expect([2, 5, 0].map((value) => check(type, value))).toEqual([good(2), good(5), good(3)])
    for (const value of [1, 6, -1, 2.5]) expect(check(type, value)).toEqual({ value: 2, refused: ['f: out of range'] })
  })

  it('is written unless it was not given', () => {
    expect([type.write(4), type.write(0)]).toEqual([4, undefined])
  })
})

describe('a range', () => {
  const type = range({ min: 1, max: 8, fallback: 1 })

  it('is a number, or a mapping with one bound or two', () => {
    expect(read(type, 2)).toEqual(good({ min: 2, max: 0 }))
    expect(read(type, { min: 2 })).toEqual(good({ min: 2, max: 0 }))
    expect(read(type, { max: 4 })).toEqual(good({ min: 0, max: 4 }))
    expect(read(type, { min: 2, max: 4 })).toEqual(good({ min: 2, max: 4 }))
    expect(read(type, 'two').refused).toEqual(['f: not a whole number'])
    expect(read(type, { min: 'two' }).refused).toEqual(['f.min: not a whole number'])
    expect(read(type, { mni: 2 })).toMatchObject({ value: undefined, refused: [expect.stringMatching(/^f\.mni: /)] })
  })

  it('has its upper bound from the lower one, and neither out of range', () => {
    expect(check(type, { min: 0, max: 0 })).toEqual(good({ min: 1, max: 1 }))
    expect(check(type, { min: 3, max: 0 })).toEqual(good({ min: 3, max: 3 }))
    expect(check(type, { min: 3, max: 3 })).toEqual(good({ min: 3, max: 3 }))
    expect(check(type, { min: 0, max: 8 })).toEqual(good({ min: 1, max: 8 }))
    expect(check(type, { min: 3, max: 2 }).refused).toEqual(['f.max: below cores.min'])
    expect(check(type, { min: 1, max: 9 }).refused).toEqual(['f.max: out of range'])
    expect(check(type, { min: 9, max: 0 }).refused).toContain('f.min: out of range')
  })

  it('is written as a number where both bounds are one', () => {
    const written = [
      { min: 2, max: 0 },
      { min: 2, max: 2 },
      { min: 2, max: 4 },
      { min: 0, max: 0 },
    ].map((value) => type.write(value))
    expect(written).toEqual([2, 2, { min: 2, max: 4 }, undefined])
  })
})

describe('an amount', () => {
  const bytes = amount('bytes', { min: 1024, max: 4096, fallback: 2048 })
  const time = amount('duration', { min: 1000, max: 60_000, fallback: 30_000 })

  it('is written with its unit, and not zero', () => {
    expect(read(bytes, '2KiB')).toEqual(good(2048))
    expect(read(time, '1m')).toEqual(good(60_000))
    for (const value of ['0B', 2048, '2048', null])
      expect(read(bytes, value).refused).toEqual(['f: not a size in whole bytes'])
    expect(read(time, '1x').refused).toEqual(['f: not a duration in whole milliseconds'])
    expect([bytes.write(2048), bytes.write(0), time.write(90_000)]).toEqual(['2KiB', undefined, '90s'])
  })

  it('is accepted within its bounds, and has its default', () => {
    expect([1024, 4096, 0].map((value) => check(bytes, value))).toEqual([good(1024), good(4096), good(2048)])
    for (const value of [1023, 4097, 2048.5, 2 ** 60]) expect(check(bytes, value).refused).toEqual(['f: out of range'])
  })
})

describe('names', () => {
  const type = nameList('any')
  const longest = 'a'.repeat(jobLimits.nameInListLength)
  const many = Array.from({ length: jobLimits.names + 1 }, (_, at) => `n${at}`)

  it('are a list of texts that are not empty', () => {
    expect(read(type, ['a', 'b'])).toEqual(good(['a', 'b']))
    expect(read(type, ['']).refused).toEqual(['f[0]: not a text'])
    expect([type.write(['a']), type.write([])]).toEqual([['a'], undefined])
  })

  it('are accepted up to their number and length', () => {
    expect(check(type, [longest, 'LCG.CERN-1_a:b/c+d'])).toEqual(good([longest, 'LCG.CERN-1_a:b/c+d']))
    expect(check(type, ['a', `${longest}a`]).refused).toEqual(['f[1]: not a name'])
    for (const name of ['a b', '.a', '', 'é']) expect(check(type, [name]).refused).toEqual(['f[0]: not a name'])
    expect(check(type, many.slice(1)).refused).toEqual([])
    expect(check(type, many)).toEqual({ value: [], refused: ['f: too many'] })
  })

  it('may be banned, and then some have to be left', () => {
    const both = allowedNames('any')
    expect(read(both, ['a'])).toEqual(good({ allowed: ['a'], banned: [] }))
    expect(read(both, { banned: ['a'] })).toEqual(good({ allowed: [], banned: ['a'] }))
    expect(read(both, 'a')).toEqual({ value: undefined, refused: ['f: not a list of texts'] })
    expect(check(both, { allowed: ['a', 'b'], banned: ['a'] }).refused).toEqual([])
    expect(check(both, { allowed: [], banned: ['a'] }).refused).toEqual([])
    expect(check(both, { allowed: ['a'], banned: ['b', 'a'] }).refused).toEqual(['f: allowed and banned cancel out'])
    expect(check(both, { allowed: ['a b'], banned: ['c d'] }).refused).toEqual([
      'f.allowed[0]: not a name',
      'f.banned[0]: not a name',
    ])
    expect(both.write({ allowed: ['a'], banned: ['b'] })).toEqual({ allowed: ['a'], banned: ['b'] })
    expect([both.write({ allowed: ['a'], banned: [] }), both.write({ allowed: [], banned: [] })]).toEqual([['a'], undefined])
  })
})
