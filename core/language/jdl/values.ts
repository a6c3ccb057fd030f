/** What an attribute's value may be written as: a text without quotes, a list of one, a number in quotes. */

import { type JdlAttribute, jdlText, type JdlValue } from './parse.ts'

/** Refuses the attribute. */
export type RefuseValue = (rule: string, accepted: string) => void

export function textIn({ value }: JdlAttribute, refuse: RefuseValue): string | undefined {
  const text = oneText(value)
  if (text === undefined) refuse('not a text', '"text"')
  return text
}

/** A list, or one text with commas between the names. */
export function namesIn({ value }: JdlAttribute, refuse: RefuseValue): readonly string[] | undefined {
  const items = value.kind === 'list' ? value.items.map(oneText) : oneText(value)?.split(',')
  if (!items || items.some((item) => item === undefined)) {
    refuse('not a list of names', '{"first", "second"}')
    return undefined
  }
  return (items as readonly string[]).map((item) => item.trim()).filter((item) => item !== '')
}

export function wholeIn({ value }: JdlAttribute, refuse: RefuseValue): number | undefined {
  const number = numberOf(value)
  if (number !== undefined && Number.isSafeInteger(number)) return number
  refuse('not a whole number', 'a whole number')
  return undefined
}

/** Not below zero. */
export function amountIn({ value }: JdlAttribute, refuse: RefuseValue): number | undefined {
  const number = numberOf(value)
  if (number !== undefined && number >= 0) return number
  refuse('not a number', 'a number')
  return undefined
}

export function flagIn({ value }: JdlAttribute, refuse: RefuseValue): boolean | undefined {
  if (value.kind === 'boolean') return value.value
  const text = oneText(value)?.toLowerCase()
  if (text === 'true' || text === 'yes' || text === '1') return true
  if (text === 'false' || text === 'no' || text === '0' || text === '') return false
  refuse('not true or false', 'true, false')
  return undefined
}

/** Says nothing: no list, no text. */
export function isEmpty({ value }: JdlAttribute): boolean {
  return value.kind === 'list' ? value.items.every((item) => oneText(item) === '') : oneText(value) === ''
}

export function shownValue({ value }: JdlAttribute): string {
  return jdlText(value)
}

function oneText(value: JdlValue): string | undefined {
  switch (value.kind) {
    case 'text':
    case 'word':
    case 'number':
      return value.text
    case 'boolean':
      return String(value.value)
    case 'list': {
      const [first, ...others] = value.items
      if (!first) return ''
      return others.length === 0 && first.kind !== 'list' ? oneText(first) : undefined
    }
    default:
      return undefined
  }
}

function numberOf(value: JdlValue): number | undefined {
  const text = oneText(value)
  if (text === undefined || text.trim() === '') return undefined
  const number = Number(text)
  return Number.isFinite(number) ? number : undefined
}
