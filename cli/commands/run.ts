/**
 * `pilotage run [options] -- COMMAND [ARG...]`: one command as a job, as if it ran here: its output as it is written, Ctrl-C
 * as a kill, and its exit code. With `--array` the same command for many numbers, each a job.
 *
 * Ends with the payload's exit code, with 128 and the number of the signal that ended the payload, or with 125 where neither
 * is known: the job was refused, stopped at a limit, lost, or killed by another.
 */

import { constants } from 'node:os'
import { type Command, InvalidArgumentError } from 'commander'
import { hasEnded } from '../../client/follow.ts'
import type { Job } from '../../client/jobs.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { jobsPerCall } from '../../core/kernel/limits.ts'
import { counted, visibleText } from '../../core/kernel/text.ts'
import { type Choose, withoutService } from '../action.ts'
import { repeated } from '../arguments.ts'
import { addFieldOptions, type FieldOptions, givenFields, optionOf } from '../field-options.ts'
import { relabelled } from '../job-files.ts'
import { outputWriter } from '../output/output-writer.ts'
import { refusalText } from '../output/refusal.ts'
import { idsText, jsonLine, jsonLines } from '../output/table.ts'
import { withClient } from '../connection.ts'
import { withFiles } from '../uploads.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

type RunOptions = CommonOptions &
  FieldOptions & {
    readonly env?: readonly string[]
    readonly array?: readonly number[]
    readonly detach?: boolean
    readonly raw?: boolean
  }

/** As of programs that run others: the failure is theirs and not the command's. */
const ownFailure = 125
const signalBase = 128
const keyLength = 24

export function addRunCommand(program: Command, choose: Choose): void {
  const command = program
    .command('run')
    .argument('<command...>', 'the command and its arguments, after --')
    .description('run one command as a job: print what it writes, pass Ctrl-C on as a kill, end with its exit code')
    .option('--env <name=value>', 'variable of its environment; may be repeated', repeated)
    .option(
      '--array <numbers>',
      'a job for each of them, as 1-100 or 0-90:10; %s in the command stands for it',
      arrayNumbers,
    )
    .option('--detach', 'print the number of the job and do not wait for it')
    .option('--raw', 'print every byte as it is, even if the terminal acts on it')
  addFieldOptions(command).action(withoutService(choose, run))
}

function arrayNumbers(text: string): readonly number[] {
  const [, first = '', last = '', step = '1'] = /^(\d{1,9})-(\d{1,9})(?::(\d{1,9}))?$/.exec(text) ?? []
  const [from, to, by] = [Number(first), Number(last), Number(step)]
  const count = first === '' || by < 1 ? 0 : Math.floor((to - from) / by) + 1
  if (count >= 1 && count <= jobsPerCall) return Array.from({ length: count }, (_, at) => from + at * by)
  throw new InvalidArgumentError(`accepted: 1 to ${jobsPerCall} numbers, as 1-100 or 0-90:10`)
}

async function run(setting: Setting, options: RunOptions, command: readonly string[]): Promise<ExitCode> {
  // The first signal is for the job. What is under way goes on, and the second signal ends this process.
  const own = { ...setting, signal: new AbortController().signal }
  try {
    return await withClient(own, options, (client) => runAsJob(setting, client, options, command))
  } catch (thrown) {
    if (!(thrown instanceof PilotageError)) throw thrown
    setting.terminal.say(refusalText(thrown))
    return ownFailure
  }
}

/** Submits the command, or one for each number of an array, and follows it to its end. */
export async function runAsJob(
  setting: Setting,
  client: PilotageClient,
  options: RunOptions,
  command: readonly string[],
): Promise<ExitCode> {
  const { terminal, random, signal } = setting
  const { readJobDocument } = await import('../../client/job-document.ts')
  const documents = await documentsOf(options, command)
  const { jobIds, warnings } = await relabelled(optionOf, async () => {
    const { jobs } = readJobDocument(JSON.stringify(documents))
    // Files are named as on the command line.
    const directories = jobs.map(() => setting.workDir)
    return client.submit(await withFiles(setting, client, jobs, directories), { key: random.letters(keyLength) })
  })
  for (const { text } of warnings) terminal.say(visibleText(`warning: ${text}`))
  if (options.detach) {
    await terminal.write(options.json ? jsonLine({ jobIds }) : `${idsText(jobIds)}\n`)
    return 0
  }
  const passOn = (): void => void kill(setting, client, jobIds)
  signal.addEventListener('abort', passOn, { once: true })
  if (signal.aborted) passOn()
  const [only] = jobIds
  const ended =
    only !== undefined && jobIds.length === 1
      ? [await followOne(setting, client, options, only)]
      : await followMany(setting, client, options, jobIds)
  if (options.json) await terminal.write(jsonLines(ended))
  if (signal.aborted) return 'signal'
  return ended.reduce((code, job) => Math.max(code, codeOf(job)), 0)
}

/** A job for each number of the array, else one. */
async function documentsOf(options: RunOptions, [executable = '', ...args]: readonly string[]): Promise<readonly object[]> {
  const fields = await givenFields(options)
  const environment = environmentOf(options.env ?? [])
  const document = { ...fields, executable, arguments: args, ...(options.env ? { environment } : {}) }
  if (!options.array) return [document]
  return options.array.map((number) => withNumber(document, number) as object)
}

