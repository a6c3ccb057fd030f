/**
 * The types of the fields that ask for traits of a VM: its system, its processor, versions, expressions over its tags.
 *
 * As in field-types.ts `read` knows how a document writes a value and `check` knows the bounds; both sides of the wire call
 * them. What is not asked for is absent, and stays absent.
 */

import { isVersion, byVersion, plainVersion, versionForm, versionPattern } from '../kernel/versions.ts'
import { jobLimits } from '../kernel/limits.ts'
import { isName } from '../kernel/text.ts'
import { exactRate, parseRate, rateForms, ratePattern, rateText } from '../kernel/quantities.ts'
import type { ProcessorWish, SystemWish } from '../model/requirements.ts'
import { type Architecture, architectures } from '../model/traits.ts'
import {
  amount,
  type FieldType,
  isMapping,
  type JsonSchema,
  readKeys,
  type Refuse,
  within,
  wrongShape,
} from './field-types.ts'
import { expressionForm, expressionLimits, expressionText, readExpression } from './tag-expression.ts'

/** A field that may be left out. */
export function asked<Value>({ read, write, check, schema, documented }: AskedType<Value>): FieldType<Value | undefined> {
  return {
    read,
    write: (value) => (value === undefined ? undefined : write(value)),
    check: (raw, path, refuse) => (raw === undefined ? undefined : check(raw, path, refuse)),
    empty: undefined,
    schema,
    documented: { fallback: 'not asked for', ...documented },
  }
}

/** `check` gives undefined where it refuses, or where nothing is asked for. */
type AskedType<Value> = {
  read(value: unknown, path: string, refuse: Refuse): Value | undefined
  write(value: Value): unknown
  check(raw: Value, path: string, refuse: Refuse): Value | undefined
  readonly schema: JsonSchema
  readonly documented: { readonly min: string; readonly max: string }
}

function readString(value: unknown, path: string, refuse: Refuse): string | undefined {
  if (typeof value === 'string' && value !== '') return value
  const isNumber = typeof value === 'number'
  return wrongShape(value, path, refuse, isNumber ? 'not a text: put it in quotes' : 'not a text', versionForm)
}

function checkVersion(raw: string, path: string, refuse: Refuse): string {
  if (raw === '') return ''
  if (isVersion(raw)) return plainVersion(raw)
  refuse(path, raw, 'not a version', versionForm)
  return ''
}

const versionSchema: JsonSchema = { type: 'string', pattern: versionPattern }

/** At least this version. */
export function minVersion(): FieldType<string | undefined> {
  return asked<string>({
    read: readString,
    write: (value) => value,
    check: (raw, path, refuse) => checkVersion(raw, path, refuse) || undefined,
    schema: versionSchema,
    documented: { min: 'any', max: 'any' },
  })
}

/** `almalinux`, or `{ name, min, max }`. */
export function system(): FieldType<SystemWish | undefined> {
  const empty: SystemWish = { name: '', min: '', max: '' }
  return asked<SystemWish>({
    read(value, path, refuse) {
      if (!isMapping(value)) {
        const name = readString(value, path, refuse)
        return name === undefined ? undefined : { ...empty, name }
      }
      return readKeys<SystemWish>(value, path, refuse, { name: readString, min: readString, max: readString }, empty)
    },
    write: ({ name, min, max }) => (min === '' && max === '' ? name : givenKeys({ name, min, max })),
    check({ name, ...given }, path, refuse) {
      if (!isName(name)) refuse(`${path}.name`, name, 'not a name', 'the ID of /etc/os-release: almalinux')
      const [min, max] = [checkVersion(given.min, `${path}.min`, refuse), checkVersion(given.max, `${path}.max`, refuse)]
      if (min !== '' && max !== '' && byVersion(max, min) < 0 && !min.startsWith(`${max}.`)) {
        refuse(`${path}.max`, max, 'below min', `a version from ${min}`)
      }
      return { name, min, max }
    },
    schema: {
      oneOf: [
        { type: 'string', minLength: 1, maxLength: jobLimits.nameInListLength },
        {
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string', minLength: 1 }, min: versionSchema, max: versionSchema },
          additionalProperties: false,
        },
      ],
    },
    documented: { min: 'any', max: 'any' },
  })
}

const levels = [1, 2, 3, 4] as const
const levelNames = levels.map((level) => `x86-64-v${level}`)
const processorForm = `${[...architectures, ...levelNames].join(', ')}, or { min: x86-64-v2, max: x86-64-v4 }`

