/** Which changes the mutators make, what they leave alone, and that every source file is within their reach. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { shuffled } from './choose.ts'
import { entryFaults, isMatch, readEquivalents } from './equivalents.ts'
import { applied, type Mutant, mutantsOf, shown } from './mutants.ts'
import { importersOf } from './reach.ts'
import { roomOf, rooms, sourceFiles } from './rooms.ts'
import { parse } from './syntax.ts'

const root = join(import.meta.dirname, '../..')

function changed(text: string): readonly string[] {
  return mutantsOf('a.ts', text).map((mutant) => `${mutant.mutator}: ${applied(text, mutant)}`)
}

describe('mutants', () => {
  it.each<[string, readonly string[]]>([
    ['if (a) b()', ['condition: if (true) b()', 'condition: if (false) b()']],
    ['while (a) b()', ['condition: while (false) b()']],
    ['x = a < b', ['statement: ;', 'condition: x = true', 'condition: x = false', 'boundary: x = a <= b']],
    ['v(a && b)', ['statement: ;', 'side: v((a))', 'side: v((b))']],
    ['v(a ?? b)', ['statement: ;', 'side: v((a))', 'side: v((b))']],
    ['v(a * b)', ['statement: ;', 'calculation: v(a / b)']],
    ["v(a + 'x')", ['statement: ;', "text: v(a + '')"]],
    ['v(-a)', ['statement: ;', 'sign: v((a))']],
    ['v(true)', ['statement: ;', 'boolean: v(false)']],
    ['a += 1', ['assignment: a -= 1']],
    ['const f = () => a', ['arrow: const f = () => undefined']],
    [
      'function f() { a(); b() }',
      ['block: function f() {}', 'statement: function f() { ; b() }', 'statement: function f() { a(); ; }'],
    ],
    ['v({ a, b: c })', ['statement: ;', 'property: v({ b: c })', 'property: v({ a, })']],
    ['v([a])', ['statement: ;', 'array: v([])']],
    ["v('a')", ['statement: ;', "text: v('')"]],
    ["v('')", ['statement: ;', "text: v('mutated')"]],
    [`v(\`\${a}:\${b}\`)`, ['statement: ;', "text: v('')"]],
    ['v(a.filter(b))', ['statement: ;', 'call: v((a))']],
    ['v(a.some(b))', ['statement: ;', 'call: v(a.every(b))']],
    ['v(a?.b)', ['statement: ;', 'optional: v(a.b)']],
    ['v(a?.[b])', ['statement: ;', 'optional: v(a[b])']],
    ['v(/^a$/)', ['statement: ;', 'anchor: v(/a$/)', 'anchor: v(/^a/)']],
    ['switch (a) { case 1: b(); break }', ['case: switch (a) { case 1:  }', 'statement: switch (a) { case 1: ; break }']],
    ['try { a() } finally { b() }', ['block: try { a() } finally {}']],
  ])('%s', (text, expected) => {
    expect(changed(text).toSorted()).toEqual(expected.toSorted())
  })

  it.each([
    "log.info({ a: 1 }, 'b')",
    "this.log.warn({ a: b && c }, 'b')",
    "assert(a < b, 'it holds')",
    'function f(a: 1 | 2) { switch (a) { default: return never(a) } }',
    "import { a } from 'b'",
    "type A = { readonly b: 'c' }",
    'i++',
  ])('leaves alone what is no behaviour: %s', (text) => {
    expect(changed(text).filter((line) => !line.startsWith('block') && !line.startsWith('update'))).toEqual([])
  })

  it('takes a text with several words for wording, and a compared text for a part of its comparison', () => {
    expect(changed(`v('two words', \`of \${a} b\`)`)).toEqual(['statement: ;'])
    expect(changed("if (a === 'b') c()").filter((line) => line.startsWith('text'))).toEqual([])
  })

  it('says where and what', () => {
    const [mutant] = mutantsOf('a.ts', 'const a = 1\nconst b = a < 2\n')
    expect(mutant).toMatchObject({ line: 2, was: 'a < 2', code: 'const b = a < 2' })
    expect(shown(mutant as Mutant)).toBe('a.ts:2 condition: a < 2 -> true')
  })
})

describe('the sources', () => {
  const files = sourceFiles(root)
  const textOf = (file: string): string => readFileSync(join(root, file), 'utf8')

  it('all belong to a room, and every room has some', () => {
    expect(files.length).toBeGreaterThan(300)
    expect(files.filter((file) => roomOf(file) === undefined)).toEqual([])
    expect(rooms.filter((room) => !files.some((file) => roomOf(file) === room))).toEqual([])
  })

  it('have mutants that are programs', () => {
    for (const file of shuffled(files, 7).slice(0, 25)) {
      const text = textOf(file)
      for (const mutant of shuffled(mutantsOf(file, text), 7).slice(0, 20)) {
        expect(() => parse(file, applied(text, mutant)), shown(mutant)).not.toThrow()
        expect(applied(text, mutant)).not.toBe(text)
      }
    }
  })

  it('still have every mutant that is listed as equivalent', () => {
    const mutants = (file: string): readonly Mutant[] => (files.includes(file) ? mutantsOf(file, textOf(file)) : [])
    expect(entryFaults(readEquivalents(), mutants)).toEqual([])
  })

  it('are reached from tests by imports', () => {
    const steps = importersOf(root, [...files, 'test/unit/core/text.test.ts'], ['core/kernel/text.ts'])
    expect(steps.get('core/kernel/text.ts')).toBe(0)
    expect(steps.get('test/unit/core/text.test.ts')).toBe(1)
    expect(steps.has('core/kernel/clock.ts')).toBe(false)
  })
})

describe('the list of equivalents', () => {
  const [mutant] = mutantsOf('a.ts', 'const b = a < 2') as readonly [Mutant]
  const entry = { file: 'a.ts', code: 'const b = a < 2', was: 'a < 2', becomes: 'true', why: 'it always is' }

  it('names mutants by their code', () => {
    expect(isMatch(entry, mutant)).toBe(true)
    expect(isMatch({ ...entry, becomes: 'false' }, mutant)).toBe(false)
  })

  it('is wrong where the code is gone or the reason is missing', () => {
    expect(entryFaults([entry], () => [mutant])).toEqual([])
    expect(entryFaults([{ ...entry, code: 'const b = a < 3' }], () => [mutant])).toEqual([
      expect.stringContaining('no mutant'),
    ])
    expect(entryFaults([{ ...entry, why: ' ' }], () => [mutant])).toEqual([expect.stringContaining('without a reason')])
  })
})
