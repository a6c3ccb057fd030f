import { join, normalize, win32 } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import { isOutput, outputPatternProblem } from '../../../core/language/output-patterns.ts'
import { clashingPaths, sandboxPathProblem } from '../../../core/model/sandbox-file.ts'

describe('a path of a sandbox', () => {
  it.each([
    ['a', undefined],
    ['a b/ç.txt', undefined],
    ['-rf', undefined],
    ['~/x', undefined],
    ['...', undefined],
    ['.hidden/..x', undefined],
    [`${'a'.repeat(255)}`, undefined],
    ['', 'empty'],
    ['/etc/passwd', 'absolute'],
    ['..', 'has . or ..'],
    ['a/../b', 'has . or ..'],
    ['a/..', 'has . or ..'],
    ['./a', 'has . or ..'],
    ['a//b', 'has an empty name'],
    ['a/', 'has an empty name'],
    ['a\\..\\b', 'has a backslash'],
    ['a\nb', 'has hidden characters'],
    ['a\u0000b', 'has hidden characters'],
    ['a\u202eb', 'has hidden characters'],
    ['\ud800', 'has hidden characters'],
    ['a'.repeat(256), 'has a name that is too long'],
    ['é'.repeat(128), 'has a name that is too long'],
    [Array(33).fill('a').join('/'), 'too many folders'],
    [Array(10).fill('a'.repeat(200)).join('/'), 'too long'],
  ])('%j: %s', (path, problem) => {
    expect(sandboxPathProblem(path)).toBe(problem)
  })

  it('never leads out of its directory once it is accepted, as POSIX and as Windows join it', () => {
    const part = fc.oneof(
      fc.constantFrom('..', '.', '', '/', '\\', '~', '\0', 'a', 'C:', '%2e%2e'),
      fc.string({ unit: 'binary' }),
    )
    const path = fc
      .array(part, { maxLength: 6 })
      .chain((parts) => fc.constantFrom('/', '', '\\').map((by) => parts.join(by)))
    fc.assert(
      fc.property(path, (given) => {
        if (sandboxPathProblem(given) !== undefined) return
        expect(join('/base', given).startsWith('/base/')).toBe(true)
        expect(normalize(given)).toBe(given)
        expect(win32.join('C:\\base', given).startsWith('C:\\base\\')).toBe(true)
      }),
      { numRuns: 5000 },
    )
  })

  it('cannot be there beside itself or below a file', () => {
    expect(clashingPaths(['a/b', 'a/c', 'ab', 'b'])).toBeUndefined()
    expect(clashingPaths(['a', 'b', 'a'])).toEqual(['a', 'a'])
    expect(clashingPaths(['a/b/c', 'a/b'])).toEqual(['a/b', 'a/b/c'])
  })
})

describe('a pattern of output files', () => {
  it.each([
    ['*.root', 'hist.root', true],
    ['*.root', 'sub/hist.root', false],
    ['*.root', '.root', true],
    ['**/*.root', 'hist.root', true],
    ['**/*.root', 'a/b/hist.root', true],
    ['logs/**', 'logs/a', true],
    ['logs/**', 'logs/a/b', true],
    ['logs/**', 'logs', false],
    ['logs', 'logs', true],
    ['logs/', 'logs/a/b', true],
    ['logs', 'logs2/a', false],
    ['**', 'a/b/c', true],
    ['*', 'a', true],
    ['*', 'a/b', true],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['a/**/z', 'a/z', true],
    ['a/**/z', 'a/b/c/z', true],
    ['a/**/z', 'b/z', false],
    ['[ab].txt', 'a.txt', false],
    ['[ab].txt', '[ab].txt', true],
  ])('%s and %s: %s', (pattern, path, isIt) => {
    expect(outputPatternProblem(pattern)).toBeUndefined()
    expect(isOutput([pattern], path)).toBe(isIt)
  })

  it.each(['/abs/*', '../*', 'a/../*', '', 'a'.repeat(300)])('%j is none', (pattern) => {
    expect(outputPatternProblem(pattern)).toBeTruthy()
  })

  it('matches as a regular expression of the same meaning does', () => {
    const names = fc.array(fc.constantFrom('a', 'b', 'ab', 'ba'), { minLength: 1, maxLength: 4 })
    const globs = fc.array(fc.constantFrom('a', 'b', '*', '?', '**', 'a*', '*b', '?a'), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(globs, names, (glob, path) => {
        expect(isOutput([glob.join('/')], path.join('/'))).toBe(asExpression(glob).test(path.join('/')))
      }),
      { numRuns: 5000 },
    )
  })

  it('is matched in a time that grows with its length, however it is made', () => {
    const began = systemClock().monotonicMs()
    isOutput([`${'*a'.repeat(100)}b`], 'a'.repeat(255))
    isOutput([Array(30).fill('**').join('/')], Array(32).fill('a').join('/'))
    expect(systemClock().monotonicMs() - began).toBeLessThan(100)
  })
})

function asExpression(glob: readonly string[]): RegExp {
  const whole = glob.at(-1) === '**' ? [...glob, '*'] : glob
  const text = whole.map((name, at) => {
    if (name === '**') return '(?:[^/]+/)*'
    const one = name.replace(/[*?]/g, (mark) => (mark === '*' ? '[^/]*' : '[^/]'))
    return at === whole.length - 1 ? one : `${one}/`
  })
  return new RegExp(`^${text.join('')}(?:/.*)?$`)
}
