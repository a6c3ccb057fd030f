/**
 * Files with job documents, as commands name them: read within their bounds, each with the label that its places have in
 * messages where there are several.
 */

import { createReadStream } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { ReadDocument } from '../client/job-document.ts'
import type { JdlNote } from '../core/language/jdl/import.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import { utf8Text } from '../core/kernel/file-text.ts'
import { requestBytes } from '../core/kernel/limits.ts'
import { visibleText } from '../core/kernel/text.ts'
import type { Terminal } from './output/terminal.ts'
import type { Setting } from './setting.ts'

/** `label`: what stands before its places, where there are several. */
export type JobFile = {
  readonly label: string
  readonly pieces: AsyncIterable<Uint8Array>
  /** Where the local files lie that it names. */
  readonly directory: string
}

/** `-` is standard input. Throws `invalid-argument` where it is named twice. */
export function jobFiles({ stdin, workDir }: Setting, files: readonly string[]): readonly JobFile[] {
  if (files.filter((file) => file === '-').length > 1)
    throw new PilotageError('invalid-argument', 'standard input is named twice; it can be read once')
  return files.map((file) => ({
    label: files.length === 1 ? '' : `${file}: `,
    pieces: file === '-' ? stdin : readPieces(file),
    directory: file === '-' ? workDir : dirname(resolve(file)),
  }))
}

export async function readDocument(
  { label, pieces }: JobFile,
  options: { readonly acceptDropped?: boolean },
): Promise<ReadDocument> {
  const { readJobDocument } = await import('../client/job-document.ts')
  const text = await wholeText(pieces)
  return relabelled(
    (path) => `${label}${path}`,
    () => readJobDocument(text, options),
  )
}

/** What of a JDL document is read as something else, or not at all. */
export function sayNotes(terminal: Terminal, { label }: JobFile, notes: readonly JdlNote[]): void {
  for (const { kind, attribute, line, value, why } of notes)
    terminal.say(visibleText(`note: ${label}line ${line}: ${attribute} = ${value} is ${kind}: ${why}`))
}

export async function relabelled<Answer>(
  rename: (path: string) => string,
  work: () => Answer | Promise<Answer>,
): Promise<Answer> {
  try {
    return await work()
  } catch (thrown) {
    if (!(thrown instanceof PilotageError)) throw thrown
    const violations = thrown.violations.map((violation) => ({ ...violation, path: rename(violation.path) }))
    throw Object.assign(thrown, { violations })
  }
}

/** Stops reading at the bound: a pipe may be endless. */
async function wholeText(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const kept: Uint8Array[] = []
  let bytes = 0
  for await (const piece of pieces) {
    kept.push(piece)
    bytes += piece.length
    if (bytes > requestBytes) (await import('../client/job-document.ts')).refuseTooLarge(bytes)
  }
  return utf8Text(Buffer.concat(kept), 'the job document')
}

async function* readPieces(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const piece of createReadStream(file)) yield piece as Uint8Array
  } catch (cause) {
    throw new PilotageError('not-found', `reading ${file}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}
