/**
 * Tag expressions. Of each that is read: its text is read as the same expression, and it holds for the same tags as a second
 * reader says, which knows no normal form.
 */

import { PilotageError } from '../../../core/kernel/errors.ts'
import { expressionText, holdsFor, readExpression } from '../../../core/language/tag-expression.ts'
import type { Chance } from '../chance.ts'
import { type FuzzTarget, property } from '../target.ts'

const tags = ['gpu', 'ssd', 'a', 'b:c', 'x/y', 'and']

function anyExpression(chance: Chance, depth: number): string {
  const kind = chance.below(depth > 0 ? 8 : 3)
  const inner = (): string => anyExpression(chance, depth - 1)
  if (kind < 2) return chance.pick(['gpu', 'ssd', 'a', 'b:c', 'x/y', '"and"'])
  if (kind === 2) return `${chance.pick(['not ', '! ', 'NOT '])}${depth > 0 ? inner() : 'a'}`
  if (kind === 3) return `(${inner()})`
  const operator = chance.pick([' and ', ' or ', ' && ', ' || ', ' AND '])
  return [inner(), inner(), ...chance.some(3, inner)].join(operator)
}

const tagExpressions: FuzzTarget = {
  name: 'tag-expression',
  maxBytes: 10 * 1024,
  seeds: ['gpu and (ssd or not slow)', '!(a || b) && "and"', 'not (not (a and b) or c)'],
  words: [' and ', ' or ', ' not ', '(', ')', '&&', '||', '!', '"and"', 'gpu', '"'],
  make: (chance) => anyExpression(chance, 5),
  run(input) {
    const read = readExpression(input)
    if (!read.ok) throw new PilotageError('invalid-argument', read.why)
    const text = expressionText(read.expression)
    const again = readExpression(text)
    property(again.ok && JSON.stringify(again.expression) === JSON.stringify(read.expression), `${text} is read as itself`)
    for (let set = 0; set < 2 ** tags.length; set += 7) {
      const offered = tags.filter((_, at) => set & (1 << at))
      property(holdsFor(read.expression, offered) === heldFor(input, offered), `${text} asks for what was written`)
    }
    return 1
  },
}

/** The same question to the text itself, which is known to be an expression. */
function heldFor(text: string, offered: readonly string[]): boolean {
  const tokens = text.match(/&&|\|\||[!()]|"[^"]*"|[^\s&|!()"]+/g) ?? []
  let at = 0
  const isNext = (...wanted: readonly string[]): boolean => {
    if (!wanted.includes((tokens[at] ?? '').toLowerCase())) return false
    at += 1
    return true
  }
  const term = (): boolean => {
    if (isNext('not', '!')) return !term()
    if (isNext('(')) {
      const inner = sum()
      at += 1
      return inner
    }
    at += 1
    return offered.includes((tokens[at - 1] ?? '').replaceAll('"', ''))
  }
  const product = (): boolean => {
    let holds = term()
    while (isNext('and', '&&')) holds = term() && holds
    return holds
  }
  const sum = (): boolean => {
    let holds = product()
    while (isNext('or', '||')) holds = product() || holds
    return holds
  }
  return sum()
}

export const expressionTargets: readonly FuzzTarget[] = [tagExpressions]
