/**
 * A stream of jobs of any length: JSON lines (a job a line) or YAML documents with `---` between them.
 *
 * Reads piece by piece and keeps one document at a time, each bounded. The first character that is no space decides the
 * form: `{` or `[` means JSON lines. A wrong document ends the stream with its violations; what came before stands.
 */

import { PilotageError } from '../core/kernel/errors.ts'
import { utf8Reader } from '../core/kernel/file-text.ts'
import { jobLimits } from '../core/kernel/limits.ts'
import type { NewJob } from './new-job.ts'
import { readStreamedDocument } from './job-document.ts'

/** A document of a stream is one job, or a list of a few: a description has 64 KiB, its YAML some comments. */
const documentCharacters = 64 * jobLimits.specBytes

/** `pieces` are pieces of UTF-8 text, cut anywhere. */
export async function* readJobStream(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<NewJob, void, undefined> {
  let count = 0
  for await (const document of documents(linesOf(pieces, documentCharacters))) {
    for (const job of readStreamedDocument(document, count)) {
      yield job
      count += 1
    }
  }
}

/**
 * Lines without their ends. Throws `too-large` for a line beyond the bound, and a refusal that names `what` if it is no
 * UTF-8.
 */
export async function* linesOf(
  pieces: AsyncIterable<Uint8Array>,
  maxLength: number,
  what = 'the stream of jobs',
): AsyncGenerator<string, void, undefined> {
  const reader = utf8Reader(what)
  let rest = ''
  for await (const piece of pieces) {
    const lines = `${rest}${reader.next(piece)}`.split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > maxLength) throw tooLarge(maxLength)
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line
  }
  rest += reader.end()
  if (rest !== '') yield rest
}

async function* documents(lines: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let form: 'unknown' | 'json' | 'yaml' = 'unknown'
  let kept: string[] = []
  let size = 0
  for await (const line of lines) {
    if (form === 'unknown' && line.trim() !== '') form = /^\s*[[{]/.test(line) ? 'json' : 'yaml'
    if (form !== 'yaml') {
      if (line.trim() !== '') yield line
      continue
    }
    if (/^(---|\.\.\.)(\s|$)/.test(line)) {
      if (hasContent(kept)) yield kept.join('\n')
      kept = [line.replace(/^(---|\.\.\.)/, '')]
      size = 0
      continue
    }
    size += line.length + 1
    if (size > documentCharacters) throw tooLarge(documentCharacters)
    kept.push(line)
  }
  if (hasContent(kept)) yield kept.join('\n')
}

function hasContent(lines: readonly string[]): boolean {
  return lines.some((line) => line.trim() !== '' && !line.trimStart().startsWith('#') && !line.startsWith('%'))
}

function tooLarge(maxLength: number): PilotageError {
  const violations = [
    {
      path: 'the stream',
      value: 'a document',
      rule: 'each document is bounded',
      accepted: `at most ${maxLength} characters`,
    },
  ]
  return new PilotageError('too-large', 'a document of the stream is too large', { violations })
}
