/**
 * JDL, the text of DIRAC's job descriptions, as attributes with their values and lines. Knows no attribute by name.
 *
 *   document    attributes, or one record, or several, in a list or not
 *   record      [ attributes ]
 *   attribute   Name = value ;
 *   value       "text"   number   true   { value, ... }   record   a word or an expression without quotes
 *
 * Read as people write it: a semicolon may be missing at the end of a line, a list may lack its braces or end with a comma,
 * comments are those of C++, of C and of scripts. What is not understood is refused with its line. Bounded: depth,
 * attributes and items.
 */

import { shown } from '../../kernel/errors.ts'
import type { Violations } from '../../kernel/violations.ts'
import { type Cursor, cursorOn, isAtName, peek, take, takeBare, takeName, takeText } from './scan.ts'

export type JdlValue =
  | { readonly kind: 'text'; readonly text: string }
  /** `text`: as it was written. */
  | { readonly kind: 'number'; readonly value: number; readonly text: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'list'; readonly items: readonly JdlValue[] }
  | { readonly kind: 'record'; readonly attributes: readonly JdlAttribute[] }
  /** Without quotes, in one piece. */
  | { readonly kind: 'word'; readonly text: string }
  /** Without quotes and more than a word: nothing here evaluates it. */
  | { readonly kind: 'expression'; readonly text: string }

export type JdlAttribute = { readonly name: string; readonly value: JdlValue; readonly line: number }
export type JdlRecord = readonly JdlAttribute[]

export const jdlBounds = { depth: 16, attributes: 1000, items: 100_000 } as const

type Reading = { readonly scan: Cursor; readonly wrong: Violations; items: number; isBroken: boolean }

const numberShape = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/
const valueForms = '"text", a number, true, false, { list } or [ record ]'

/** Whether the text begins as JDL does, and as neither JSON nor YAML do. */
export function looksLikeJdl(text: string): boolean {
  const scan = cursorOn(text)
  while (take(scan, '[') || take(scan, '{'));
  return isAtName(scan)
}

/** The jobs of the document. What is wrong goes to `wrong`; reading ends with the first mistake. */
export function parseJdl(text: string, wrong: Violations): readonly JdlRecord[] {
  const scan = cursorOn(text)
  const reading: Reading = { scan, wrong, items: 0, isBroken: false }
  if (isAtName(scan)) return [readAttributes(reading, 0)]
  const isList = take(scan, '{')
  const records: JdlRecord[] = []
  while (!reading.isBroken && take(scan, '[')) {
    records.push(readAttributes(reading, 1))
    while (take(scan, ',') || take(scan, ';'));
    if (records.length > jdlBounds.items) refuse(reading, 'too many jobs', `at most ${jdlBounds.items} jobs`)
  }
  if (isList && !reading.isBroken && !take(scan, '}')) refuse(reading, 'the list of jobs has no end', '} behind the last ]')
  if (!reading.isBroken && peek(scan) !== '') refuse(reading, 'not JDL', 'Name = value; or [ Name = value; ... ]')
  if (!reading.isBroken && records.length === 0) refuse(reading, 'no job', 'Executable = "...";')
  return records
}

/** Up to the end of the text at depth 0, of the record elsewhere. */
function readAttributes(reading: Reading, depth: number): JdlRecord {
  const { scan } = reading
  const attributes: JdlAttribute[] = []
  const lines = new Map<string, number>()
  const beginLine = scan.line
  for (;;) {
    while (take(scan, ';'));
    const next = peek(scan)
    if (depth > 0 && take(scan, ']')) return attributes
    if (depth === 0 && next === '') return attributes
    const line = scan.line
    const name = takeName(scan)
    if (name === undefined) {
      const accepted = depth > 0 ? 'Name = value; or ]' : 'Name = value;'
      if (next === '') refuse(reading, 'the record has no end', accepted, beginLine)
      else refuse(reading, 'not an attribute', accepted)
      return attributes
    }
    const first = lines.get(name.toLowerCase())
    if (first !== undefined) {
      refuse(reading, `${name} is given twice, first in line ${first}`, 'each attribute once')
      return attributes
    }
    lines.set(name.toLowerCase(), line)
    const value = readValues(reading, depth)
    if (reading.isBroken) return attributes
    attributes.push({ name, value, line })
    if (attributes.length > jdlBounds.attributes) refuse(reading, 'too many attributes', `at most ${jdlBounds.attributes}`)
    if (reading.isBroken) return attributes
  }
}

