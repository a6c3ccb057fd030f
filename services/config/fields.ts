/**
 * Reading one mapping of a configuration: known keys, each with its reader and its default; everything wrong is gathered with
 * its path, unknown keys with the known one that was perhaps meant. Knows nothing of what the keys mean.
 */

import { bytesForms, durationForms, parseBytes, parseDuration } from '../../core/kernel/quantities.ts'
import { isEndpoint } from '../../core/kernel/endpoints.ts'
import { isName } from '../../core/kernel/text.ts'
import { nearest, type Violations } from '../../core/kernel/violations.ts'
import { renamed } from './renamed-keys.ts'

/** Turns a value that is there into what it means, or tells what is wrong and gives undefined. */
export type Reader<T> = (value: unknown, path: string, violations: Violations) => T | undefined

/** A key's reader with the value that stands for an absent key; without one the key is needed. */
export type Field<T> = { readonly read: Reader<T>; readonly otherwise?: T }

type Fields<T> = { readonly [Key in keyof T]: Field<T[Key]> }

/** What a driver of a cloud adds to the configuration: the keys under the name of its kind, and the rules that hold for its clouds. */
export type DriverSchema<Raw extends object = object, Options extends object = object> = {
  readonly keys: Reader<Raw>
  /** Flavors of a cloud that names none; absent: a cloud must name some. */
  readonly flavors?: readonly RawFlavor[]
  /** Images of a cloud that names none; absent: a cloud must name some. */
  readonly images?: readonly RawImage[]
  /** What one key alone cannot say. `path`: of the cloud. */
  check(raw: Raw, cloud: NamedByCloud, path: string, violations: Violations): void
  /** `placed`: where a file lies that is named. */
  compile(raw: Raw, placed: (file: string) => string): Options
}

type Named = { readonly name: string; readonly ref: string | undefined; readonly tags: readonly string[] }
export type RawFlavor = Named & {
  readonly cores: number
  readonly memory: number
  readonly disk: number
  readonly pricePerHour: number
}
export type RawImage = Named & { readonly platform: string }
/** The flavors and images that the configuration of a cloud names. */
export type NamedByCloud = { readonly flavors: readonly RawFlavor[]; readonly images: readonly RawImage[] }

export function optional<T>(read: Reader<T>, otherwise: T): Field<T> {
  return { read, otherwise }
}

/** An absent key stays absent. */
export function absent<T>(read: Reader<T>): Field<T | undefined> {
  return optional<T | undefined>(read, undefined)
}

export function needed<T>(read: Reader<T>): Field<T> {
  return { read }
}

/** An absent mapping is an empty one: its fields say what they are otherwise. */
export function mapping<T extends object>(fields: Fields<T>): Reader<T> {
  return (value, path, violations) => {
    const given = value ?? {}
    if (typeof given !== 'object' || Array.isArray(given)) {
      violations.add(path, value, 'not a mapping', `keys: ${Object.keys(fields).join(', ')}`)
      return undefined
    }
    const known = Object.keys(fields)
    for (const key of Object.keys(given)) {
      if (known.includes(key)) continue
      const now = renamed(join(path, key))
      if (now !== undefined) {
        violations.add(join(path, key), key, 'renamed', now)
        continue
      }
      const meant = nearest(key, known)
      violations.add(join(path, key), key, 'unknown key', meant === undefined ? known.join(', ') : `${meant}?`)
    }
    const before = violations.count()
    const read = known.map((key) => [key, readField(given, key, fields[key as keyof T], join(path, key), violations)])
    return violations.count() === before ? (Object.fromEntries(read) as T) : undefined
  }
}

function readField<T>(given: object, key: string, field: Field<T>, path: string, violations: Violations): T | undefined {
  const value: unknown = (given as Record<string, unknown>)[key]
  if (value !== undefined && value !== null) return field.read(value, path, violations)
  if (!('otherwise' in field)) violations.add(path, value, 'missing', 'a value')
  return field.otherwise
}

