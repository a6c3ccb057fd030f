/**
 * The JSON Schema of a job document, for editors: made of the field table. What a schema cannot say (that a site is not both
 * allowed and banned, sizes of several fields together) is said when the document is read.
 */

import type { FieldType, JsonSchema } from './field-types.ts'
import { requirementFields, specFields } from './fields.ts'

/** One job, or a list of jobs. Draft 2020-12. */
export function jobSchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Jobs for Pilotage',
    oneOf: [{ $ref: '#/$defs/job' }, { type: 'array', minItems: 1, items: { $ref: '#/$defs/job' } }],
    $defs: {
      job: {
        type: 'object',
        required: ['executable'],
        properties: Object.fromEntries([
          ...Object.entries(specFields).map(([name, field]) => [name, property(field)]),
          ...Object.values(requirementFields).map((field) => [field.name, property(field)]),
        ]),
        additionalProperties: false,
      },
    },
  }
}

type Described = { readonly type: unknown; readonly doc: string }

function property({ type, doc }: Described): JsonSchema {
  const { schema, documented } = type as FieldType<unknown>
  return { description: `${doc} (default: ${documented.fallback})`, ...schema }
}
