/**
 * The fields of a job as options of a command: one option a field of the table, by the same name in kebab case and with
 * values as a YAML document has them. A list may be written with commas.
 */

import { type Command, Option } from 'commander'
import { requirementFields, specFields } from '../core/language/fields.ts'
import type { FieldType, JsonSchema } from '../core/language/field-types.ts'

type Field = { readonly name: string; readonly type: unknown; readonly doc: string }

/** The command itself, and what stands there as options of its own. */
const others = ['executable', 'arguments', 'environment']

const fields: readonly Field[] = [
  ...Object.entries(specFields).map(([name, field]) => ({ ...field, name })),
  ...Object.values(requirementFields),
].filter(({ name }) => !others.includes(name))

/** Values of the options, by the names of the fields. */
export type FieldOptions = Readonly<Record<string, unknown>>

export function addFieldOptions(command: Command): Command {
  for (const { name, type, doc } of fields)
    command.addOption(new Option(`--${kebab(name)} <value>`, `${firstClause(doc)} (default: ${fallbackOf(type)})`))
  return command
}

/** The fields that were given, as a job document has them. */
export async function givenFields(options: FieldOptions): Promise<Readonly<Record<string, unknown>>> {
  const { documentValue } = await import('../client/job-document.ts')
  const given: Record<string, unknown> = {}
  for (const { name, type } of fields) {
    const text = options[name]
    if (typeof text === 'string') given[name] = fieldValue(text, type, documentValue)
  }
  return given
}

/** The option that stands for a field, by the field's place in the document. */
export function optionOf(path: string): string {
  const [, name = '', rest = ''] = /^jobs\[\d+\]\.(\w+)(.*)$/.exec(path) ?? []
  return fields.some((field) => field.name === name) ? `--${kebab(name)}${rest}` : path
}

function fieldValue(text: string, type: unknown, read: (text: string) => unknown): unknown {
  const { schema } = type as FieldType<unknown>
  if (schema.type === 'string') return text
  const isPlain = !/^\s*[[{]/.test(text)
  return isPlain && takesList(schema) ? text.split(',').map((one) => one.trim()) : read(text)
}

function takesList(schema: JsonSchema): boolean {
  const kinds = Array.isArray(schema.oneOf) ? (schema.oneOf as readonly JsonSchema[]) : [schema]
  return kinds.some(({ type }) => type === 'array')
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** Documentation has marks that a terminal shows as they are. */
function firstClause(doc: string): string {
  return (doc.split(/[.;](?:\s|$)/)[0] ?? doc).replaceAll('`', '')
}

function fallbackOf(type: unknown): string {
  return (type as FieldType<unknown>).documented.fallback
}
