/**
 * A job as a user writes it in a document: read by the field table, then checked as the service checks it; and a job that
 * was submitted, written as such a document.
 *
 * What only the service can know (which sites and clouds there are) is not asked here.
 */

import type { JobSpec } from '../model/job.ts'
import type { Requirements } from '../model/requirements.ts'
import { jobLimits } from '../kernel/limits.ts'
import type { Violations } from '../kernel/violations.ts'
import { checkFields, checkSizes, type FieldPaths, type RawSpec } from './check.ts'
import { type FieldType, isMapping, joined, type Refuse, refuseUnknown } from './field-types.ts'
import { fieldNames, requirementFields, specFields } from './fields.ts'

type Place = { readonly type: FieldType<unknown>; readonly put: (draft: JobDraft, value: unknown) => void }

/** A job on its way from a document: what was read of it, by the keys of `RawSpec`. */
export type JobDraft = { readonly spec: Record<string, unknown>; readonly requirements: Record<string, unknown> }

const places: ReadonlyMap<string, Place> = new Map([
  ...Object.entries(specFields).map(([name, { type }]) => [name, placeIn('spec', name, type)] as const),
  ...Object.entries(requirementFields).map(([key, { name, type }]) => [name, placeIn('requirements', key, type)] as const),
])

function placeIn(part: keyof JobDraft, key: string, type: unknown): Place {
  return {
    type: type as FieldType<unknown>,
    put: (draft, value) => {
      draft[part][key] = value
    },
  }
}

/** One job; what is wrong with it goes to `wrong` with its path. The answer is good only where nothing was refused. */
export function readJob(value: unknown, path: string, wrong: Violations): RawSpec {
  if (!isMapping(value)) {
    wrong.add(path, value, 'a job is a mapping', 'executable: /bin/echo, arguments: [hello]')
    return { executable: '' }
  }
  const refuse: Refuse = (...refused) => wrong.add(...refused)
  const draft: JobDraft = { spec: {}, requirements: {} }
  const unread = new Set<string>()
  for (const [key, given] of Object.entries(value)) {
    const at = joined(path, key)
    const isRead = readField(key, given, draft, at, refuse)
    if (!isRead && places.has(key)) unread.add(at)
  }
  const paths = pathsFrom(path)
  if (!Object.hasOwn(value, 'executable')) {
    const at = paths.of('executable')
    unread.add(at)
    refuse(at, undefined, 'every job has one', `a path or a name, at most ${jobLimits.pathLength} characters`)
  }
  const raw = { ...draft.spec, requirements: draft.requirements } as RawSpec
  const spec = checkFields(raw, refuse, paths, (one) => unread.has(one))
  if (unread.size === 0) checkSizes(spec, refuse, paths)
  return raw
}

/** One field by its name in documents. False: it was refused. */
export function readField(name: string, given: unknown, draft: JobDraft, path: string, refuse: Refuse): boolean {
  const place = places.get(name)
  if (!place) {
    refuseUnknown(path, name, given, fieldNames, refuse)
    return false
  }
  const read = place.type.read(given, path, refuse)
  if (read === undefined) return false
  place.put(draft, read)
  return true
}

/** The job as a document has it, with every field that is not empty: `readJob` makes the same of it. */
export function writeJob({ requirements, ...spec }: JobSpec): Readonly<Record<string, unknown>> {
  const own = Object.entries(specFields).map(
    ([key, { type }]) => [key, written(type, spec[key as keyof typeof spec] ?? type.empty)] as const,
  )
  const wanted = Object.entries(requirementFields).map(
    ([key, { name, type }]) => [name, written(type, requirements[key as keyof Requirements])] as const,
  )
  return Object.fromEntries([...own, ...wanted].filter(([, value]) => value !== undefined))
}

function written(type: unknown, value: unknown): unknown {
  return (type as FieldType<unknown>).write(value)
}

function pathsFrom(path: string): FieldPaths {
  return {
    of: (key) => joined(path, key),
    requirement: (key) => joined(path, requirementFields[key].name),
    requirements: path === '' ? 'sites, clouds, platforms and tags' : `${path}: sites, clouds, platforms and tags`,
  }
}
