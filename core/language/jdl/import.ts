/**
 * From a JDL document to jobs: parameters expanded, each attribute read by its row, the whole checked by the field table as
 * every other document is; and a note for each attribute that could not be honoured as it stands.
 */

import type { Violations } from '../../kernel/violations.ts'
import { nearest } from '../../kernel/violations.ts'
import type { RawSpec } from '../check.ts'
import { checkFields, checkSizes, type FieldPaths } from '../check.ts'
import { readField } from '../document.ts'
import type { Refuse } from '../field-types.ts'
import { requirementFields } from '../fields.ts'
import { type JdlDraft, jdlNames, jdlRow, type NoteKind } from './attributes.ts'
import { type Expanded, expandParameters, jdlMark } from './parameters.ts'
import { type JdlAttribute, type JdlValue, parseJdl } from './parse.ts'
import { shownValue } from './values.ts'

/** `line`: where the attribute stands. */
export type JdlNote = {
  readonly kind: NoteKind
  readonly attribute: string
  readonly line: number
  readonly value: string
  readonly why: string
}

export type ImportedJdl = { readonly jobs: readonly RawSpec[]; readonly notes: readonly JdlNote[] }

/**
 * With `acceptDropped` a job is taken without what changes its meaning; else that is refused. Wrong fields go to `wrong`.
 */
export function importJdl(text: string, acceptDropped: boolean, wrong: Violations): ImportedJdl {
  const notes = new Map<string, JdlNote>()
  const unknown = new Map<string, string>()
  const jobs: RawSpec[] = []
  const records = parseJdl(text, wrong)
  if (wrong.count() > 0) return { jobs, notes: [] }
  for (const record of records) {
    for (const own of expandParameters(record, wrong)) {
      const before = wrong.count()
      jobs.push(importRecord(own, notes, unknown, wrong))
      // The jobs of one record differ by their parameters: what is wrong with one is wrong with many.
      if (wrong.count() > before) break
    }
  }
  if (!acceptDropped) {
    for (const { kind, attribute, line, value, why } of notes.values()) {
      if (kind === 'dropped')
        wrong.add(`line ${line}: ${attribute}`, value, why, 'the job without it, with --accept-dropped')
    }
  }
  return { jobs, notes: [...notes.values()] }
}

/** `known`: what was said of the same name before; the jobs of one record have the same names, and a search takes long. */
function unknownText(name: string, known: Map<string, string>): string {
  const before = known.get(name)
  if (before !== undefined) return before
  const meant = nearest(name, jdlNames)
  const text = meant === undefined ? 'no such attribute is known' : `no such attribute is known; ${meant}, perhaps`
  known.set(name, text)
  return text
}

function importRecord(
  { record, hasJobId }: Expanded,
  notes: Map<string, JdlNote>,
  unknown: Map<string, string>,
  wrong: Violations,
): RawSpec {
  const draft = newDraft()
  const lines = new Map<string, JdlAttribute>()
  for (const attribute of record) {
    const { name, line } = attribute
    const at = `line ${line}: ${name}`
    const refuse = (rule: string, accepted: string): void => wrong.add(at, shownValue(attribute), rule, accepted)
    const note = (kind: NoteKind, why: string): void => {
      notes.set(`${line} ${name} ${kind} ${why}`, { kind, attribute: name, line, value: shownValue(attribute), why })
    }
    if (/^pilotage\./i.test(name)) {
      readOwn(attribute, draft, wrong)
      continue
    }
    const row = jdlRow(name)
    if (!row) {
      note('dropped', unknownText(name, unknown))
      continue
    }
    lines.set(row.name, attribute)
    row.read(attribute, draft, { refuse, note })
  }
  settle(draft, lines, notes, wrong)
  if (hasJobId) draft.spec.jobIdMark = markOf(draft, wrong)
  const raw = { ...draft.spec, requirements: draft.requirements } as RawSpec
  const refuse: Refuse = (...refused) => wrong.add(...refused)
  const paths = pathsIn(lines)
  const before = wrong.count()
  const spec = checkFields({ ...raw, executable: raw.executable ?? '' }, refuse, paths)
  if (wrong.count() === before) checkSizes(spec, refuse, paths)
  return raw
}

/** What %j in Arguments and ExecutionEnvironment stays as, to be replaced when the job starts. */
function markOf({ spec }: JdlDraft, wrong: Violations): string {
  const own = spec.jobIdMark
  if (own !== undefined && own !== jdlMark) wrong.add('Pilotage.jobIdMark', own, 'another mark beside %j', jdlMark)
  return jdlMark
}

function newDraft(): JdlDraft {
  return {
    spec: { priority: diracPriority },
    requirements: {},
    cores: {},
    sites: {},
    memory: {},
    tags: [],
    streams: new Set(['std.out', 'std.err']),
    wantsOutput: [],
  }
}

const diracPriority = 1

