/**
 * `pilotage submit`: a document of jobs, or a stream of them, becomes jobs of the installation.
 *
 * A document is checked whole before anything is sent. A stream is sent as it is read; after a refusal it says how many jobs
 * were accepted, and the same command with the same key continues from there without doubling any.
 */

import { createReadStream } from 'node:fs'
import type { Command } from 'commander'
import type { Warning } from '../../client/jobs.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { utf8Text } from '../../core/kernel/file-text.ts'
import { requestBytes } from '../../core/kernel/limits.ts'
import { visibleText } from '../../core/kernel/text.ts'
import { type Choose, withService } from '../action.ts'
import { idsText, jsonLine } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'
import { followToEnd } from './watch.ts'

type SubmitOptions = CommonOptions & {
  readonly key?: string
  readonly stream?: boolean
  readonly wait?: boolean
}

const keyLength = 24
const maxShownIndexes = 5

export function addSubmitCommand(program: Command, choose: Choose): void {
  program
    .command('submit <file>')
    .description('submit the jobs of a YAML or JSON document (- reads standard input)')
    .option('--key <key>', 'idempotency key: the same key with the same jobs adds nothing')
    .option('--stream', 'read any number of jobs: JSON Lines, or YAML documents separated by ---')
    .option('--wait', 'follow the jobs until all have ended; exit code 1 unless all are Done')
    .action(withService(choose, submit))
}

async function submit(setting: Setting, client: PilotageClient, options: SubmitOptions, file: string): Promise<ExitCode> {
  const pieces = file === '-' ? setting.stdin : readPieces(file)
  const key = options.key ?? setting.random.letters(keyLength)
  const jobIds = options.stream
    ? await submitStream(setting, client, pieces, key, options)
    : await submitDocument(setting, client, pieces, key, options)
  return options.wait ? followToEnd(setting, client, options, jobIds) : 0
}

async function submitDocument(
  { terminal }: Setting,
  client: PilotageClient,
  pieces: AsyncIterable<Uint8Array>,
  key: string,
  { json }: SubmitOptions,
): Promise<readonly number[]> {
  const { readJobDocument } = await import('../../client/job-document.ts')
  const answer = await client.submit(readJobDocument(await wholeText(pieces)), { key })
  const { jobIds, warnings, repeated } = answer
  if (json) {
    await terminal.write(jsonLine(answer))
    return jobIds
  }
  const count = jobIds.length === 1 ? 'one job' : `${jobIds.length} jobs`
  const known = repeated ? ' (submitted before under this key: nothing was added)' : ''
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
  const { readJobStream } = await import('../../client/job-stream.ts')
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
    terminal.say(`${count} jobs were accepted; submit the same stream with --key ${key} to continue, no job is doubled`)
    throw thrown
  }
  if (!json) await terminal.write(`submitted ${count} jobs in total, key ${key}\n`)
  return waitFor
}

function warningText({ code, text, indexes }: Warning): string {
  const shown = indexes.slice(0, maxShownIndexes).map((index) => `jobs[${index}]`)
  if (indexes.length > maxShownIndexes) shown.push('...')
  const where = shown.length === 0 ? '' : ` (${shown.join(', ')})`
  return `warning: ${visibleText(code)}: ${visibleText(text)}${where}`
}

/** Stops reading at the bound: a pipe may be endless. */
async function wholeText(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const kept: Uint8Array[] = []
  let bytes = 0
  for await (const piece of pieces) {
    kept.push(piece)
    bytes += piece.length
    if (bytes > requestBytes) (await import('../../client/job-document.ts')).refuseTooLarge(bytes)
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
