/**
 * Finds the functions of a source file and how many lines each has: declarations, methods and arrow functions.
 *
 * Works on blanked code (readSource), by matching brackets; types are understood just far enough to find where a body
 * begins. An inner function counts by itself and as part of the outer one.
 */

import { lineOf } from './source-text.ts'

export type FunctionSpan = {
  /** Its name, or one from its place; `anonymous` if there is none. */
  readonly name: string
  readonly line: number
  readonly lines: number
  /** What stands right before it: shows the receiver of a callback. */
  readonly before: string
  readonly body: string
}

const keywords = new Set(['if', 'for', 'while', 'switch', 'catch', 'with', 'function', 'return', 'await', 'import', 'super'])

export function functionsOf(code: string): readonly FunctionSpan[] {
  const spans: FunctionSpan[] = []
  const add = (name: string, from: number, bodyFrom: number, to: number): void => {
    const line = lineOf(code, from)
    const before = code.slice(Math.max(0, from - 80), from)
    spans.push({ name, line, lines: lineOf(code, to) - line + 1, before, body: code.slice(bodyFrom, to + 1) })
  }
  for (const match of code.matchAll(/\bfunction\b\s*\*?\s*([\w$]*)\s*(?:<[^(]*>)?\s*\(/g)) {
    const body = bodyAfter(code, match.index + match[0].length - 1)
    if (body !== undefined) add(match[1] || 'anonymous', match.index, body, closing(code, body))
  }
  for (const match of code.matchAll(/(?<![.\w$])([\w$]+)\s*(?:<[^(;{}]*>)?\(/g)) {
    const name = match[1] ?? ''
    if (keywords.has(name) || /\b(?:function|new)\s*\*?\s*$/.test(code.slice(Math.max(0, match.index - 20), match.index)))
      continue
    const body = bodyAfter(code, match.index + match[0].length - 1)
    if (body !== undefined) add(name, match.index, body, closing(code, body))
  }
  for (const match of code.matchAll(/=>\s*/g)) {
    const from = arrowStart(code, match.index)
    const bodyFrom = match.index + match[0].length
    const to = code.charAt(bodyFrom) === '{' ? closing(code, bodyFrom) : expressionEnd(code, bodyFrom)
    add(nameBefore(code, from), from, bodyFrom, to)
  }
  return spans.sort((a, b) => a.line - b.line)
}

/** Where the body begins of what has its parameters at `open`; undefined where it has none (a call, a type). */
function bodyAfter(code: string, open: number): number | undefined {
  const closed = closing(code, open)
  let at = skipSpace(code, closed + 1)
  // On a line of its own it is a block that follows a call.
  if (code.charAt(at) === '{') return code.slice(closed, at).includes('\n') ? undefined : at
  if (code.charAt(at) !== ':') return undefined
  // A return type: a brace that follows a complete type is the body's.
  let isComplete = false
  at += 1
  while (at < code.length) {
    const next = skipSpace(code, at)
    // A declaration without a body ends with its line; what follows is something else.
    if (isComplete && code.slice(at, next).includes('\n') && !'|&{'.includes(code.charAt(next))) return undefined
    at = next
    const letter = code.charAt(at)
    if (letter === '{' && isComplete) return at
    if ('{([<'.includes(letter)) {
      at = closing(code, at) + 1
      isComplete = true
    } else if (code.startsWith('=>', at)) {
      isComplete = false
      at += 2
    } else if ('|&'.includes(letter)) {
      isComplete = false
      at += 1
    } else {
      const word = /^(?:[\w$.]+|'\s*')/.exec(code.slice(at, at + 200))?.[0]
      if (word === undefined) return undefined
      isComplete = !['is', 'keyof', 'readonly', 'typeof', 'asserts', 'extends', 'infer'].includes(word)
      at += word.length
    }
  }
  return undefined
}

/** Where the bracket at `open` is closed; the end of the text where it is not. */
function closing(code: string, open: number): number {
  const angle = code.charAt(open) === '<'
  const opens = angle ? '<([{' : '([{'
  const closes = angle ? '>)]}' : ')]}'
  let depth = 0
  for (let at = open; at < code.length; at += 1) {
    const letter = code.charAt(at)
    if (opens.includes(letter)) depth += 1
    else if (closes.includes(letter) && !(letter === '>' && code.charAt(at - 1) === '=')) {
      depth -= 1
      if (depth === 0) return at
    }
  }
  return code.length - 1
}

/** The parameters of an arrow: the bracket that is closed before it, or the one word. */
function arrowStart(code: string, arrow: number): number {
  const before = code.slice(0, arrow)
  const single = /(?:\basync\s+)?[\w$]+\s*$/.exec(before.slice(-80))
  const returning = /\)\s*(?::[^=;()]*)?$/.exec(before.slice(-400))
  if (!returning) return single ? arrow - single[0].length : arrow
  let at = before.length - returning[0].length
  for (let depth = 0; at >= 0; at -= 1) {
    if (code.charAt(at) === ')') depth += 1
    if (code.charAt(at) === '(') depth -= 1
    if (depth === 0) break
  }
  const prefix = /(?:\basync\s*)?(?:<[^<>()]*>)?$/.exec(code.slice(Math.max(0, at - 80), at))
  return Math.max(0, at - (prefix?.[0].length ?? 0))
}

function nameBefore(code: string, from: number): string {
  const match = /([\w$]+)\s*(?::[^=;{}()]*)?[=:]\s*$/.exec(code.slice(Math.max(0, from - 120), from))
  return match?.[1] ?? 'anonymous'
}

/** The last character of an arrow's expression. */
function expressionEnd(code: string, from: number): number {
  let depth = 0
  let last = from
  for (let at = from; at < code.length; at += 1) {
    const letter = code.charAt(at)
    if (depth === 0 && (')]},;'.includes(letter) || (letter === '\n' && isOver(code, last, at)))) return last
    if ('([{'.includes(letter)) depth += 1
    if (')]}'.includes(letter)) depth -= 1
    if (!/\s/.test(letter)) last = at
  }
  return last
}

/** Without semicolons a line's end ends an expression, unless this line or the next one shows that it goes on. */
function isOver(code: string, last: number, lineEnd: number): boolean {
  if (/[=>?:&|+\-*/<,(.]/.test(code.charAt(last))) return false
  return !/^\s*(?:[.?:&|+\-*/<>=)\]}]|\binstanceof\b|\bas\b|\bin\b)/.test(code.slice(lineEnd, lineEnd + 200))
}

function skipSpace(code: string, from: number): number {
  let at = from
  while (/\s/.test(code.charAt(at))) at += 1
  return at
}