/** What several attributes say together. */
function settle(
  draft: JdlDraft,
  lines: ReadonlyMap<string, JdlAttribute>,
  notes: Map<string, JdlNote>,
  wrong: Violations,
): void {
  const { requirements, cores, sites, memory, tags, streams, wantsOutput } = draft
  const { exact, min, max } = cores
  if (exact !== undefined) requirements.cores = { min: exact, max: exact }
  else if (min !== undefined && max !== undefined && max < min) {
    const at = `line ${lines.get('MaxNumberOfProcessors')?.line}: MaxNumberOfProcessors`
    wrong.add(at, max, 'below MinNumberOfProcessors', `a whole number from ${min}`)
  } else if (min !== undefined || max !== undefined) requirements.cores = { min: min ?? 1, max: max ?? min ?? 1 }
  const { allowed = [], banned = [] } = sites
  if (allowed.length + banned.length > 0) requirements.sites = { allowed, banned }
  const bytes = memory.max ?? memory.tagged ?? memory.min
  if (bytes !== undefined) requirements.memoryBytes = bytes
  if (tags.length > 0) requirements.tags = tags
  const note = (attribute: JdlAttribute | undefined, kind: NoteKind, why: string): void => {
    if (!attribute) return
    const { name, line } = attribute
    notes.set(`${line} ${name} ${kind} ${why}`, { kind, attribute: name, line, value: shownValue(attribute), why })
  }
  if (exact !== undefined && (min !== undefined || max !== undefined))
    note(lines.get('MinNumberOfProcessors') ?? lines.get('MaxNumberOfProcessors'), 'ignored', 'NumberOfProcessors says both')
  if (cores.isTagged && (exact ?? min ?? 1) < 2)
    note(lines.get('Tags'), 'dropped', 'MultiProcessor says no number of cores: NumberOfProcessors does')
  if (memory.max !== undefined && memory.min !== undefined)
    note(lines.get('MinRAM'), 'ignored', 'MaxRAM is what the job gets')
  const others = wantsOutput.filter((name) => !streams.has(name))
  if (others.length > 0) draft.spec.outputFiles = others
  settleExecutable(draft.spec)
}

/** DIRAC looks for the executable among the job's own files first, and makes it one that can be run. */
function settleExecutable(spec: Record<string, unknown>): void {
  const { executable, inputFiles } = spec as Partial<Pick<RawSpec, 'executable' | 'inputFiles'>>
  if (!inputFiles?.some(({ path }) => path === executable)) return
  spec.executable = `./${executable}`
  spec.inputFiles = inputFiles.map((file) => (file.path === executable ? { ...file, executable: true } : file))
}

/** `Pilotage.memory = "2GiB"`: the value as a document has it. */
function readOwn(attribute: JdlAttribute, draft: JdlDraft, wrong: Violations): void {
  const { name, line, value } = attribute
  const field = name.slice(name.indexOf('.') + 1)
  readField(field, documentValue(value), draft, `line ${line}: ${name}`, (...refused) => wrong.add(...refused))
}

/** As YAML would give it. */
function documentValue(value: JdlValue): unknown {
  switch (value.kind) {
    case 'number':
    case 'boolean':
      return value.value
    case 'list':
      return value.items.map(documentValue)
    case 'record':
      return Object.fromEntries(value.attributes.map((one) => [one.name, documentValue(one.value)]))
    default:
      return value.text
  }
}

/** A field that is out of bounds is named by the attribute that gave it, with its line. */
function pathsIn(lines: ReadonlyMap<string, JdlAttribute>): FieldPaths {
  const at = (field: string, ...names: readonly string[]): string => {
    const given = names.map((name) => lines.get(name)).find((one) => one !== undefined)
    return given ? `line ${given.line}: ${given.name}` : `${field}`
  }
  return {
    of: (key) => at(`Pilotage.${key}`, ...(attributesOf[key] ?? [])),
    requirement: (key) => at(`Pilotage.${requirementFields[key].name}`, ...(attributesOf[key] ?? [])),
    requirements: 'Site, GridCE, Platform and Tags',
  }
}

const attributesOf: Readonly<Record<string, readonly string[]>> = {
  name: ['JobName'],
  executable: ['Executable'],
  arguments: ['Arguments'],
  environment: ['ExecutionEnvironment'],
  priority: ['Priority'],
  cores: ['NumberOfProcessors', 'MinNumberOfProcessors', 'MaxNumberOfProcessors', 'Tags'],
  memoryBytes: ['MaxRAM', 'MinRAM', 'Tags'],
  cpuWorkMs: ['CPUTime'],
  wholeNode: ['WholeNode', 'Tags'],
  platforms: ['Platform'],
  sites: ['Site', 'BannedSites'],
  clouds: ['GridCE'],
  tags: ['Tags'],
  inputFiles: ['InputSandbox'],
  outputFiles: ['OutputSandbox'],
}
