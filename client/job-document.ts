/**
 * A job document: the text of one job or of a list of jobs, in YAML or JSON, as job specs; or every reason why not. And the
 * way back: what was submitted, as such a document.
 *
 * Bounded before it is parsed: 16 MiB of JSON, 4 MiB of YAML, which is read far more slowly (10 MiB took 22 s), and few YAML
 * aliases (a hundred bytes of them can mean gigabytes). What starts like JSON is read as JSON. Knows nothing of files or
 * calls.
 */

import { rawSpecToWire } from '../proto/codec/specs.ts'
import type { RawSpec } from '../core/language/check.ts'
import { Document, parseDocument, visit } from 'yaml'
import { PilotageError } from '../core/kernel/errors.ts'
import { requestBytes } from '../core/kernel/limits.ts'
import { parserText, visibleLines, visibleText } from '../core/kernel/text.ts'
import { bytesText } from '../core/kernel/quantities.ts'
import type { JobSpec } from '../core/model/job.ts'
import { JobSpec as WireJob } from '../proto/gen/pilotage/v1/job.ts'
import { readJob, writeJob } from '../core/language/document.ts'
import { gatherViolations } from '../core/kernel/violations.ts'

const yamlAliases = 50
const yamlBytes = 4 * 1024 * 1024

/** All jobs of the document. Throws `too-large` or `invalid-argument` with every violation. */
export function readJobDocument(text: string): readonly WireJob[] {
  const value = parseText(text)
  const wrong = gatherViolations()
  const jobs = jobsOf(value).map(({ value: job, path }) => jobOf(readJob(job, path, wrong)))
  if (jobs.length === 0) wrong.add('', value, 'at least one job', 'one job, or a list of jobs')
  wrong.settle('reading the job document')
  return jobs
}

/** One document of a stream; `firstIndex` is how many jobs came before it. */
export function readStreamedDocument(text: string, firstIndex: number): readonly WireJob[] {
  const value = parseText(text)
  const wrong = gatherViolations()
  const listed = Array.isArray(value) ? value : [value]
  const jobs = listed.map((job, index) => jobOf(readJob(job, `jobs[${firstIndex + index}]`, wrong)))
  wrong.settle('reading the stream of jobs')
  return jobs
}

/**
 * The job as a document that `readJobDocument` reads back as the same job. Characters that a terminal would act on are
 * escapes, as YAML knows them between quotes.
 */
export function jobDocument(job: JobSpec): string {
  const document = new Document(writeJob(job), { aliasDuplicateObjects: false })
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
  refuseTooLarge(Buffer.byteLength(text))
  const looksLikeJson = /^\s*[[{]/.test(text)
  if (looksLikeJson) {
    const json = parseJson(text)
    // YAML's flow style looks like JSON too; only a small text is worth a second reading.
    if (json.ok || text.length > 1024 * 1024) return settled(json)
  }
  refuseOver(Buffer.byteLength(text), yamlBytes, 'YAML is read slowly', `at most ${bytesText(yamlBytes)} of YAML, or JSON`)
  return settled(parseYaml(text))
}

type Parsed = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: string }

function parseJson(text: string): Parsed {
  try {
    return { ok: true, value: JSON.parse(text) as unknown }
  } catch (thrown) {
    return { ok: false, why: reasonOf(thrown) }
  }
}

function parseYaml(text: string): Parsed {
  try {
    const document = parseDocument(text, { schema: 'core', uniqueKeys: true, merge: false, logLevel: 'silent' })
    const error = document.errors[0]
    if (error) return { ok: false, why: reasonOf(error) }
    const warning = document.warnings[0]
    if (warning) return { ok: false, why: reasonOf(warning) }
    return { ok: true, value: document.toJS({ maxAliasCount: yamlAliases }) as unknown }
  } catch (thrown) {
    // Too many aliases, or nested deeper than the reader's stack.
    return { ok: false, why: reasonOf(thrown) }
  }
}

function settled(parsed: Parsed): unknown {
  if (parsed.ok) return parsed.value
  const violations = [{ path: 'the document', value: '', rule: parsed.why, accepted: 'one YAML or JSON document' }]
  throw new PilotageError('invalid-argument', 'the job document cannot be read', { violations })
}

function reasonOf(thrown: unknown): string {
  const message = parserText(thrown)
  return message.length <= 300 ? message : `${message.slice(0, 297)}...`
}

function jobOf(raw: RawSpec): WireJob {
  return WireJob.fromPartial(rawSpecToWire(raw))
}
