/**
 * A job document: the text of one job or of a list of jobs, in YAML, JSON or JDL, as job specs; or every reason why not. And
 * the way back: what was submitted, as such a document.
 *
 * Bounded before it is parsed: 16 MiB of JSON, 4 MiB of YAML, which is read far more slowly (10 MiB took 22 s), and few YAML
 * aliases (a hundred bytes of them can mean gigabytes). A text is one document. What starts like JSON is read as JSON,
 * and what starts with `Name =` as JDL. Knows nothing of files or calls.
 */

import { rawSpecOf, rawSpecToWire } from '../proto/codec/specs.ts'
import { checkSpec, nameOf, type RawSpec } from '../core/language/check.ts'
import { resolveDependencies } from '../core/language/dependency-graph.ts'
import { joined } from '../core/language/field-types.ts'
import { assert } from '../core/kernel/assert.ts'
import { Document, visit } from 'yaml'
import { PilotageError, type Violation } from '../core/kernel/errors.ts'
import { requestBytes } from '../core/kernel/limits.ts'
import { parserText, visibleLines, visibleText } from '../core/kernel/text.ts'
import { bytesText } from '../core/kernel/quantities.ts'
import type { JobSpec } from '../core/model/job.ts'
import { JobSpec as WireJob } from '../proto/gen/pilotage/v1/job.ts'
import { readJob, writeJob } from '../core/language/document.ts'
import { importJdl, type JdlNote } from '../core/language/jdl/import.ts'
import type { NewJob } from './new-job.ts'
import { looksLikeJdl } from '../core/language/jdl/parse.ts'
import { gatherViolations, type Violations } from '../core/kernel/violations.ts'
import { type ReadYaml, readYaml } from './yaml-text.ts'

const yamlAliases = 50
const yamlBytes = 4 * 1024 * 1024
const jdlBytes = 4 * 1024 * 1024
/** What looks like JSON and is none may be YAML up to this size: it takes some 50 ms. */
const flowBytes = 16 * 1024

/** `notes`: what of a JDL document could not be honoured as it stands; of other documents there are none. */
export type ReadDocument = { readonly jobs: readonly NewJob[]; readonly notes: readonly JdlNote[] }

/**
 * All jobs of the document. Throws `too-large` or `invalid-argument` with every violation. With `acceptDropped` the jobs of
 * a JDL document are taken without what would change their meaning.
 */
export function readJobDocument(text: string, { acceptDropped = false } = {}): ReadDocument {
  refuseTooLarge(Buffer.byteLength(text))
  const wrong = gatherViolations()
  const read = looksLikeJdl(text) ? readJdl(text, acceptDropped, wrong) : readPlain(text, wrong)
  wrong.settle('reading the job document')
  return read
}

function readJdl(text: string, acceptDropped: boolean, wrong: Violations): ReadDocument {
  refuseOver(Buffer.byteLength(text), jdlBytes, 'JDL is written by people', `at most ${bytesText(jdlBytes)} of JDL, or JSON`)
  const { jobs, notes } = importJdl(text, acceptDropped, wrong)
  checkDependencies(jobs, (at) => `jobs[${at}]: Pilotage.after`, wrong)
  return { jobs: wrong.count() > 0 ? [] : jobs.map(jobOf), notes }
}

function readPlain(text: string, wrong: Violations): ReadDocument {
  const value = parseText(text)
  const given = jobsOf(value)
  const jobs = given.map(({ value: job, path }) => readJob(job, path, wrong))
  if (jobs.length === 0) wrong.add('', value, 'at least one job', 'one job, or a list of jobs')
  checkDependencies(jobs, (at) => joined(given[at]?.path ?? '', 'after'), wrong)
  return { jobs: jobs.map(jobOf), notes: [] }
}

/** What the jobs of the document say together; which jobs there are beside them only the service knows. */
function checkDependencies(jobs: readonly RawSpec[], pathOf: (index: number) => string, wrong: Violations): void {
  if (wrong.count() > 0) return
  const waiting = jobs.map((job) => ({ name: nameOf(job), after: job.after }))
  resolveDependencies(waiting, pathOf, (...refused) => wrong.add(...refused))
}

