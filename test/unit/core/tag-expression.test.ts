/** Tag expressions: what is read, what is refused, and that the normal form asks for the same. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expressionLimits, expressionText, holdsFor, readExpression } from '../../../core/language/tag-expression.ts'
import { anyExpressionText, anyName } from '../../support/any-requirements.ts'

function normal(text: string): string {
  const read = readExpression(text)
  return read.ok ? expressionText(read.expression) : `refused: ${read.why}`
}

describe('an expression', () => {
  it.each([
    ['gpu', 'gpu'],
    ['gpu and gpu', 'gpu'],
    ['ssd and gpu', 'gpu and ssd'],
    ['b or a and c', 'a and c or b'],
    ['(b or a) and c', '(a or b) and c'],
    ['a and (b and (c and d))', 'a and b and c and d'],
    ['a or (b or a)', 'a or b'],
    ['not not a', 'a'],
    ['not (a and b)', 'not a or not b'],
    ['!(a || !b) && c', 'b and c and not a'],
    ['NOT a AND b', 'b and not a'],
    ['"and" or "not"', '"and" or "not"'],
    ['isolation:namespaces and not x86/old', 'isolation:namespaces and not x86/old'],
  ])('%s has the normal form %s', (text, expected) => {
    expect(normal(text)).toBe(expected)
  })

  it.each([
    ['', 'no tag'],
    ['   ', 'no tag'],
    ['a b', 'and, or or the end is missing at character 3'],
    ['a and', 'a tag is missing at the end'],
    ['and a', 'a tag is missing at character 1'],
    ['not', 'a tag is missing at the end'],
    ['(a', 'a parenthesis is not closed'],
    ['a)', 'a parenthesis too many at character 2'],
    ['()', 'a tag is missing at character 2'],
    ['a = b', 'nothing that is known at character 3'],
    ['"a', 'nothing that is known at character 1'],
    ['"a b"', 'no tag at character 1'],
    ['-a', 'no tag at character 1'],
    ['a'.repeat(65), 'no tag at character 1'],
    [Array(65).fill('a').join(' and '), '65 tags'],
    ['a'.padEnd(expressionLimits.length + 1), `${expressionLimits.length + 1} characters`],
    [`${'('.repeat(17)}a${')'.repeat(17)}`, 'more than 16 parentheses at character 17'],
  ])('%s is refused', (text, why) => {
    expect(normal(text)).toBe(`refused: ${why}`)
  })

  it('is taken at the limits, and so is its normal form', () => {
    const deep = `${'not (a or '.repeat(16)}b${')'.repeat(16)}`
    const long = `not (${Array.from({ length: 64 }, (_, at) => `${at}`.padStart(64, 't')).join(' or ')})`
    for (const text of [deep, long]) {
      expect(normal(text)).not.toMatch(/^refused/)
      expect(normal(normal(text))).toBe(normal(text))
    }
  })
})

it('has a normal form that reads as itself and holds for the same tags', () => {
  fc.assert(
    fc.property(anyExpressionText, fc.uniqueArray(anyName), (text, tags) => {
      const read = readExpression(text)
      const again = readExpression(normal(text))
      if (!read.ok || !again.ok) throw new Error('refused')
      expect(expressionText(again.expression)).toBe(normal(text))
      expect(again.expression).toEqual(read.expression)
      expect(holdsFor(again.expression, tags)).toBe(plainly(text, tags))
    }),
  )
})

/** Another way to evaluate: each tag becomes true or false, and rewriting goes on until one word is left. */
function plainly(text: string, tags: readonly string[]): boolean {
  let left = text
    .replace(/"[^"]*"|&&|\|\||!|[A-Za-z]+/g, (word) => {
      const operator = { '&&': ' & ', and: ' & ', '||': ' | ', or: ' | ', '!': ' ! ', not: ' ! ' }[word.toLowerCase()]
      return operator ?? (tags.includes(word.replaceAll('"', '')) ? 'T' : 'F')
    })
    .replace(/\s+/g, '')
  const rules: readonly (readonly [RegExp, (...found: string[]) => string])[] = [
    [/\(([TF])\)/, (_, one = '') => one],
    [/!([TF])/, (_, one) => (one === 'T' ? 'F' : 'T')],
    [/([TF])&([TF])/, (_, a, b) => (a === 'T' && b === 'T' ? 'T' : 'F')],
    [/(?<![&!])([TF])\|([TF])(?!&)/, (_, a, b) => (a === 'T' || b === 'T' ? 'T' : 'F')],
  ]
  while (left.length > 1) {
    const rule = rules.find(([pattern]) => pattern.test(left))
    if (!rule) throw new Error(`stuck at ${left}`)
    left = left.replace(rule[0], rule[1])
  }
  return left === 'T'
}

it('reads any text without an error, in time that follows its length', () => {
  const part = fc.oneof(
    fc.constantFrom('(', ')', 'and ', 'or ', 'not ', '!', '&&', '"', ' ', 'a'),
    fc.string({ maxLength: 3 }),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 200 }), (parts) => {
      expect(typeof readExpression(parts.join('')).ok).toBe('boolean')
    }),
  )
})
