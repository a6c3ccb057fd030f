/**
 * `pilotage watch`: jobs as they change, a line a change, until all have ended. Told twice by the service, told once here.
 */

import type { Job } from '../../proto/gen/pilotage/v1/job.ts'
import { watchedAtOnce } from '../../client/follow.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { jsonText, visibleText } from '../../core/kernel/text.ts'
import type { CommonOptions, ExitCode, Setting } from './setting.ts'
import { timeText } from './terminal.ts'

/** 0 where every job ended as Done. */
export async function followToEnd(
  { terminal }: Setting,
  client: PilotageClient,
  jobIds: readonly number[],
  { json }: CommonOptions,
): Promise<ExitCode> {
  const last = new Map<number, string>()
  const told = new Map<number, string>()
  for (let start = 0; start < jobIds.length; start += watchedAtOnce) {
    for await (const job of client.watch(jobIds.slice(start, start + watchedAtOnce))) {
      last.set(job.jobId, job.state)
      const line = json ? jsonText(job) : changeText(job)
      if (told.get(job.jobId) === line) continue
      told.set(job.jobId, line)
      await terminal.write(`${line}\n`)
    }
  }
  const unknown = jobIds.filter((id) => !last.has(id))
  for (const id of unknown) terminal.say(`job ${id}: not found`)
  return unknown.length === 0 && [...last.values()].every((state) => state === 'Done') ? 0 : 1
}

function changeText(job: Job): string {
  const name = job.name === '' ? '' : ` (${job.name})`
  const where = job.vmId === '' ? '' : ` on ${job.vmId}`
  const why = job.reason === '' ? '' : `: ${job.reason}`
  return visibleText(`${timeText(job.changedMs)}  job ${job.jobId}${name}  ${job.state}${where}${why}`)
}
