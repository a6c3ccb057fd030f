/**
 * Reads the text of a JDL document letter by letter: blanks and comments, quoted texts, words and expressions, with the line
 * of everything.
 *
 * Every letter is looked at a bounded number of times, so that reading is linear in the text. Knows nothing of attributes.
 */

/** `line`: counted from 1. */
export type Cursor = {
  readonly text: string
  at: number
  line: number
  /** Where a name was looked for last, so that looking twice costs once. */
  known?: Name
}

/** `name`: undefined, there is none. `end`: behind its `=`. */
type Name = { readonly at: number; readonly name: string | undefined; readonly end: number }

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  '"': '"',
  "'": "'",
  '\\': '\\',
}
const nameShape = /[A-Za-z_][A-Za-z0-9_.]*/y
const maxName = 128

export function cursorOn(text: string): Cursor {
  return { text, at: 0, line: 1 }
}

/** The next letter, behind blanks and comments; empty at the end. */
export function peek(cursor: Cursor): string {
  skipBlanks(cursor)
  return cursor.text.charAt(cursor.at)
}

/** Takes the letter where it is the next one. */
export function take(cursor: Cursor, letter: string): boolean {
  if (peek(cursor) !== letter) return false
  step(cursor, cursor.at + 1)
  return true
}

/** Whether an attribute's name is next, with its dots and one `=` behind it. */
export function isAtName(cursor: Cursor): boolean {
  return nameAt(cursor).name !== undefined
}

/** Takes such a name with the `=`. */
export function takeName(cursor: Cursor): string | undefined {
  const { name, end } = nameAt(cursor)
  if (name !== undefined) step(cursor, end)
  return name
}

/** Takes the quoted text that is next, its escapes resolved. Undefined: it has no end. */
export function takeText(cursor: Cursor): string | undefined {
  const { text, at } = cursor
  const quote = text.charAt(at)
  const parts: string[] = []
  let from = at + 1
  for (let end = from; end < text.length; end += 1) {
    const letter = text.charAt(end)
    if (letter === quote) {
      parts.push(text.slice(from, end))
      step(cursor, end + 1)
      return parts.join('')
    }
    if (letter !== '\\') continue
    const next = text.charAt(end + 1)
    // A backslash before another letter is one itself: regular expressions are written so.
    if (escapes[next] !== undefined) parts.push(text.slice(from, end), escapes[next])
    else parts.push(text.slice(from, end + 2))
    from = end + 2
    end += 1
  }
  step(cursor, text.length)
  return undefined
}

/** Takes what stands without quotes up to the end of its value; texts in it are left as they are. */
export function takeBare(cursor: Cursor): string {
  const { text, at } = cursor
  let depth = 0
  let end = at
  for (; end < text.length; end += 1) {
    const letter = text.charAt(end)
    if (letter === '"') {
      const close = closing(text, end)
      if (close < 0) break
      end = close
    } else if (letter === '(') depth += 1
    else if (letter === ')') depth -= 1
    else if (';\n}]'.includes(letter)) break
    else if (letter === ',' && depth <= 0) break
    else if (isBlank(text.charAt(end - 1)) && isComment(text, end)) break
  }
  step(cursor, end)
  return text.slice(at, end).trim()
}

function nameAt(cursor: Cursor): Name {
  skipBlanks(cursor)
  const { text, at, known } = cursor
  if (known?.at === at) return known
  cursor.known = nameIn(text, at)
  return cursor.known
}

function nameIn(text: string, at: number): Name {
  nameShape.lastIndex = at
  const name = nameShape.exec(text)?.[0]
  if (name === undefined || name.length > maxName) return { at, name: undefined, end: at }
  let end = at + name.length
  while (isBlank(text.charAt(end))) end += 1
  // `==` compares: such a word is part of an expression.
  const isName = text.charAt(end) === '=' && text.charAt(end + 1) !== '='
  return isName ? { at, name, end: end + 1 } : { at, name: undefined, end: at }
}

function skipBlanks(cursor: Cursor): void {
  const { text } = cursor
  for (;;) {
    const { at } = cursor
    if (isBlank(text.charAt(at))) step(cursor, at + 1)
    else if (!isComment(text, at)) return
    else if (text.startsWith('/*', at)) step(cursor, found(text, '*/', at + 2) + 2)
    else step(cursor, found(text, '\n', at))
  }
}

function step(cursor: Cursor, to: number): void {
  const { text } = cursor
  for (; cursor.at < Math.min(to, text.length); cursor.at += 1) if (text.charCodeAt(cursor.at) === 10) cursor.line += 1
}

function found(text: string, end: string, from: number): number {
  const at = text.indexOf(end, from)
  return at < 0 ? text.length : at
}

function isBlank(letter: string): boolean {
  return letter === ' ' || letter === '\t' || letter === '\n' || letter === '\r' || letter === '\ufeff'
}

function isComment(text: string, at: number): boolean {
  return text.charAt(at) === '#' || text.startsWith('//', at) || text.startsWith('/*', at)
}

/** The end of the quoted text that begins there; below 0: it has none. */
function closing(text: string, from: number): number {
  for (let end = from + 1; end < text.length; end += 1) {
    if (text.charAt(end) === '"') return end
    if (text.charAt(end) === '\\') end += 1
  }
  return -1
}
