/**
 * Tag expressions: `gpu and (ssd or not slow)`. Read, brought into a normal form, and asked of a place's tags.
 *
 * Reading is bounded (length, terms, depth) and passes over its input once. In the normal form `not` stands before tags
 * alone, `and` and `or` are flat, sorted and without repeats. It asks for exactly what the expression asks for, and is its
 * own normal form. Two expressions with one normal form ask for the same; the reverse is not promised: `a and (a or b)` is
 * kept as it is.
 */

import { isName } from '../kernel/text.ts'

export const expressionLimits = { length: 8192, terms: 64, depth: 16 } as const

export const expressionForm = `tags with and, or, not and parentheses; at most ${expressionLimits.terms} tags, ${expressionLimits.depth} parentheses deep and ${expressionLimits.length} characters`

export type TagExpression =
  | { readonly kind: 'tag'; readonly tag: string; readonly isWanted: boolean }
  | { readonly kind: 'and' | 'or'; readonly of: readonly TagExpression[] }

type Token = { readonly kind: 'tag' | 'and' | 'or' | 'not' | '(' | ')'; readonly text: string; readonly at: number }

export type ReadExpression =
  | { readonly ok: true; readonly expression: TagExpression }
  | { readonly ok: false; readonly why: string }

const words: Readonly<Record<string, Token['kind']>> = {
  and: 'and',
  or: 'or',
  not: 'not',
  '&&': 'and',
  '||': 'or',
  '!': 'not',
  '(': '(',
  ')': ')',
}

const tokenPattern = /\s+|&&|\|\||[!()]|"[^"]*"|[A-Za-z0-9._:/+-]+/y

/** A tag with the name of an operator stands in double quotes. */
export function readExpression(text: string): ReadExpression {
  if (text.length > expressionLimits.length) return wrong(`${text.length} characters`)
  const tokens = tokensOf(text)
  if (typeof tokens === 'string') return wrong(tokens)
  const terms = tokens.filter(({ kind }) => kind === 'tag').length
  if (terms > expressionLimits.terms) return wrong(`${terms} tags`)
  const made = parsed(tokens)
  return typeof made === 'string' ? wrong(made) : { ok: true, expression: made }
}

/** The normal form as text; `readExpression` makes the same expression of it. */
export function expressionText(expression: TagExpression): string {
  if (expression.kind === 'tag') return `${expression.isWanted ? '' : 'not '}${tagText(expression.tag)}`
  const isAnd = expression.kind === 'and'
  const parts = expression.of.map((one) => {
    const text = expressionText(one)
    return isAnd && one.kind === 'or' ? `(${text})` : text
  })
  return parts.join(` ${expression.kind} `)
}

export function holdsFor(expression: TagExpression, tags: readonly string[]): boolean {
  switch (expression.kind) {
    case 'tag':
      return tags.includes(expression.tag) === expression.isWanted
    case 'and':
      return expression.of.every((one) => holdsFor(one, tags))
    case 'or':
      return expression.of.some((one) => holdsFor(one, tags))
  }
}

function wrong(why: string): ReadExpression {
  return { ok: false, why }
}

function tokensOf(text: string): readonly Token[] | string {
  const tokens: Token[] = []
  tokenPattern.lastIndex = 0
  while (tokenPattern.lastIndex < text.length) {
    const at = tokenPattern.lastIndex
    const [token] = tokenPattern.exec(text) ?? []
    if (token === undefined) return `nothing that is known at character ${at + 1}`
    if (token.trim() === '') continue
    const quoted = token.startsWith('"')
    const tag = quoted ? token.slice(1, -1) : token
    const kind = quoted ? 'tag' : (Object.hasOwn(words, token.toLowerCase()) && words[token.toLowerCase()]) || 'tag'
    if (kind === 'tag' && !isName(tag)) return `no tag at character ${at + 1}`
    tokens.push({ kind, text: tag, at })
  }
  return tokens
}

/** What stands open: an `or` of `and`s, and whether all of it is negated. */
type Open = { readonly isNegated: boolean; readonly sums: TagExpression[]; product: TagExpression[] }

/** One pass with a stack of its own, no deeper than the limit: `not` binds before `and`, `and` before `or`. */
function parsed(tokens: readonly Token[]): TagExpression | string {
  const stack: Open[] = []
  let open: Open = { isNegated: false, sums: [], product: [] }
  let isNegated = false
  let isTermDue = true
  for (const { kind, text, at } of tokens) {
    const isTerm = kind === 'tag' || kind === 'not' || kind === '('
    if (isTerm !== isTermDue)
      return `${isTermDue ? 'a tag is missing' : 'and, or or the end is missing'} at character ${at + 1}`
    if (kind === 'not') isNegated = !isNegated
    else if (kind === '(') {
      if (stack.length >= expressionLimits.depth)
        return `more than ${expressionLimits.depth} parentheses at character ${at + 1}`
      stack.push(open)
      open = { isNegated, sums: [], product: [] }
      isNegated = false
    } else if (kind === 'tag') {
      open.product.push({ kind: 'tag', tag: text, isWanted: !isNegated })
      isNegated = false
      isTermDue = false
    } else if (kind === ')') {
      const outer = stack.pop()
      if (!outer) return `a parenthesis too many at character ${at + 1}`
      const whole = closed(open)
      outer.product.push(open.isNegated ? negated(whole) : whole)
      open = outer
    } else {
      if (kind === 'or') {
        open.sums.push(joined('and', open.product))
        open.product = []
      }
      isTermDue = true
    }
  }
  if (tokens.length === 0) return 'no tag'
  if (isTermDue) return 'a tag is missing at the end'
  if (stack.length > 0) return 'a parenthesis is not closed'
  return closed(open)
}

function closed({ sums, product }: Open): TagExpression {
  return joined('or', [...sums, joined('and', product)])
}

/** Flat, sorted, without repeats; of one, itself. All of `of` are normal. */
function joined(kind: 'and' | 'or', of: readonly TagExpression[]): TagExpression {
  const flat = of.flatMap((one) => (one.kind === kind ? one.of : [one]))
  const byText = new Map(flat.map((one) => [expressionText(one), one]))
  const sorted = [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
  const [first] = sorted
  return first && sorted.length === 1 ? first : { kind, of: sorted }
}

/** As deep as what was read, which is bounded. */
function negated(expression: TagExpression): TagExpression {
  if (expression.kind === 'tag') return { ...expression, isWanted: !expression.isWanted }
  return joined(expression.kind === 'and' ? 'or' : 'and', expression.of.map(negated))
}

function tagText(tag: string): string {
  return Object.hasOwn(words, tag.toLowerCase()) ? `"${tag}"` : tag
}
