/**
 * The types of the fields of a job: how each is written in a document, what it accepts, and what it becomes.
 *
 * `read` knows how a document writes a value (sizes and times with their units, a list or a mapping) and nothing of bounds.
 * `check` knows the bounds and is the only place that does: the client and the service both call it. Nothing is clamped and
 * nothing is guessed. Zero and empty mean "not given", as on the wire, and become the default; in a document a zero is
 * refused, because there a field that is not given is left out.
 */

import { shown } from '../kernel/errors.ts'
import { jobLimits } from '../kernel/limits.ts'
import {
  bytesForms,
  bytesPattern,
  bytesText,
  durationForms,
  durationPattern,
  durationText,
  exactBytes,
  exactDuration,
  parseBytes,
  parseDuration,
} from '../kernel/quantities.ts'
import { isName, isPlainText, isProgramText, plainTextForm } from '../kernel/text.ts'
import { nearest } from '../kernel/violations.ts'
import type { Names } from '../model/requirements.ts'

/** `value`: what was given; `accepted`: what would be. */
export type Refuse = (path: string, value: unknown, rule: string, accepted: string) => void

export type JsonSchema = { readonly [keyword: string]: unknown }

export type FieldType<Raw, Checked = Raw> = {
  /** From a document. Undefined where the value has another shape, which is refused. */
  read(value: unknown, path: string, refuse: Refuse): Raw | undefined
  /** For a document, which `read` reads back as the same value. Undefined: it is left out, because it is empty. */
  write(value: Raw): unknown
  /** The value of a field that was not given. */
  readonly empty: Raw
  /** Fills in the default and refuses what is out of bounds. */
  check(raw: Raw, path: string, refuse: Refuse): Checked
  /** Of what a document may give: JSON Schema, without the bounds that it cannot say. */
  readonly schema: JsonSchema
  /** As the documentation lists them, the default included. */
  readonly documented: { readonly fallback: string; readonly min: string; readonly max: string }
}

type LineOptions = { readonly max: number; readonly rule: string; readonly fallback: string; readonly isNeeded?: boolean }

/** A text that people read on one line. */
export function line({ max, rule, fallback, isNeeded = false }: LineOptions): FieldType<string> {
  return {
    read: (value, path, refuse) => readText(value, path, refuse, { min: 1, max }),
    write: (value) => value || undefined,
    check(raw, path, refuse) {
      if (isNeeded && raw === '') refuse(path, raw, 'missing', 'a path or the name of a program')
      if (raw.length > max || !isPlainText(raw)) refuse(path, raw, rule, `at most ${max} ${plainTextForm}`)
      return raw
    },
    empty: '',
    schema: { type: 'string', minLength: 1, maxLength: max },
    documented: { fallback, min: '1 character', max: `${max} characters` },
  }
}

/** Texts that a program reads. */
export function texts(max: number, maxLength: number): FieldType<readonly string[]> {
  return {
    read: (value, path, refuse) => readList(value, path, refuse, { min: 0, max: maxLength }),
    write: writtenList,
    check(raw, path, refuse) {
      if (raw.length > max) refuse(path, `${raw.length} arguments`, 'too many', `at most ${max}`)
      raw.slice(0, max).forEach((text, at) => {
        const accepted = `at most ${maxLength} characters, none of them zero`
        if (text.length > maxLength || !isProgramText(text)) refuse(`${path}[${at}]`, text, 'not an argument', accepted)
      })
      return raw
    },
    empty: [],
    schema: { type: 'array', maxItems: max, items: { type: 'string', maxLength } },
    documented: { fallback: 'none', min: '0', max: String(max) },
  }
}

/** PILOTAGE_ is the pilot's own. A variable __proto__ would be lost in every object that is made by assignment. */
function isVariableName(name: string): boolean {
  const isShaped = /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && name.length <= jobLimits.environmentNameLength
  return isShaped && !name.startsWith('PILOTAGE_') && name !== '__proto__'
}

const variableForm = `1 to ${jobLimits.environmentNameLength} letters, digits and _, not beginning with a digit or PILOTAGE_, not __proto__`

type Variables = Readonly<Record<string, string>>