function environmentOf(given: readonly string[]): Readonly<Record<string, string>> {
  const pairs = given.map((text) => {
    const at = text.indexOf('=')
    if (at > 0) return [text.slice(0, at), text.slice(at + 1)] as const
    const violation = { path: '--env', value: text, rule: 'not a variable', accepted: 'NAME=VALUE' }
    throw new PilotageError('invalid-argument', 'a variable has a name and a value', { violations: [violation] })
  })
  return Object.fromEntries(pairs)
}

/** Every `%s` in every text stands for the number. */
function withNumber(value: unknown, number: number): unknown {
  if (typeof value === 'string') return value.replaceAll('%s', String(number))
  if (Array.isArray(value)) return value.map((one) => withNumber(one, number))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withNumber(one, number)]))
}

async function kill({ terminal }: Setting, client: PilotageClient, jobIds: readonly number[]): Promise<void> {
  terminal.say(`killing ${counted(jobIds.length, 'job')}; the same signal again leaves without waiting`)
  try {
    await client.kill(jobIds, 'interrupted')
  } catch (thrown) {
    if (!(thrown instanceof PilotageError)) throw thrown
    terminal.say(refusalText(thrown))
  }
}

/** Both outputs as they are written. */
async function followOne(
  { terminal }: Setting,
  client: PilotageClient,
  { raw, json }: RunOptions,
  jobId: number,
): Promise<Job> {
  let attempt = 0
  let hasWritten = false
  const copy = async (name: 'stdout' | 'stderr'): Promise<void> => {
    const write = outputWriter(terminal, { raw, name })
    for await (const piece of peeked(client, jobId, name)) {
      if (attempt !== 0 && piece.attempt > attempt) terminal.say(`job ${jobId}: attempt ${piece.attempt}`)
      attempt = Math.max(attempt, piece.attempt)
      if (piece.data.length === 0) continue
      hasWritten = true
      await write.next(piece.data)
    }
    await write.end()
  }
  const watch = async (): Promise<Job> => {
    let last: Job | undefined
    for await (const job of client.watch([jobId])) {
      last = job
      const isComing = !hasEnded(job) && job.state !== 'Running' && !hasWritten
      terminal.progress(isComing ? `job ${jobId} ${job.state}` : '')
    }
    if (!last) throw new PilotageError('not-found', `no job ${jobId}`)
    return last
  }
  const [job] = await Promise.all([watch(), ...(json ? [] : [copy('stdout'), copy('stderr')])])
  terminal.progress('')
  if (!json) sayEnd(terminal, job)
  return job
}

/** A job that was killed before it started has nothing to show. */
async function* peeked(client: PilotageClient, jobId: number, name: 'stdout' | 'stderr') {
  try {
    yield* client.peek(jobId, { name })
  } catch (thrown) {
    if (!(thrown instanceof PilotageError && thrown.code === 'not-found')) throw thrown
  }
}

/** The outputs of each job whole, when it has ended: lines of many jobs at once are of no use. */
async function followMany(
  { terminal, clock }: Setting,
  client: PilotageClient,
  { raw, json }: RunOptions,
  jobIds: readonly number[],
): Promise<readonly Job[]> {
  const { startProgress } = await import('../output/progress.ts')
  const progress = startProgress(terminal, clock, { doing: 'running', total: jobIds.length, unit: 'jobs' })
  const ended = new Map<number, Job>()
  try {
    for await (const job of client.watch(jobIds)) {
      if (!hasEnded(job) || ended.has(job.jobId)) continue
      ended.set(job.jobId, job)
      if (!json) {
        terminal.say(`job ${job.jobId}: ${endText(job)}`)
        for (const name of ['stdout', 'stderr'] as const) await copyKept({ terminal, client, job, raw, name })
      }
      progress.reached(ended.size)
    }
  } finally {
    progress.end()
  }
  return jobIds.flatMap((id) => ended.get(id) ?? [])
}

type Kept = {
  readonly terminal: Setting['terminal']
  readonly client: PilotageClient
  readonly job: Job
  readonly raw: boolean | undefined
  readonly name: 'stdout' | 'stderr'
}

async function copyKept({ terminal, client, job, raw, name }: Kept): Promise<void> {
  const bytes = name === 'stdout' ? job.result?.stdoutBytes : job.result?.stderrBytes
  if (!bytes) return
  const write = outputWriter(terminal, { raw, name })
  for await (const piece of client.output(job.jobId, { name })) await write.next(piece)
  await write.end()
}

function sayEnd(terminal: Setting['terminal'], job: Job): void {
  const dropped = job.result?.droppedBytes ?? 0
  if (dropped > 0) terminal.say(`job ${job.jobId}: ${counted(dropped, 'byte')} of its output beyond the limit were not kept`)
  if (job.result?.exitCode === undefined) terminal.say(`job ${job.jobId}: ${endText(job)}`)
}

function endText({ state, reason, result }: Job): string {
  const how = result?.exitCode === undefined ? reason : `exit code ${result.exitCode}`
  return visibleText(how === '' ? state : `${state}, ${how}`)
}

function codeOf({ result }: Job): number {
  if (result?.end === 'exited' && result.exitCode !== undefined) return result.exitCode
  if (result?.end !== 'signalled') return ownFailure
  const number = constants.signals[result.signal as NodeJS.Signals]
  return number === undefined ? ownFailure : signalBase + number
}
