/** Jobs as documents describe them: every field by its kind, with values that are right, at a bound, or of another kind. */

import { fieldNames, requirementFields, specFields } from '../../core/language/fields.ts'
import type { Chance } from './chance.ts'

export const fieldWords: readonly string[] = fieldNames

const pieces = [
  'a',
  'b/c',
  'x86_64',
  ' ',
  '\n',
  '"',
  "'",
  '\\',
  '%',
  '#',
  ': ',
  '- ',
  'é',
  '🚀',
  '\u0007',
  '\u202e',
  'null',
  '1e3',
  '~',
]
const quantities = [
  '1',
  '1.5',
  '512MiB',
  '2 GiB',
  '1TB',
  '0B',
  '90s',
  '1h30m',
  '3d',
  '1.0000001s',
  '9e9h',
  '30m1h',
  '16 TiB',
]

export function anyText(chance: Chance): string {
  return chance.some(12, () => chance.pick(pieces)).join('') || chance.pick(['a', '', '/bin/true'])
}

export function anyName(chance: Chance): string {
  return chance.is(0.9)
    ? chance.pick(['LCG.CERN.cern', 'a', 'b-1', 'isolation:namespaces', '8GB', 'WholeNode', '*'])
    : anyText(chance)
}

/** Mostly right, so that whole documents are accepted often enough. */
export function anyJob(chance: Chance): unknown {
  if (chance.is(0.02)) return anyValue(chance, 3)
  const names = chance.some(fieldNames.length, () => chance.pick(fieldNames))
  const fields = names.map((name) => [name, chance.is(0.9) ? rightValue(name, chance) : anyValue(chance, 3)])
  return { executable: chance.is(0.95) ? `/bin/${chance.below(10)}` : anyText(chance), ...Object.fromEntries(fields) }
}

/** By what the table says of the field, so that a new field needs no line here. */
export function rightValue(name: string, chance: Chance): unknown {
  const schema = schemaOf(name)
  return schema === undefined ? anyValue(chance, 2) : bySchema(schema, chance, name)
}

type Schema = Readonly<Record<string, unknown>>

function schemaOf(name: string): Schema | undefined {
  const own = Object.entries(specFields).find(([key]) => key === name)?.[1]
  const wanted = Object.values(requirementFields).find((field) => field.name === name)
  return (own ?? wanted)?.type.schema as Schema | undefined
}

function bySchema(schema: Schema, chance: Chance, name: string): unknown {
  const choices = (schema.anyOf ?? schema.oneOf) as readonly Schema[] | undefined
  if (choices) return bySchema(chance.pick(choices), chance, name)
  if (Array.isArray(schema.enum)) return chance.pick(schema.enum as readonly unknown[])
  switch (schema.type) {
    case 'integer':
    case 'number':
      return (
        Number(schema.minimum ?? 0) +
        chance.below(Math.min(10, Number(schema.maximum ?? 10) - Number(schema.minimum ?? 0)) + 1)
      )
    case 'array':
      return chance.some(4, () => bySchema((schema.items ?? { type: 'string' }) as Schema, chance, name))
    case 'object':
      return byProperties(schema, chance, name)
    case 'boolean':
      return chance.is(0.5)
    default:
      return textFor(schema, chance, name)
  }
}

function byProperties(schema: Schema, chance: Chance, name: string): unknown {
  const properties = Object.entries((schema.properties ?? {}) as Readonly<Record<string, Schema>>)
  if (properties.length > 0) return Object.fromEntries(properties.map(([key, each]) => [key, bySchema(each, chance, name)]))
  return Object.fromEntries(chance.some(4, () => [chance.pick(['A', 'B_1', 'PATH']), anyText(chance)]))
}

function textFor(schema: Schema, chance: Chance, name: string): string {
  if (String(schema.pattern ?? '').includes('GiB')) return chance.pick(['512MiB', '2GiB', '1.5 GB', '1TiB'])
  if (schema.pattern !== undefined) return chance.pick(['90s', '30m', '1h30m', '3d', 'a'])
  return ['name', 'executable', 'arguments', 'environment'].includes(name) ? anyText(chance) || 'a' : anyName(chance)
}

/** Of any kind and depth. */
export function anyValue(chance: Chance, depth: number): unknown {
  switch (chance.below(depth > 0 ? 9 : 7)) {
    case 0:
      return chance.pick([0, 1, -1, 1.5, 2 ** 53, 1e308, -0])
    case 1:
      return chance.pick([true, false, null])
    case 2:
      return chance.pick(quantities)
    case 3:
      return chance.below(2000)
    case 4:
      return anyName(chance)
    case 5:
    case 6:
      return anyText(chance)
    case 7:
      return chance.some(5, () => anyValue(chance, depth - 1))
    default: {
      const key = (): string => chance.pick(['min', 'max', 'allowed', 'banned', '__proto__', 'constructor', anyText(chance)])
      return Object.fromEntries(chance.some(4, () => [key(), anyValue(chance, depth - 1)]))
    }
  }
}
