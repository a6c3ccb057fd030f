/**
 * `pilotage watch`: jobs as they change, one line per change, until all have ended. The service may report a change twice;
 * it is written once.
 */

import type { Command } from 'commander'
import type { Job } from '../../client/jobs.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { jsonText, visibleText } from '../../core/kernel/text.ts'
import { type Choose, withService } from '../action.ts'
import { jobsArgument } from '../arguments.ts'
import { timeText } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

export function addWatchCommand(program: Command, choose: Choose): void {
  program
    .command('watch')
    .addArgument(jobsArgument())
    .description('follow jobs until all have ended; exit code 1 unless all are Done')
    .action(withService(choose, followToEnd))
}

/** 0 if every job ended as Done. */
export async function followToEnd(
  { terminal }: Setting,
  client: PilotageClient,
  { json }: CommonOptions,
  jobIds: readonly number[],
): Promise<ExitCode> {
  const { watchedAtOnce } = await import('../../client/follow.ts')
  const last = new Map<number, string>()
  const written = new Map<number, string>()
  for (let start = 0; start < jobIds.length; start += watchedAtOnce) {
    for await (const job of found(client.watch(jobIds.slice(start, start + watchedAtOnce)))) {
      last.set(job.jobId, job.state)
      const line = json ? jsonText(job) : changeText(job)
      if (written.get(job.jobId) === line) continue
      written.set(job.jobId, line)
      await terminal.write(`${line}\n`)
    }
  }
  const unknown = jobIds.filter((id) => !last.has(id))
  for (const id of unknown) terminal.say(`job ${id}: not found`)
  return unknown.length === 0 && [...last.values()].every((state) => state === 'Done') ? 0 : 1
}

/** Which jobs were not found is said of each of them afterwards. */
async function* found(jobs: AsyncIterable<Job>): AsyncGenerator<Job, void, undefined> {
  try {
    yield* jobs
  } catch (error) {
    if (!(error instanceof PilotageError && error.code === 'not-found')) throw error
  }
}

function changeText(job: Job): string {
  const name = job.name === '' ? '' : ` (${job.name})`
  const where = job.vmId === '' ? '' : ` on ${job.vmId}`
  const why = job.reason === '' ? '' : `: ${job.reason}`
  return visibleText(`${timeText(job.changedMs)}  job ${job.jobId}${name}  ${job.state}${where}${why}`)
}