export function list<T>(read: Reader<T>, most: number): Reader<readonly T[]> {
  return (value, path, violations) => {
    if (!Array.isArray(value) || value.length > most) {
      violations.add(path, value, 'not a list', `a list of at most ${most}`)
      return undefined
    }
    return value.flatMap((item, at) => read(item, `${path}[${at}]`, violations) ?? [])
  }
}

export const name: Reader<string> = (value, path, violations) => {
  if (typeof value === 'string' && isName(value)) return value
  violations.add(path, value, 'not a name', 'letters, digits and . _ : / + -')
  return undefined
}

export const text: Reader<string> = (value, path, violations) => {
  if (typeof value === 'string' && value.length <= 4096) return value
  violations.add(path, value, 'not a text', 'at most 4096 characters')
  return undefined
}

export const account: Reader<string> = (value, path, violations) => {
  if (typeof value === 'string' && /^[a-z_][a-z0-9_.-]{0,31}$/i.test(value)) return value
  violations.add(path, value, 'not an account', 'a name of an account')
  return undefined
}

export const flag: Reader<boolean> = (value, path, violations) => {
  if (typeof value === 'boolean') return value
  violations.add(path, value, 'neither true nor false', 'true or false')
  return undefined
}

export const endpoint: Reader<string> = (value, path, violations) => {
  if (typeof value === 'string' && isEndpoint(value)) return value
  violations.add(path, value, 'not an address', 'host:port')
  return undefined
}

/** Where a secret lies: in a file, or in a variable of the service's environment. It has no place in a configuration. */
export type SecretSource = { readonly file: string } | { readonly env: string }

export const secretSource: Reader<SecretSource> = (value, path, violations) => {
  const read = secretPlace(value, path, violations)
  if (!read) return undefined
  const { file, env } = read
  if (file !== undefined && env === undefined) return { file }
  if (env !== undefined && file === undefined) return { env }
  violations.add(path, '(not shown)', 'not one of two', 'file: PATH, or env: NAME')
  return undefined
}

const secretPlace: Reader<{ file: string | undefined; env: string | undefined }> = (value, path, violations) => {
  if (typeof value === 'object') {
    return mapping<{ file: string | undefined; env: string | undefined }>({
      file: optional<string | undefined>(text, undefined),
      env: optional<string | undefined>(text, undefined),
    })(value, path, violations)
  }
  violations.add(path, '(not shown)', 'a secret has no place here', 'file: PATH, or env: NAME')
  return undefined
}

/** A file that a configuration names is looked for beside it. */
export function placedBy(source: SecretSource, placed: (file: string) => string): SecretSource {
  return 'file' in source ? { file: placed(source.file) } : source
}

export function choice<T extends string>(...choices: readonly T[]): Reader<T> {
  return (value, path, violations) => {
    const chosen = choices.find((one) => one === value)
    if (chosen === undefined) violations.add(path, value, 'not one of the choices', choices.join(', '))
    return chosen
  }
}

export function whole(least: number, most: number): Reader<number> {
  return (value, path, violations) => {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value
    violations.add(path, value, 'out of range', `a whole number from ${least} to ${most}`)
    return undefined
  }
}

export const price: Reader<number> = (value, path, violations) => {
  if (typeof value === 'number' && value >= 0 && Number.isFinite(value)) return value
  violations.add(path, value, 'not a price', 'a number, 0 or more')
  return undefined
}

export function duration(leastMs: number, mostMs: number): Reader<number> {
  return quantity(parseDuration, durationForms, leastMs, mostMs)
}

export function bytes(least: number, most: number): Reader<number> {
  return quantity(parseBytes, bytesForms, least, most)
}

function quantity(parse: (text: string) => number | undefined, forms: string, least: number, most: number): Reader<number> {
  return (value, path, violations) => {
    const read = typeof value === 'string' ? parse(value) : undefined
    if (read === undefined) violations.add(path, value, 'not a quantity', forms)
    else if (read >= least && read <= most) return read
    else violations.add(path, value, 'out of range', `${forms}, within reason`)
    return undefined
  }
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}
