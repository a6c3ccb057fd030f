/**
 * From what a user wrote to a job description: checked whole by the field table, defaults filled in, nothing clamped.
 *
 * Every wrong field is refused with its path, its value, the rule and what would be accepted. Refuses to know where the
 * description came from: the client calls it before it sends a job, the service when one arrives.
 */

import { shown, type Violation } from '../kernel/errors.ts'
import { jobLimits } from '../kernel/limits.ts'
import { sandboxLimits } from '../kernel/sandbox-limits.ts'
import { bytesText } from '../kernel/quantities.ts'
import { beginningOf } from '../kernel/text.ts'
import type { JobSpec } from '../model/job.ts'
import type { Requirements } from '../model/requirements.ts'
import type { FieldType, Refuse } from './field-types.ts'
import { memoryLimitWith, memoryWith } from './grant.ts'
import { requirementFields, specFields } from './fields.ts'

/** As it arrives: nothing checked; what is absent, zero or empty was not given. */
export type RawRequirements = Partial<Requirements>

export type RawSpec = Partial<Omit<JobSpec, 'requirements' | 'executable'>> & {
  readonly executable: string
  readonly requirements?: RawRequirements
}

/** The description, or undefined where something was refused. */
export function checkSpec(raw: RawSpec, path: string, violations: Violation[]): JobSpec | undefined {
  const before = violations.length
  const refuse: Refuse = (field, value, rule, accepted) => {
    violations.push({ path: `${path}.${field}`, value: shown(value), rule, accepted })
  }
  const spec = checkFields(raw, refuse, wirePaths)
  checkSizes(spec, refuse, wirePaths)
  return violations.length === before ? spec : undefined
}

const specTypes = typesOf(specFields)
const requirementTypes = typesOf(requirementFields)

/** As pairs of a key and a type that takes what the key has: TypeScript cannot say so of a whole table. */
function typesOf<Key extends string>(
  table: Readonly<Record<Key, { readonly type: unknown }>>,
): readonly (readonly [Key, FieldType<unknown>])[] {
  return Object.entries(table).map(([key, row]) => [key as Key, (row as { type: FieldType<unknown> }).type])
}

/** How a way in names the fields: the wire by their paths there, a document by their names. */
export type FieldPaths = {
  of(key: keyof typeof specFields): string
  requirement(key: keyof Requirements): string
  readonly requirements: string
}

const wirePaths: FieldPaths = {
  of: wireName,
  requirement: (key) => `requirements.${wireName(key)}`,
  requirements: 'requirements',
}

/** As the contract spells it: `max_attempts`. */
function wireName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** `isSkipped`: fields whose value could not even be read. */
export function checkFields(
  raw: RawSpec,
  refuse: Refuse,
  paths: FieldPaths,
  isSkipped: (path: string) => boolean = () => false,
): JobSpec {
  const silent: Refuse = () => {}
  const said = (path: string): Refuse => (isSkipped(path) ? silent : refuse)
  const given: Record<string, unknown> = {}
  for (const [key, type] of specTypes) {
    const path = paths.of(key)
    given[key] = type.check(raw[key] ?? type.empty, path, said(path))
  }
  const wanted: Record<string, unknown> = {}
  for (const [key, type] of requirementTypes) {
    const path = paths.requirement(key)
    if (isNone(key, raw.requirements)) {
      wanted[key] = type.empty
      continue
    }
    const wish = type.check(raw.requirements?.[key] ?? type.empty, path, said(path))
    // What is not asked for is absent: a digest of the text knows nothing of it.
    if (wish !== undefined) wanted[key] = wish
  }
  checkMemory(wanted as Requirements, paths.requirement('memoryLimitBytes'), refuse)
  // In one order for ever: the digest that a key of a submission stands for is made of the text.
  const { priority, maxAttempts, maxMachineLosses, jobGroup, jobType, ...others } = given
  const { after, jobIdMark, inputFiles, outputFiles, ...command } = others
  const waiting = (after as readonly unknown[]).length > 0 ? { after } : {}
  const mark = jobIdMark === '' ? {} : { jobIdMark }
  const counts = { priority, maxAttempts, maxMachineLosses }
  const later = { jobGroup, jobType, ...waiting, ...mark, inputFiles, outputFiles }
  const spec = { ...command, requirements: wanted, ...counts, ...later } as JobSpec
  return { ...spec, name: nameOf(spec) }
}

/** Not given, where another field stands for it. */
function isNone(key: keyof Requirements, wished: RawRequirements = {}): boolean {
  const { noneWith } = requirementFields[key]
  return noneWith !== undefined && !wished[key] && Boolean(wished[noneWith])
}

/** Each is a line over the cores: where it holds at both ends, it holds between. */
function checkMemory(wished: Requirements, path: string, refuse: Refuse): void {
  const { cores, wholeNode } = wished
  if (cores === undefined) return
  for (const count of [cores.min, wholeNode ? jobLimits.cores : cores.max]) {
    const [asked, limit] = [memoryWith(count, wished), memoryLimitWith(count, wished)]
    if (limit >= asked) continue
    const accepted = `at least ${bytesText(asked)} with ${count} cores, which it asks for`
    refuse(path, bytesText(limit), 'below what it asks for', accepted)
    return
  }
}

/** What is bounded in all, over several fields. */
export function checkSizes(spec: JobSpec, refuse: Refuse, paths: FieldPaths): void {
  const lists = listsOf(spec.requirements)
  if (lists > jobLimits.requirementListBytes) {
    const accepted = `names of at most ${bytesText(jobLimits.requirementListBytes)} in all`
    refuse(paths.requirements, `names of ${lists} bytes`, 'too large', accepted)
  }
  checkInputBytes(spec, refuse, paths)
  const size = sizeOf(spec, lists)
  if (size > jobLimits.specBytes) {
    refuse(paths.of('arguments'), `${size} bytes`, 'too large', `at most ${bytesText(jobLimits.specBytes)} in all`)
  }
}

/** What is brought must fit in all, and on the disk that the job asks for. */
function checkInputBytes({ inputFiles, requirements }: JobSpec, refuse: Refuse, paths: FieldPaths): void {
  const bytes = inputFiles.reduce((sum, file) => sum + file.bytes, 0)
  const maxBytes = Math.min(sandboxLimits.jobBytes, requirements.diskBytes)
  if (bytes <= maxBytes) return
  const isDisk = requirements.diskBytes < sandboxLimits.jobBytes
  const accepted = `at most ${bytesText(maxBytes)} in all${isDisk ? ', the disk that the job asks for' : ''}`
  refuse(paths.of('inputFiles'), bytesText(bytes), 'too large', accepted)
}

function sizeOf({ executable, arguments: words, environment, inputFiles, outputFiles }: JobSpec, lists: number): number {
  const variables = Object.entries(environment).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  const files = inputFiles.reduce((sum, { path, digest }) => sum + path.length + digest.length, 0)
  return executable.length + variables + lengthOf(words) + files + lengthOf(outputFiles) + lists
}

/** What the texts of requirements hold: each task queue keeps them, in the memory of every process. */
function listsOf(wish: unknown): number {
  if (typeof wish === 'string') return wish.length
  if (typeof wish !== 'object' || wish === null) return 0
  return Object.values(wish).reduce((sum: number, one: unknown) => sum + listsOf(one), 0)
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0)
}

/** Its own, or that of its executable. */
export function nameOf({ name, executable }: Pick<RawSpec, 'name' | 'executable'>): string {
  return name || baseName(executable)
}

function baseName(path: string): string {
  return beginningOf(path.slice(path.lastIndexOf('/') + 1), jobLimits.nameLength)
}
