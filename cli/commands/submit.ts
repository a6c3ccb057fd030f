/**
 * `pilotage submit`: a document of jobs, or a stream of them, becomes jobs of the installation.
 *
 * A document is checked whole before anything is sent. A stream is sent as it is read; after a refusal it says how many jobs
 * stand, and the same command with the same key goes on from there without doubling any.
 */

import { createReadStream } from 'node:fs'
import { PilotageError } from '../../core/kernel/errors.ts'
import { requestBytes } from '../../core/kernel/limits.ts'
import type { Warning } from '../../proto/gen/pilotage/v1/job.ts'
import { readJobDocument, refuseTooLarge } from '../../client/job-document.ts'
import { readJobStream } from '../../client/job-stream.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { visibleText } from '../../core/kernel/text.ts'
import type { CommonOptions, ExitCode, Setting } from './setting.ts'
import { idsText, jsonLine } from './terminal.ts'
import { followToEnd } from './watch.ts'

export type SubmitOptions = CommonOptions & {
  readonly key?: string
  readonly stream?: boolean
  readonly wait?: boolean
}

export async function submit(
  setting: Setting,
  client: PilotageClient,
  file: string,
  options: SubmitOptions,
): Promise<ExitCode> {
  const pieces = file === '-' ? setting.stdin : readPieces(file)
  const key = options.key ?? setting.random.letters(24)
  const jobIds = options.stream
    ? await submitStream(setting, client, pieces, key, options)
    : await submitDocument(setting, client, pieces, key, options)
  return options.wait ? followToEnd(setting, client, jobIds, options) : 0
}

async function submitDocument(
  { terminal }: Setting,
  client: PilotageClient,
  pieces: AsyncIterable<Uint8Array>,
  key: string,
  { json }: SubmitOptions,
): Promise<readonly number[]> {
  const answer = await client.submit(readJobDocument(await wholeText(pieces)), { key })
  const { jobIds, warnings, repeated } = answer
  if (json) {
    await terminal.write(jsonLine(answer))
    return jobIds
  }
  const count = jobIds.length === 1 ? 'one job' : `${jobIds.length} jobs`
  const known = repeated ? ' (known already: nothing was added)' : ''
  await terminal.write(`submitted ${count}: ${idsText(jobIds)}${known}\n`)
  for (const warning of warnings) terminal.say(warningText(warning))
  return jobIds
}

async function submitStream(
  { terminal }: Setting,
  client: PilotageClient,
  pieces: AsyncIterable<Uint8Array>,
  key: string,
  { json, wait }: SubmitOptions,
): Promise<readonly number[]> {
  const waitFor: number[] = []
  let count = 0
  try {
    for await (const answer of client.submitStream(readJobStream(pieces), { key })) {
      count += answer.jobIds.length
      if (wait) waitFor.push(...answer.jobIds)
      if (json) await terminal.write(jsonLine(answer))
      else await terminal.write(`submitted ${answer.jobIds.length} jobs: ${idsText(answer.jobIds)}\n`)
      for (const warning of answer.warnings) terminal.say(warningText(warning))
    }
  } catch (thrown) {
    terminal.say(`${count} jobs were accepted; the same stream with --key ${key} goes on without doubling them`)
    throw thrown
  }
  if (!json) await terminal.write(`${count} jobs in all, key ${key}\n`)
  return waitFor
}

function warningText({ code, text, indexes }: Warning): string {
  const where =
    indexes.length === 0 ? '' : ` (jobs[${indexes.slice(0, 5).join('], jobs[')}]${indexes.length > 5 ? ', ...' : ''})`
  return `warning: ${visibleText(code)}: ${visibleText(text)}${where}`
}

/** Stops reading at the bound: a pipe may be endless. */
async function wholeText(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const kept: Uint8Array[] = []
  let bytes = 0
  for await (const piece of pieces) {
    kept.push(piece)
    bytes += piece.length
    if (bytes > requestBytes) refuseTooLarge(bytes)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(kept))
  } catch (cause) {
    throw new PilotageError('invalid-argument', 'the job document is not UTF-8 text', { cause })
  }
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
