/**
 * The mark of a job: a text that stands for its id in its arguments and in the values of its environment, and is replaced
 * when the job is assigned to a pilot. Only a job that names a mark has one, so a text that merely looks like it stays as
 * it is. The import of JDL names `%j` where a document uses it.
 */

import type { JobId } from '../kernel/ids.ts'
import type { JobSpec } from '../model/job.ts'
import { type FieldType, line } from './field-types.ts'

/** One character would let the texts grow too far: an id has up to 16. */
const lengths = { min: 2, max: 16 }

export function jobIdMark(): FieldType<string> {
  const text = line({ max: lengths.max, rule: 'not a mark', fallback: 'none' })
  return {
    ...text,
    check(raw, path, refuse) {
      if (raw.length === 1) refuse(path, raw, 'too short', `${lengths.min} to ${lengths.max} characters`)
      return text.check(raw, path, refuse)
    },
    schema: { ...text.schema, minLength: lengths.min },
    documented: { ...text.documented, min: `${lengths.min} characters` },
  }
}

/** What a pilot gets: the id in each place of the mark, and no mark. */
export function withJobId({ jobIdMark: mark, ...spec }: JobSpec, id: JobId): JobSpec {
  if (mark === undefined) return spec
  const filled = (text: string): string => text.replaceAll(mark, String(id))
  const environment = Object.entries(spec.environment).map(([name, value]) => [name, filled(value)] as const)
  return { ...spec, arguments: spec.arguments.map(filled), environment: Object.fromEntries(environment) }
}