/** A value, or several with commas between them: a list whose braces were forgotten. */
function readValues(reading: Reading, depth: number): JdlValue {
  const { scan } = reading
  const items = [readValue(reading, depth)]
  while (!reading.isBroken && take(scan, ',')) {
    if (isAtEnd(reading)) break
    items.push(readValue(reading, depth))
  }
  const [first = nothing] = items
  if (!reading.isBroken && !take(scan, ';') && !isAtEnd(reading))
    refuse(reading, 'the value goes on', 'a semicolon, or one value')
  return items.length === 1 ? first : { kind: 'list', items }
}

function isAtEnd({ scan }: Reading): boolean {
  return ['', ';', ']'].includes(peek(scan)) || isAtName(scan)
}

function readValue(reading: Reading, depth: number): JdlValue {
  const { scan } = reading
  reading.items += 1
  if (reading.items > jdlBounds.items) return refuse(reading, 'too many values', `at most ${jdlBounds.items} in all`)
  if (depth > jdlBounds.depth) return refuse(reading, 'nested too deeply', `at most ${jdlBounds.depth} levels`)
  const next = peek(scan)
  if (next === '"' || next === "'") {
    const line = scan.line
    const text = takeText(scan)
    return text === undefined ? refuse(reading, 'the text has no end', `a closing ${next}`, line) : { kind: 'text', text }
  }
  if (take(scan, '{')) return readList(reading, depth + 1)
  if (take(scan, '[')) return { kind: 'record', attributes: readAttributes(reading, depth + 1) }
  if (next === '' || isAtName(scan)) return refuse(reading, 'the value is missing', valueForms)
  const bare = takeBare(scan)
  return bare === '' ? refuse(reading, 'the value is missing', valueForms) : bareValue(bare)
}

function readList(reading: Reading, depth: number): JdlValue {
  const { scan } = reading
  const items: JdlValue[] = []
  while (!reading.isBroken && !take(scan, '}')) {
    if (peek(scan) === '') return refuse(reading, 'the list has no end', '} behind its last value')
    items.push(readValue(reading, depth))
    if (!reading.isBroken && !take(scan, ',') && peek(scan) !== '}')
      refuse(reading, 'the list goes on without a comma', 'a comma, or } behind its last value')
  }
  return { kind: 'list', items }
}

function bareValue(text: string): JdlValue {
  if (/^true$/i.test(text) || /^false$/i.test(text)) return { kind: 'boolean', value: text.length === 4 }
  if (numberShape.test(text)) return { kind: 'number', value: Number(text), text }
  return /^[\w./:@%+-]+$/.test(text) ? { kind: 'word', text } : { kind: 'expression', text }
}

const nothing: JdlValue = { kind: 'text', text: '' }

function refuse(reading: Reading, rule: string, accepted: string, line = reading.scan.line): JdlValue {
  if (!reading.isBroken) reading.wrong.add(`line ${line}`, '', rule, accepted)
  reading.isBroken = true
  return nothing
}

/** A value as people read it in a refusal. */
export function jdlText(value: JdlValue): string {
  switch (value.kind) {
    case 'boolean':
      return String(value.value)
    case 'list':
      return value.items.length === 1 && value.items[0] ? jdlText(value.items[0]) : `a list of ${value.items.length}`
    case 'record':
      return `a record of ${value.attributes.length}`
    default:
      return shown(value.text)
  }
}
