/**
 * `pilotage submit`: documents of jobs, or streams of them, become jobs of the installation. Several files are one
 * submission.
 *
 * Documents are checked whole, all of them, before anything is sent. A stream is sent as it is read; after a refusal it says
 * how many jobs were accepted, and the same command with the same key continues from there without doubling any.
 */

import type { Command } from 'commander'
import type { Warning } from '../../client/jobs.ts'
import type { NewJob } from '../../client/new-job.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { counted, visibleText } from '../../core/kernel/text.ts'
import { type Choose, withService } from '../action.ts'
import { jobFiles, readDocument, relabelled, sayNotes, type JobFile } from '../job-files.ts'
import { uploads, withFiles } from '../uploads.ts'
import { idsText, jsonLine } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'
import { followToEnd } from './watch.ts'

type SubmitOptions = CommonOptions & {
  readonly key?: string
  readonly stream?: boolean
  readonly acceptDropped?: boolean
  readonly wait?: boolean
  readonly quiet?: boolean
}

/** `first`: the position of the source's first job among all. */
type Origin = { readonly label: string; readonly first: number }

const keyLength = 24
const maxShownIndexes = 5

export function addSubmitCommand(program: Command, choose: Choose): void {
  program
    .command('submit <files...>')
    .description('submit the jobs of YAML, JSON or JDL documents (- reads standard input)')
    .option('--key <key>', 'idempotency key: the same key with the same jobs adds nothing')
    .option('--stream', 'read any number of jobs: JSON Lines, or YAML documents separated by ---')
    .option('--accept-dropped', 'submit JDL without the attributes that cannot be honoured')
    .option('-q, --quiet', 'print only the numbers of the jobs, one per line')
    .option('--wait', 'follow the jobs until all have ended; exit code 1 unless all are Done')
    .action(withService(choose, submit))
}

async function submit(
  setting: Setting,
  client: PilotageClient,
  options: SubmitOptions,
  files: readonly string[],
): Promise<ExitCode> {
  const sources = jobFiles(setting, files)
  const key = options.key ?? setting.random.letters(keyLength)
  const jobIds = options.stream
    ? await submitStream(setting, client, sources, key, options)
    : await submitDocuments(setting, client, sources, key, options)
  return options.wait ? followToEnd(setting, client, options, jobIds) : 0
}

async function submitDocuments(
  setting: Setting,
  client: PilotageClient,
  sources: readonly JobFile[],
  key: string,
  options: SubmitOptions,
): Promise<readonly number[]> {
  const { terminal } = setting
  const specs: NewJob[] = []
  const directories: string[] = []
  const origins: Origin[] = []
  for (const source of sources) {
    const { jobs, notes } = await readDocument(source, options)
    sayNotes(terminal, source, notes)
    origins.push({ label: source.label, first: specs.length })
    specs.push(...jobs)
    directories.push(...jobs.map(() => source.directory))
  }
  const place = placeIn(origins)
  const answer = await relabelled(placed(place), async () => {
    const jobs = await withFiles(setting, client, specs, directories)
    return client.submit(jobs, { key })
  })
  const { jobIds, warnings, repeated } = answer
  if (options.json) {
    await terminal.write(jsonLine(answer))
    return jobIds
  }
  for (const warning of warnings) terminal.say(warningText(warning, place))
  if (options.quiet) {
    await terminal.write(jobIds.map((id) => `${id}\n`).join(''))
    return jobIds
  }
  const count = jobIds.length === 1 ? 'one job' : `${jobIds.length} jobs`
  const known = repeated ? ' (submitted before under this key: nothing was added)' : ''
  await terminal.write(`submitted ${count}: ${idsText(jobIds)}${known}\n`)
  return jobIds
}

async function submitStream(
  setting: Setting,
  client: PilotageClient,
  sources: readonly JobFile[],
  key: string,
  { json, wait, quiet }: SubmitOptions,
): Promise<readonly number[]> {
  const { terminal } = setting
  const waitFor: number[] = []
  const origins: Origin[] = []
  const place = placeIn(origins)
  let count = 0
  try {
    for await (const answer of client.submitStream(streamed(setting, client, sources, origins), { key })) {
      count += answer.jobIds.length
      if (wait) waitFor.push(...answer.jobIds)
      if (json) await terminal.write(jsonLine(answer))
      else if (quiet) await terminal.write(answer.jobIds.map((id) => `${id}\n`).join(''))
      else await terminal.write(`submitted ${counted(answer.jobIds.length, 'job')}: ${idsText(answer.jobIds)}\n`)
      for (const warning of answer.warnings) terminal.say(warningText(warning, place))
    }
  } catch (thrown) {
    terminal.say(`${counted(count, 'job')} accepted; submit the same again with --key ${key} to continue, no job is doubled`)
    await relabelled(placed(place), () => Promise.reject(thrown))
  }
  if (!json && !quiet) await terminal.write(`submitted ${counted(count, 'job')} in total, key ${key}\n`)
  return waitFor
}

/** Notes in `origins` where each source begins, before its first job is given. */
async function* streamed(
  setting: Setting,
  client: PilotageClient,
  sources: readonly JobFile[],
  origins: Origin[],
): AsyncGenerator<NewJob, void, undefined> {
  const { readJobStream } = await import('../../client/job-stream.ts')
  let count = 0
  const uploading = await uploads(setting, client)
  for (const { label, pieces, directory } of sources) {
    origins.push({ label, first: count })
    const jobs = readJobStream(pieces)
    for (;;) {
      const next = await relabelled(
        (path) => `${label}${path}`,
        () => jobs.next(),
      )
      if (next.done) break
      const [job = next.value] = next.value.localInputs ? await uploading.put([next.value], directory) : []
      uploading.end()
      yield job
      count += 1
    }
  }
}

/** The file and the place in it of each job of several documents. */
function placeIn(origins: readonly Origin[]): (index: number) => string {
  return (index) => {
    const { label, first } = origins.findLast((origin) => origin.first <= index) ?? { label: '', first: 0 }
    return `${label}jobs[${index - first}]`
  }
}

function placed(place: (index: number) => string): (path: string) => string {
  return (path) => path.replace(/^jobs\[(\d+)\]/, (_, index) => place(Number(index)))
}

function warningText({ code, text, indexes }: Warning, place: (index: number) => string): string {
  const shown = indexes.slice(0, maxShownIndexes).map(place)
  if (indexes.length > maxShownIndexes) shown.push('...')
  const where = shown.length === 0 ? '' : ` (${shown.join(', ')})`
  return `warning: ${visibleText(code)}: ${visibleText(text)}${where}`
}
