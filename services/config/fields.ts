/**
 * What a key of a configuration may hold: each reader has one definition, a TypeBox schema, from which come the check of a
 * value, the type of what is read, and the JSON Schema for editors. Everything wrong is gathered with its path, its value,
 * the rule and what is accepted; an unknown key with the known one that was perhaps meant. Knows nothing of what the keys
 * mean.
 */

import Type, { type Static, type TSchema } from 'typebox'
import Value from 'typebox/value'
import {
  bytesForms,
  bytesText,
  durationForms,
  durationText,
  parseBytes,
  parseDuration,
} from '../../core/kernel/quantities.ts'
import { isEndpoint } from '../../core/kernel/endpoints.ts'
import { isName } from '../../core/kernel/text.ts'
import { nearest, type Violations } from '../../core/kernel/violations.ts'
import { renamed } from './renamed-keys.ts'

/**
 * Turns a value that is there into what it means, or adds a violation and gives undefined. `schema`: of what may be written.
 */
export type Reader<T> = ((value: unknown, path: string, violations: Violations) => T | undefined) & {
  readonly schema: TSchema
}

/** What a reader reads. */
export type Read<R> = R extends Reader<infer T> ? T : never

/** A key's reader with the value that stands for an absent key; without one the key is needed. */
export type Field<T> = { readonly read: Reader<T>; readonly otherwise?: T }

type Fields = Readonly<Record<string, Field<unknown>>>
export type Shape<F extends Fields> = { -readonly [Key in keyof F]: F[Key] extends Field<infer T> ? T : never }

export function optional<T>(read: Reader<T>, otherwise: T): Field<T> {
  return { read, otherwise }
}

/** An absent key stays absent. */
export function absent<T>(read: Reader<T>): Field<T | undefined> {
  return { read, otherwise: undefined }
}

export function needed<T>(read: Reader<T>): Field<T> {
  return { read }
}

/** A reader by hand, of what this schema describes. */
export function reading<T>(schema: TSchema, read: (...of: Parameters<Reader<T>>) => T | undefined): Reader<T> {
  return Object.assign((...of: Parameters<Reader<T>>) => read(...of), { schema })
}

type Wording = {
  readonly rule: string
  readonly accepted: string
  /** The value may be a secret. */
  readonly isHidden?: boolean
}

/** One value that the schema accepts, and that `decode` makes something of where it is given. */
export function value<S extends TSchema>(schema: S, wording: Wording): Reader<Static<S>>
export function value<S extends TSchema, T>(
  schema: S,
  wording: Wording,
  decode: (value: Static<S>) => T | undefined,
): Reader<T>
export function value<S extends TSchema>(
  schema: S,
  { rule, accepted, isHidden }: Wording,
  decode: (value: Static<S>) => unknown = (given) => given,
): Reader<unknown> {
  return reading(schema, (given, path, violations) => {
    const read = Value.Check(schema, given) ? decode(given) : undefined
    if (read === undefined) violations.add(path, isHidden ? '(not shown)' : given, rule, accepted)
    return read
  })
}

/** An absent mapping is an empty one: its fields say what they are otherwise. */
export function mapping<F extends Fields>(fields: F): Reader<Shape<F>> {
  const known = Object.keys(fields)
  return reading<Shape<F>>(mappingSchema(fields), (value, path, violations) => {
    const given = value ?? {}
    if (typeof given !== 'object' || Array.isArray(given)) {
      violations.add(path, value, 'not a mapping', `keys: ${known.join(', ')}`)
      return undefined
    }
    for (const key of Object.keys(given)) {
      if (!known.includes(key)) violations.add(join(path, key), key, ...unknownKey(join(path, key), key, known))
    }
    const before = violations.count()
    const read = Object.entries(fields).map(([key, field]) => [
      key,
      readField(given, key, field, join(path, key), violations),
    ])
    return violations.count() === before ? (Object.fromEntries(read) as Shape<F>) : undefined
  })
}

function mappingSchema(fields: Fields): TSchema {
  const properties = Object.entries(fields).map(([key, field]) => {
    const { schema } = field.read
    return [key, 'otherwise' in field ? Type.Optional(schema) : schema]
  })
  return Type.Object(Object.fromEntries(properties), { additionalProperties: false })
}

function unknownKey(path: string, key: string, known: readonly string[]): readonly [rule: string, accepted: string] {
  const now = renamed(path)
  if (now !== undefined) return ['renamed', now]
  const meant = nearest(key, known)
  return ['unknown key', meant === undefined ? known.join(', ') : `${meant}?`]
}

function readField<T>(given: object, key: string, field: Field<T>, path: string, violations: Violations): T | undefined {
  const value: unknown = (given as Record<string, unknown>)[key]
  if (value !== undefined && value !== null) return field.read(value, path, violations)
  if (!('otherwise' in field)) violations.add(path, value, 'missing', 'a value')
  return field.otherwise
}

export function list<T>(read: Reader<T>, maxItems: number): Reader<readonly T[]> {
  return reading(Type.Array(read.schema, { maxItems }), (value, path, violations) => {
    if (!Array.isArray(value) || value.length > maxItems) {
      violations.add(path, value, 'not a list', `a list of at most ${maxItems}`)
      return undefined
    }
    return value.flatMap((item, at) => read(item, `${path}[${at}]`, violations) ?? [])
  })
}

/** A mapping whose keys are names that the configuration gives. */
export function byName<T>(read: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return reading(Type.Record(Type.String(), read.schema), (given, path, violations) => {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      violations.add(path, given, 'not a mapping', 'names with their values')
      return undefined
    }
    const before = violations.count()
    const entries = Object.entries(given).map(([key, one]) => [key, read(one, join(path, key), violations)])
    return violations.count() === before ? (Object.fromEntries(entries) as Record<string, T>) : undefined
  })
}