export function variables(max: number, maxLength: number): FieldType<Variables> {
  return {
    read(value, path, refuse) {
      if (!isMapping(value)) return wrongShape(value, path, refuse, 'a mapping of names to texts', 'NAME: "text"')
      const read = Object.entries(value).map(
        ([name, given]) => [name, readText(given, joined(path, name), refuse, { min: 0, max: maxLength })] as const,
      )
      // By definition, not by assignment: __proto__ is a name like others until it is refused.
      return read.every(([, text]) => text !== undefined) ? (Object.fromEntries(read) as Variables) : undefined
    },
    write: (value) => (Object.keys(value).length > 0 ? value : undefined),
    check(raw, path, refuse) {
      const entries = Object.entries(raw)
      if (entries.length > max) refuse(path, `${entries.length} variables`, 'too many', `at most ${max}`)
      for (const [name, text] of entries.slice(0, max)) {
        const at = `${path}.${shown(name)}`
        if (!isVariableName(name)) refuse(at, name, 'not a variable name', variableForm)
        const accepted = `at most ${maxLength} characters, none of them zero`
        if (text.length > maxLength || !isProgramText(text)) refuse(at, text, 'not a value', accepted)
      }
      return raw
    },
    empty: {},
    schema: {
      type: 'object',
      maxProperties: max,
      propertyNames: {
        pattern: '^(?!PILOTAGE_)(?!__proto__$)[A-Za-z_][A-Za-z0-9_]*$',
        maxLength: jobLimits.environmentNameLength,
      },
      additionalProperties: { type: 'string', maxLength },
    },
    documented: { fallback: 'none', min: '0', max: String(max) },
  }
}

type Bounds = { readonly min: number; readonly max: number; readonly fallback: number }

/** A whole number without a unit. */
export function count({ min, max, fallback }: Bounds): AmountType {
  return {
    read(value, path, refuse) {
      if (typeof value === 'number' && Number.isInteger(value) && (value !== 0 || min === 0)) return value
      return wrongShape(value, path, refuse, 'not a whole number', `a whole number from ${min} to ${max}`)
    },
    write: (value) => (value === 0 && min > 0 ? undefined : value),
    check: (raw, path, refuse) => within(raw || fallback, path, refuse, { min, max, show: String }),
    unit: 'pieces',
    show: String,
    empty: 0,
    schema: { type: 'integer', minimum: min, maximum: max },
    documented: { fallback: String(fallback), min: String(min), max: String(max) },
  }
}

type Range = { readonly min: number; readonly max: number }

/** A number, or `{ min, max }`; a number alone is both. */
export function range({ min, max, fallback }: Bounds): FieldType<Range> {
  const one = count({ min, max, fallback })
  return {
    read(value, path, refuse) {
      if (!isMapping(value)) {
        const both = one.read(value, path, refuse)
        return both === undefined ? undefined : { min: both, max: 0 }
      }
      return readKeys(value, path, refuse, { min: one.read, max: one.read }, { min: 0, max: 0 })
    },
    write: (value) => (value.max === 0 || value.max === value.min ? one.write(value.min) : value),
    check(raw, path, refuse) {
      const lower = one.check(raw.min, `${path}.min`, refuse)
      const upper = within(raw.max || lower, `${path}.max`, refuse, { min, max, show: String })
      if (upper < lower) refuse(`${path}.max`, upper, 'below cores.min', `a whole number from ${lower} to ${max}`)
      return { min: lower, max: upper }
    },
    empty: { min: 0, max: 0 },
    schema: {
      oneOf: [one.schema, { type: 'object', properties: { min: one.schema, max: one.schema }, additionalProperties: false }],
    },
    documented: { fallback: String(fallback), min: String(min), max: String(max) },
  }
}

type Quantity = {
  readonly parse: (text: string) => number | undefined
  readonly show: (value: number) => string
  readonly exact: (value: number) => string
  readonly rule: string
  readonly forms: string
  readonly pattern: string
}

const quantities = {
  bytes: {
    parse: parseBytes,
    show: bytesText,
    exact: exactBytes,
    rule: 'not a size in whole bytes',
    forms: bytesForms,
    pattern: bytesPattern,
  },
  duration: {
    parse: parseDuration,
    show: durationText,
    exact: exactDuration,
    rule: 'not a duration in whole milliseconds',
    forms: durationForms,
    pattern: durationPattern,
  },
} satisfies Readonly<Record<string, Quantity>>

/** A number with a unit, and how it is shown. */
export type AmountType = FieldType<number> & { readonly unit: Unit; readonly show: (value: number) => string }

export type Unit = 'pieces' | keyof typeof quantities

/** Bytes or milliseconds; a document writes them with a unit. */
export function amount(unit: keyof typeof quantities, { min, max, fallback }: Bounds): AmountType {
  const { parse, show, exact, rule, forms, pattern }: Quantity = quantities[unit]
  return {
    read(value, path, refuse) {
      const parsed = typeof value === 'string' ? parse(value) : undefined
      if (parsed !== undefined && parsed !== 0) return parsed
      return wrongShape(value, path, refuse, rule, `${forms}; ${show(min)} to ${show(max)}`)
    },
    write: (value) => (value === 0 ? undefined : exact(value)),
    check: (raw, path, refuse) => within(raw || fallback, path, refuse, { min, max, show }),
    unit,
    show,
    empty: 0,
    schema: { type: 'string', pattern, examples: [exact(min), exact(fallback)] },
    documented: { fallback: show(fallback), min: show(min), max: show(max) },
  }
}

const nameForm = `1 to ${jobLimits.nameInListLength} letters, digits and . _ : / + -`

