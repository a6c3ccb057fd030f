/**
 * Alternatives: sets of requirements on the place, of which one has to hold. Each is a mapping of the same fields that stand
 * in the job itself, read and checked by their own types.
 */

import { jobLimits } from '../kernel/limits.ts'
import type { Alternative, PlaceRequirements } from '../model/requirements.ts'
import { type FieldType, isMapping, type JsonSchema, joined, refuseUnknown, wrongShape } from './field-types.ts'
import { asked } from './trait-types.ts'

type Rows = { readonly [Key in keyof PlaceRequirements]-?: { readonly name: string; readonly type: unknown } }

/** Keys with types that take what the key has: TypeScript cannot say so of a whole table. */
type Row = { readonly key: keyof PlaceRequirements; readonly name: string; readonly type: FieldType<unknown> }

const { alternatives: max } = jobLimits

export function alternatives(fields: Rows): FieldType<readonly Alternative[] | undefined> {
  const rows = Object.entries(fields).map(([key, row]) => ({ key, ...row }) as Row)
  const names = rows.map(({ name }) => name)
  const form = `1 to ${max} mappings of ${names.join(', ')}`
  return asked<readonly Alternative[]>({
    read(value, path, refuse) {
      if (!Array.isArray(value) || value.length === 0) return wrongShape(value, path, refuse, 'not a list', form)
      if (value.length > max) return wrongShape(`${value.length} sets`, path, refuse, 'too many', form)
      const read = value.map((one: unknown, at) => {
        const own = `${path}[${at}]`
        if (!isMapping(one)) return wrongShape(one, own, refuse, 'not a mapping', form)
        const entries = Object.entries(one).map(([name, given]) => {
          const row = rows.find((known) => known.name === name)
          if (!row) refuseUnknown(joined(own, name), name, given, names, refuse)
          return [row?.key, row?.type.read(given, joined(own, name), refuse)] as const
        })
        return entries.every(([, wish]) => wish !== undefined) ? (Object.fromEntries(entries) as Alternative) : undefined
      })
      return read.every((one) => one !== undefined) ? read : undefined
    },
    write: (value) =>
      value.map((one) => {
        const written = rows.flatMap(({ key, name, type }) => {
          const wish = one[key] === undefined ? undefined : type.write(one[key])
          return wish === undefined ? [] : [[name, wish] as const]
        })
        return Object.fromEntries(written)
      }),
    check(raw, path, refuse) {
      if (raw.length === 0) return undefined
      if (raw.length > max) {
        refuse(path, `${raw.length} sets`, 'too many', form)
        return undefined
      }
      return raw.map((one, at) => {
        const own = `${path}[${at}]`
        const checked = rows.flatMap(({ key, name, type }) => {
          // Written where it says something: an empty list is no wish.
          const given = one[key]
          const wish = given === undefined ? undefined : type.check(given, joined(own, name), refuse)
          return wish === undefined || type.write(wish) === undefined ? [] : [[key, wish] as const]
        })
        if (checked.length === 0)
          refuse(own, one, 'asks for nothing', 'at least one requirement; without it every place fits')
        return Object.fromEntries(checked) as Alternative
      })
    },
    schema: { type: 'array', minItems: 1, maxItems: max, items: itemSchema(rows) },
    documented: { min: '1', max: String(max) },
  })
}

function itemSchema(rows: readonly Row[]): JsonSchema {
  const properties = rows.map(({ name, type }) => [name, type.schema] as const)
  return { type: 'object', minProperties: 1, properties: Object.fromEntries(properties), additionalProperties: false }
}