/** One document of a stream; `firstIndex` is how many jobs came before it. */
export function readStreamedDocument(text: string, firstIndex: number): readonly NewJob[] {
  refuseTooLarge(Buffer.byteLength(text))
  const value = parseText(text)
  const wrong = gatherViolations()
  const listed = Array.isArray(value) ? value : [value]
  const jobs = listed.map((job, index) => jobOf(readJob(job, `jobs[${firstIndex + index}]`, wrong)))
  wrong.settle('reading the stream of jobs')
  return jobs
}

/** Jobs that `readJobDocument` has read, with the defaults of what was not given. */
export function specsOf(jobs: readonly NewJob[]): readonly JobSpec[] {
  const violations: Violation[] = []
  const specs = jobs.flatMap(({ localInputs = [], ...job }, index) => {
    const local = localInputs.map((input) => ({ ...input, digest: '', bytes: 0 }))
    const raw = { ...rawSpecOf(job), inputFiles: [...job.inputFiles, ...local] }
    return checkSpec(raw, `jobs[${index}]`, violations) ?? []
  })
  assert(violations.length === 0, 'a job that was read is checked')
  return specs
}

/**
 * The job as a document that `readJobDocument` reads back as the same job; several jobs as a list. Characters that a
 * terminal would act on are escapes, as YAML knows them between quotes.
 */
export function jobDocument(...jobs: readonly JobSpec[]): string {
  const written = jobs.map(writeJob)
  const document = new Document(written.length === 1 ? written[0] : written, { aliasDuplicateObjects: false })
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'string' && visibleText(node.value) !== node.value) node.type = 'QUOTE_DOUBLE'
    },
  })
  return visibleLines(document.toString({ lineWidth: 0, doubleQuotedAsJSON: true }))
}

export function refuseTooLarge(bytes: number): void {
  refuseOver(bytes, requestBytes, 'a document fits in one request', `at most ${bytesText(requestBytes)}`)
}

function refuseOver(bytes: number, maxBytes: number, rule: string, accepted: string): void {
  if (bytes <= maxBytes) return
  const violations = [{ path: 'the document', value: bytesText(bytes), rule, accepted }]
  throw new PilotageError('too-large', 'the job document is too large; longer ones go with --stream', { violations })
}

function jobsOf(value: unknown): readonly { readonly value: unknown; readonly path: string }[] {
  if (!Array.isArray(value)) return [{ value, path: '' }]
  return value.map((job, index) => ({ value: job, path: `jobs[${index}]` }))
}

function parseText(text: string): unknown {
  const looksLikeJson = /^\s*[[{]/.test(text)
  if (looksLikeJson) {
    const json = parseJson(text)
    // YAML's flow style looks like JSON too; only a small text is worth a second reading.
    if (json.ok || text.length > flowBytes) return settled(json)
  }
  refuseOver(Buffer.byteLength(text), yamlBytes, 'YAML is read slowly', `at most ${bytesText(yamlBytes)} of YAML, or JSON`)
  return settled(readYaml(text, yamlAliases))
}

function parseJson(text: string): ReadYaml {
  try {
    return { ok: true, value: JSON.parse(text) as unknown }
  } catch (thrown) {
    return { ok: false, why: parserText(thrown) }
  }
}

/** One value of a document, as YAML; the text itself where it is none. */
export function documentValue(text: string): unknown {
  const parsed = readYaml(text, yamlAliases)
  return parsed.ok ? parsed.value : text
}

function settled(parsed: ReadYaml): unknown {
  if (parsed.ok) return parsed.value
  const violations = [
    { path: 'the document', value: '', rule: shortened(parsed.why), accepted: 'one YAML or JSON document' },
  ]
  throw new PilotageError('invalid-argument', 'the job document cannot be read', { violations })
}

function shortened(message: string): string {
  return message.length <= 300 ? message : `${message.slice(0, 297)}...`
}

/** Files that are not put yet stand beside it: the contract knows none. */
function jobOf(raw: RawSpec): NewJob {
  const localInputs = (raw.inputFiles ?? []).flatMap(({ from, path, executable }) =>
    from === undefined ? [] : [{ from, path, executable }],
  )
  const job = WireJob.fromPartial(rawSpecToWire(raw))
  return localInputs.length === 0 ? job : { ...job, localInputs }
}