export const name = value(Type.String(), { rule: 'not a name', accepted: 'letters, digits and . _ : / + -' }, (given) =>
  isName(given) ? given : undefined,
)

export const text = value(Type.String({ maxLength: 4096 }), { rule: 'not a text', accepted: 'at most 4096 characters' })

export const account = value(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_.-]{0,31}$' }), {
  rule: 'not an account',
  accepted: 'a name of an account',
})

export const flag = value(Type.Boolean(), { rule: 'neither true nor false', accepted: 'true or false' })

export const endpoint = value(Type.String(), { rule: 'not an address', accepted: 'host:port' }, (given) =>
  isEndpoint(given) ? given : undefined,
)

/** Where a secret lies: in a file, or in a variable of the service's environment. It has no place in a configuration. */
export type SecretSource = { readonly file: string } | { readonly env: string }

const secretPlace = mapping({ file: absent(text), env: absent(text) })

export const secretSource = reading<SecretSource>(secretPlace.schema, (value, path, violations) => {
  if (typeof value !== 'object') {
    violations.add(path, '(not shown)', 'a secret has no place here', 'file: PATH, or env: NAME')
    return undefined
  }
  const read = secretPlace(value, path, violations)
  if (!read) return undefined
  const { file, env } = read
  if (file !== undefined && env === undefined) return { file }
  if (env !== undefined && file === undefined) return { env }
  violations.add(path, '(not shown)', 'not one of two', 'file: PATH, or env: NAME')
  return undefined
})

/** A file that a configuration names is looked for beside it. */
export function placedBy(source: SecretSource, placed: (file: string) => string): SecretSource {
  return 'file' in source ? { file: placed(source.file) } : source
}

/** The keys of an account that is asked in Amazon's way (EC2, S3): of a mapping, which has them beside others. */
export const accessKeyFields = {
  accessKeyId: absent(secretSource),
  secretAccessKey: absent(secretSource),
  sessionToken: absent(secretSource),
  defaultChain: optional(flag, false),
}

type RawAccessKeys = Shape<typeof accessKeyFields>

export type AccessKeys = {
  readonly accessKeyId: SecretSource
  readonly secretAccessKey: SecretSource
  readonly sessionToken?: SecretSource
}

/** One way to credentials, and all of it. `path`: of the mapping. */
export function checkAccessKeys(raw: RawAccessKeys, path: string, violations: Violations): void {
  const { accessKeyId, secretAccessKey, sessionToken, defaultChain } = raw
  const needs = { accessKeyId, secretAccessKey }
  for (const [key, source] of Object.entries(defaultChain ? { ...needs, sessionToken } : needs)) {
    if (defaultChain && source)
      violations.add(`${path}.${key}`, '(not shown)', 'beside defaultChain', 'one way to credentials')
    if (!defaultChain && !source)
      violations.add(`${path}.${key}`, undefined, 'missing', 'file: PATH or env: NAME; or defaultChain: true')
  }
}

/** Undefined: as the SDK finds them. */
export function placedAccessKeys(raw: RawAccessKeys, placed: (file: string) => string): AccessKeys | undefined {
  const { accessKeyId, secretAccessKey, sessionToken } = raw
  if (!accessKeyId || !secretAccessKey) return undefined
  return {
    accessKeyId: placedBy(accessKeyId, placed),
    secretAccessKey: placedBy(secretAccessKey, placed),
    ...(sessionToken ? { sessionToken: placedBy(sessionToken, placed) } : {}),
  }
}

export function choice<T extends string>(...choices: readonly T[]): Reader<T> {
  const wording = { rule: 'not one of the choices', accepted: choices.join(', ') }
  return value(Type.Enum([...choices]), wording, (given) => choices.find((one) => one === given))
}

export function whole(minimum: number, maximum: number): Reader<number> {
  const accepted = `a whole number from ${minimum} to ${maximum}`
  return value(Type.Integer({ minimum, maximum }), { rule: 'out of range', accepted })
}

export function decimal(minimum: number, maximum: number): Reader<number> {
  const accepted = `a number from ${minimum} to ${maximum}`
  return value(Type.Number({ minimum, maximum }), { rule: 'out of range', accepted })
}

export const price = value(Type.Number({ minimum: 0 }), { rule: 'not a price', accepted: 'a number, 0 or more' })

export function duration(minMs: number, maxMs: number): Reader<number> {
  return quantity(parseDuration, daysText, durationForms, minMs, maxMs)
}

const dayMs = 24 * 60 * 60 * 1000

function daysText(ms: number): string {
  return ms > 0 && ms % dayMs === 0 ? `${ms / dayMs} d` : durationText(ms)
}

export function bytes(min: number, max: number): Reader<number> {
  return quantity(parseBytes, bytesText, bytesForms, min, max)
}

function quantity(
  parse: (text: string) => number | undefined,
  shown: (value: number) => string,
  forms: string,
  min: number,
  max: number,
): Reader<number> {
  const range = `${shown(min)} to ${shown(max)}`
  const schema = Type.String({ description: `${range}: ${forms}` })
  return reading(schema, (value, path, violations) => {
    const read = Value.Check(schema, value) ? parse(value) : undefined
    if (read === undefined) violations.add(path, value, 'not a quantity', forms)
    else if (read >= min && read <= max) return read
    else violations.add(path, value, 'out of range', range)
    return undefined
  })
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}