const namesSchema: JsonSchema = {
  type: 'array',
  maxItems: jobLimits.names,
  items: { type: 'string', minLength: 1, maxLength: jobLimits.nameInListLength },
}

/** Names that clouds, sites, images and operators give. */
export function nameList(fallback: string): FieldType<readonly string[]> {
  return {
    read: (value, path, refuse) => readList(value, path, refuse, { min: 1, max: jobLimits.nameInListLength }),
    write: writtenList,
    check(raw, path, refuse) {
      if (raw.length > jobLimits.names) {
        refuse(path, `${raw.length} names`, 'too many', `at most ${jobLimits.names}`)
        return []
      }
      raw.forEach((name, at) => {
        if (!isName(name)) refuse(`${path}[${at}]`, name, 'not a name', nameForm)
      })
      return raw
    },
    empty: [],
    schema: namesSchema,
    documented: { fallback, min: '0', max: String(jobLimits.names) },
  }
}

/** A list of allowed names, or `{ allowed, banned }`. */
export function allowedNames(fallback: string): FieldType<Names> {
  const list = nameList(fallback)
  return {
    read(value, path, refuse) {
      if (!isMapping(value)) {
        const allowed = list.read(value, path, refuse)
        return allowed && { allowed, banned: [] }
      }
      return readKeys<Names>(value, path, refuse, { allowed: list.read, banned: list.read }, { allowed: [], banned: [] })
    },
    write: ({ allowed, banned }) => (banned.length > 0 ? { allowed, banned } : list.write(allowed)),
    check(raw, path, refuse) {
      const allowed = list.check(raw.allowed, `${path}.allowed`, refuse)
      const banned = list.check(raw.banned, `${path}.banned`, refuse)
      if (allowed.length > 0 && allowed.every((name) => banned.includes(name))) {
        const accepted = 'at least one allowed name that is not banned'
        refuse(path, allowed.join(', '), 'allowed and banned cancel out', accepted)
      }
      return { allowed, banned }
    },
    empty: { allowed: [], banned: [] },
    schema: {
      oneOf: [
        namesSchema,
        { type: 'object', properties: { allowed: namesSchema, banned: namesSchema }, additionalProperties: false },
      ],
    },
    documented: list.documented,
  }
}

export function writtenList(value: readonly string[]): readonly string[] | undefined {
  return value.length > 0 ? value : undefined
}

type Within = { readonly min: number; readonly max: number; readonly show: (value: number) => string }

export function within(value: number, path: string, refuse: Refuse, { min, max, show }: Within): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value
  refuse(
    path,
    Number.isSafeInteger(value) ? show(value) : value,
    'out of range',
    `a whole number from ${show(min)} to ${show(max)}`,
  )
  return min
}

export function readText(value: unknown, path: string, refuse: Refuse, { min, max }: Range): string | undefined {
  if (typeof value === 'string' && value.length >= min) return value
  const rule = typeof value === 'number' || typeof value === 'boolean' ? 'not a text: put it in quotes' : 'not a text'
  return wrongShape(value, path, refuse, rule, `${min} to ${max} characters`)
}

export function readList(value: unknown, path: string, refuse: Refuse, length: Range): readonly string[] | undefined {
  if (!Array.isArray(value)) return wrongShape(value, path, refuse, 'not a list of texts', '[first, second]')
  const read = value.map((item, at) => readText(item, `${path}[${at}]`, refuse, length))
  return read.every((text) => text !== undefined) ? read : undefined
}

/** A mapping whose keys are all optional; unknown ones are refused. */
export function readKeys<Value extends object>(
  value: Readonly<Record<string, unknown>>,
  path: string,
  refuse: Refuse,
  readers: { readonly [Key in keyof Value]: (value: unknown, path: string, refuse: Refuse) => Value[Key] | undefined },
  empty: Value,
): Value | undefined {
  const made: Partial<Record<keyof Value, unknown>> = { ...empty }
  let isGood = true
  for (const [key, given] of Object.entries(value)) {
    const at = joined(path, key)
    const reader = Object.hasOwn(readers, key) ? readers[key as keyof Value] : undefined
    if (!reader) refuseUnknown(at, key, given, Object.keys(readers), refuse)
    const read = reader?.(given, at, refuse)
    if (read === undefined) isGood = false
    made[key as keyof Value] = read
  }
  return isGood ? (made as Value) : undefined
}

export function wrongShape(value: unknown, path: string, refuse: Refuse, rule: string, accepted: string): undefined {
  refuse(path, value, rule, accepted)
  return undefined
}

export function refuseUnknown(path: string, key: string, given: unknown, known: readonly string[], refuse: Refuse): void {
  const meant = nearest(key, known)
  refuse(path, given, 'no such field', meant === undefined ? known.join(', ') : `${meant}, perhaps`)
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function joined(path: string, key: string): string {
  const safe = key.length <= 60 ? key : `${key.slice(0, 57)}...`
  return path === '' ? safe : `${path}.${safe}`
}