/** `aarch64`; `x86-64-v3`: at least; or `{ min, max }` of two levels. */
export function processor(): FieldType<ProcessorWish | undefined> {
  return asked<ProcessorWish>({
    read(value, path, refuse) {
      if (!isMapping(value)) return processorNamed(value, path, refuse, 'min')
      const read = readKeys<{ min?: ProcessorWish; max?: ProcessorWish }>(
        value,
        path,
        refuse,
        {
          min: (given, at, refused) => processorNamed(given, at, refused, 'min'),
          max: (given, at, refused) => processorNamed(given, at, refused, 'max'),
        },
        {},
      )
      const name = read?.min?.name ?? read?.max?.name
      if (!read || name === undefined || (read.max && read.max.name !== name)) {
        return read && wrongShape(value, path, refuse, 'not an architecture', processorForm)
      }
      return { name, minLevel: read.min?.minLevel ?? 0, maxLevel: read.max?.maxLevel ?? 0 }
    },
    write({ name, minLevel, maxLevel }) {
      if (maxLevel === 0) return processorName(name, minLevel)
      return givenKeys({ min: minLevel === 0 ? '' : processorName(name, minLevel), max: processorName(name, maxLevel) })
    },
    check({ name, minLevel, maxLevel }, path, refuse) {
      if (!architectures.includes(name)) refuse(path, name, 'not an architecture', processorForm)
      const bounds = { min: 0, max: name === 'x86-64' ? levels.length : 0, show: String }
      within(minLevel, `${path}.min`, refuse, bounds)
      within(maxLevel, `${path}.max`, refuse, bounds)
      if (maxLevel > 0 && maxLevel < minLevel) refuse(`${path}.max`, maxLevel, 'below min', `from level ${minLevel}`)
      return { name, minLevel, maxLevel }
    },
    schema: {
      oneOf: [
        { enum: [...architectures, ...levelNames] },
        {
          type: 'object',
          properties: { min: { enum: levelNames }, max: { enum: levelNames } },
          additionalProperties: false,
        },
      ],
    },
    documented: { min: 'x86-64-v1', max: 'x86-64-v4' },
  })
}

export function processorName(name: Architecture, level: number): string {
  return level === 0 ? name : `${name}-v${level}`
}

/** The level of a text like `x86-64-v3`; 0 where it names none. Undefined: no architecture. */
export function parseProcessor(text: string): { readonly name: Architecture; readonly level: number } | undefined {
  const [, base = '', level = '0'] = /^(.*?)(?:-v([1-4]))?$/.exec(text) ?? []
  const name = architectures.find((one) => one === base)
  if (!name || (level !== '0' && name !== 'x86-64')) return undefined
  return { name, level: Number(level) }
}

function processorNamed(value: unknown, path: string, refuse: Refuse, bound: 'min' | 'max'): ProcessorWish | undefined {
  const read = typeof value === 'string' ? parseProcessor(value) : undefined
  if (!read) return wrongShape(value, path, refuse, 'not an architecture', processorForm)
  const { name, level } = read
  return { name, minLevel: bound === 'min' ? level : 0, maxLevel: bound === 'max' ? level : 0 }
}

/** A boolean expression over tags; what is checked is in its normal form. */
export function tagExpression(): FieldType<string | undefined> {
  return asked<string>({
    read: (value, path, refuse) =>
      typeof value === 'string' ? value : wrongShape(value, path, refuse, 'not a text', expressionForm),
    write: (value) => value,
    check(raw, path, refuse) {
      if (raw === '') return undefined
      const read = readExpression(raw)
      if (read.ok) return expressionText(read.expression)
      refuse(path, raw, `not a tag expression: ${read.why}`, expressionForm)
      return undefined
    },
    schema: { type: 'string', minLength: 1, maxLength: expressionLimits.length },
    documented: { min: '1 tag', max: `${expressionLimits.terms} tags` },
  })
}

/** Some of a few known words. */
export function someOf<Word extends string>(known: readonly Word[]): FieldType<readonly Word[] | undefined> {
  const form = `some of ${known.join(', ')}`
  return asked<readonly Word[]>({
    read(value, path, refuse) {
      if (Array.isArray(value) && value.length > 0) return value as readonly Word[]
      return typeof value === 'string' ? [value as Word] : wrongShape(value, path, refuse, 'not a list', form)
    },
    write: (value) => value,
    check(raw, path, refuse) {
      if (raw.length === 0) return undefined
      if (raw.length > known.length || !raw.every((one) => known.includes(one))) {
        refuse(path, raw.slice(0, known.length + 1).join(', '), 'not known', form)
        return undefined
      }
      return raw
    },
    schema: { type: 'array', minItems: 1, maxItems: known.length, items: { enum: [...known] } },
    documented: { min: '1', max: String(known.length) },
  })
}

/** An amount that need not be asked for. */
export function askedAmount(
  unit: 'bytes' | 'duration',
  { min, max }: { readonly min: number; readonly max: number },
): FieldType<number | undefined> {
  const of = amount(unit, { min, max, fallback: min })
  return asked<number>({
    ...of,
    check: (raw, path, refuse) => (raw === 0 ? undefined : of.check(raw, path, refuse)),
    documented: { min: of.documented.min, max: of.documented.max },
  })
}

/** What is not true is not asked for. */
export function flag(): FieldType<true | undefined> {
  return asked<true>({
    read: (value, path, refuse) =>
      // A document may say so: what is false is what is left out.
      typeof value === 'boolean'
        ? (value as true)
        : wrongShape(value, path, refuse, 'neither true nor false', 'true or false'),
    write: (value) => value || undefined,
    check: (raw) => raw || undefined,
    schema: { type: 'boolean' },
    documented: { min: 'false', max: 'true' },
  })
}

/** Bytes per second, at least. */
export function minRate({ min, max }: { readonly min: number; readonly max: number }): FieldType<number | undefined> {
  return asked<number>({
    read(value, path, refuse) {
      const parsed = typeof value === 'string' ? parseRate(value) : undefined
      return parsed || wrongShape(value, path, refuse, 'not a rate', `${rateForms}; ${rateText(min)} to ${rateText(max)}`)
    },
    write: exactRate,
    check: (raw, path, refuse) => (raw === 0 ? undefined : within(raw, path, refuse, { min, max, show: rateText })),
    schema: { type: 'string', pattern: ratePattern, examples: [exactRate(100_000_000)] },
    documented: { min: rateText(min), max: rateText(max) },
  })
}

function givenKeys(all: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''))
}
