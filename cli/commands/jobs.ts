/**
 * What users ask about jobs and tell them: status, list, kill, hold, release, reschedule, history, explain, output.
 *
 * Each function is one command: it calls the service and writes the answer, as a table for people or as JSON for machines
 * (one object a line where there may be many).
 */

import type { Fact, Job, SteeredJob } from '../../proto/gen/pilotage/v1/job.ts'
import type { JobSelection, OutputSelection, PilotageClient } from '../../client/pilotage-client.ts'
import { outputForTerminal, visibleText } from '../../core/kernel/text.ts'
import type { CommonOptions, ExitCode, Setting } from './setting.ts'
import { type Column, jsonLine, spanText, table, type Terminal, timeText } from './terminal.ts'

const jobColumns: readonly Column<Job>[] = [
  { title: 'JOB', right: true, cell: ({ jobId }) => jobId },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'NAME', most: 30, cell: ({ name }) => name },
  { title: 'VO', cell: ({ vo }) => vo },
  { title: 'OWNER', cell: ({ owner }) => owner },
  { title: 'TRY', right: true, cell: ({ attempt, maxAttempts }) => `${attempt}/${maxAttempts}` },
  { title: 'CORES', right: true, cell: ({ cores }) => cores || '-' },
  { title: 'SUBMITTED', cell: ({ submittedMs }) => timeText(submittedMs) },
  { title: 'WAITED', right: true, cell: ({ submittedMs, startedMs }) => spanText(submittedMs, startedMs) },
  { title: 'RAN', right: true, cell: ({ startedMs, endedMs }) => spanText(startedMs, endedMs) },
  { title: 'VM', cell: ({ vmId }) => vmId || '-' },
  { title: 'REASON', cell: ({ reason }) => reason },
]

/** 1 where one of the jobs is not there. */
export async function status(
  setting: Setting,
  client: PilotageClient,
  jobIds: readonly number[],
  options: CommonOptions,
): Promise<ExitCode> {
  const found: Job[] = []
  for await (const job of client.list({ jobIds })) found.push(job)
  const byId = new Map(found.map((job) => [job.jobId, job]))
  await writeJobs(
    setting,
    jobIds.flatMap((id) => byId.get(id) ?? []),
    options,
  )
  const missing = jobIds.filter((id) => !byId.has(id))
  for (const id of missing) setting.terminal.say(`job ${id}: not found`)
  return missing.length === 0 ? 0 : 1
}

/** Any number of them: a table of a thousand rows at a time, so that the first comes soon and memory stays small. */
export async function list(
  setting: Setting,
  client: PilotageClient,
  selection: JobSelection,
  options: CommonOptions,
): Promise<ExitCode> {
  let rows: Job[] = []
  let first = true
  for await (const job of client.list(selection)) {
    rows.push(job)
    if (rows.length < 1000) continue
    await writeJobs(setting, rows, options)
    rows = []
    first = false
  }
  if (first || rows.length > 0) await writeJobs(setting, rows, options)
  return 0
}

async function writeJobs({ terminal }: Setting, jobs: readonly Job[], { json }: CommonOptions): Promise<void> {
  await terminal.write(json ? lines(jobs) : table(jobColumns, jobs))
}

export type Steering = 'kill' | 'hold' | 'release' | 'reschedule'

const steeredColumns: readonly Column<SteeredJob>[] = [
  { title: 'JOB', right: true, cell: ({ jobId }) => jobId },
  { title: 'STATE', cell: ({ state }) => state || '-' },
  { title: 'CHANGED', cell: ({ changed }) => (changed ? 'yes' : 'no') },
  { title: 'WHY NOT', cell: ({ refusal }) => refusal },
  { title: 'NEW JOB', cell: ({ newJobId }) => newJobId || '' },
]

/** 1 where a job refused. */
export async function steer(
  { terminal }: Setting,
  client: PilotageClient,
  steering: Steering,
  jobIds: readonly number[],
  { json, reason }: CommonOptions & { readonly reason?: string },
): Promise<ExitCode> {
  const steered = await client[steering](jobIds, reason)
  await terminal.write(json ? lines(steered) : table(steeredColumns, steered))
  return steered.every(({ refusal }) => refusal === '') ? 0 : 1
}

export async function history(
  { terminal }: Setting,
  client: PilotageClient,
  jobId: number,
  { json }: CommonOptions,
): Promise<ExitCode> {
  return tellFacts(terminal, await client.history(jobId), json)
}

/** A story, a line each. */
export async function tellFacts(terminal: Terminal, facts: readonly Fact[], json: boolean | undefined): Promise<ExitCode> {
  const text = facts.map((fact) => `${timeText(fact.atMs)}  ${visibleText(fact.text || fact.kind)}\n`).join('')
  await terminal.write(json ? lines(facts) : text)
  return 0
}

export async function explain(
  { terminal }: Setting,
  client: PilotageClient,
  jobId: number,
  { json }: CommonOptions,
): Promise<ExitCode> {
  const answer = await client.explain(jobId)
  await terminal.write(json ? jsonLine(answer) : explainText(answer))
  return 0
}

export function explainText({ summary, places }: Awaited<ReturnType<PilotageClient['explain']>>): string {
  const text = [visibleText(summary)]
  for (const { place, fits, rules, note } of places) {
    text.push(`  ${visibleText(place)}: ${fits ? 'fits' : 'does not fit'}${note === '' ? '' : ` (${visibleText(note)})`}`)
    for (const { rule, holds, wanted, offered } of rules) {
      text.push(visibleText(`    ${holds ? 'yes' : 'NO '}  ${rule}: wanted ${wanted}, offered ${offered}`))
    }
  }
  return `${text.join('\n')}\n`
}

/** As the payload wrote it, byte by byte; on a terminal, which would act on it, with its controls spelled out unless `raw`. */
export async function output(
  { terminal }: Setting,
  client: PilotageClient,
  jobId: number,
  { raw, ...selection }: OutputSelection & { readonly raw?: boolean },
): Promise<ExitCode> {
  const pieces = client.output(jobId, selection)
  if (raw || !terminal.isTerminal) {
    for await (const piece of pieces) await terminal.write(piece)
    return 0
  }
  const shown = outputForTerminal()
  // As bytes: what is left in it is for the terminal, and a joined character is not to be taken apart again.
  for await (const piece of pieces) await terminal.write(Buffer.from(shown.next(piece)))
  await terminal.write(Buffer.from(shown.end()))
  return 0
}

function lines(values: readonly object[]): string {
  return values.map(jsonLine).join('')
}
