/**
 * What the demo shows of a user's day: a JDL document with parameters, a graph of jobs that wait for each other, a file that
 * is sent along and one that comes back, and one command that runs as a job. Each step says what it saw and whether that is
 * right.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasEnded } from '../../client/follow.ts'
import type { Job } from '../../client/jobs.ts'
import type { NewJob } from '../../client/new-job.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { runAsJob } from '../commands/run.ts'
import type { Setting } from '../setting.ts'
import { withFiles } from '../uploads.ts'

export type UserStep = { readonly what: string; readonly seen: string; readonly isRight: boolean }

const squares = `
JobName = "square-%s";
Executable = "/bin/sh";
Arguments = "-c 'echo $((%s * %s))'";
Parameters = 5;
ParameterStart = 1;
ParameterStep = 1;
`

const small = { memory: '128MiB', disk: '16MiB', wallTime: '15m' }
const shell = (name: string, script: string, more: object = {}): object => {
  return { name, executable: '/bin/sh', arguments: ['-c', script], ...small, ...more }
}

/**
 * Three parts wait for the preparation, the merge for the parts, and the clean-up for the end of the merge, however it ends.
 */
const graph = [
  shell('prepare', 'echo ready'),
  ...[1, 2, 3].map((part) => shell(`part-${part}`, `echo part ${part}`, { after: ['prepare'] })),
  shell('merge', 'echo no input; exit 1', { after: ['part-1', 'part-2', 'part-3'] }),
  shell('publish', 'echo published', { after: ['merge'] }),
  shell('clean-up', 'echo cleaned', { after: [{ job: 'merge', when: 'ended' }] }),
]

export async function userSteps(setting: Setting, client: PilotageClient): Promise<readonly UserStep[]> {
  return Promise.all([parameters(client), dependencies(client), files(setting, client), command(setting, client)])
}

async function parameters(client: PilotageClient): Promise<UserStep> {
  const jobs = await ended(client, squares)
  const outputs = await Promise.all(jobs.map(({ jobId }) => outputOf(client, jobId)))
  const seen = outputs.map((text) => text.trim()).join(' ')
  return { what: 'a JDL document with 5 parameters', seen, isRight: seen === '1 4 9 16 25' }
}

async function dependencies(client: PilotageClient): Promise<UserStep> {
  const jobs = await ended(client, JSON.stringify(graph))
  const [prepare, ...others] = jobs
  const [merge, publish, cleanUp] = jobs.slice(4)
  const seen = jobs.map(({ name, state }) => `${name} ${state}`).join(', ')
  const states = 'prepare Done, part-1 Done, part-2 Done, part-3 Done, merge Failed, publish Failed, clean-up Done'
  const isInOrder =
    others.slice(0, 3).every(({ startedMs }) => startedMs >= (prepare?.endedMs ?? Infinity)) &&
    jobs.slice(1, 4).every(({ endedMs }) => endedMs <= (merge?.startedMs ?? 0)) &&
    (cleanUp?.startedMs ?? 0) >= (merge?.endedMs ?? Infinity)
  const neverRan = publish?.attempt === 0
  return { what: 'a graph of 7 jobs', seen, isRight: seen === states && isInOrder && neverRan }
}

/** The file is sent as `pilotage submit` sends it, and what the job makes of it is read back. */
async function files(setting: Setting, client: PilotageClient): Promise<UserStep> {
  const { readJobDocument } = await import('../../client/job-document.ts')
  const directory = mkdtempSync(join(tmpdir(), 'pilotage-demo-'))
  try {
    writeFileSync(join(directory, 'words.txt'), 'pilot\ncloud\nlease\nbatch\n')
    const names = { inputFiles: ['words.txt'], outputFiles: ['*.txt'] }
    const { jobs } = readJobDocument(JSON.stringify(shell('sort-words', 'sort words.txt > sorted.txt', names)))
    const [job] = await followed(client, await withFiles(setting, client, jobs, [directory]))
    const jobId = job?.jobId ?? 0
    const { files: left } = await client.outputFiles(jobId)
    const text = await textOf(client.outputFile(jobId, 'sorted.txt'))
    const seen = `${left.map(({ path }) => path).join(' and ')}, sorted: ${text.trim().split('\n').join(' ')}`
    return { what: 'a sandbox', seen, isRight: seen === 'sorted.txt and words.txt, sorted: batch cloud lease pilot' }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** As `pilotage run` does it, with what it writes caught. */
async function command(setting: Setting, client: PilotageClient): Promise<UserStep> {
  const written: string[] = []
  const keep = async (text: string | Uint8Array): Promise<boolean> => {
    written.push(typeof text === 'string' ? text : Buffer.from(text).toString())
    return true
  }
  const { terminal } = setting
  const caught = {
    ...terminal,
    isTerminal: false,
    write: keep,
    writeError: keep,
    say: () => undefined,
    progress: () => undefined,
  }
  const line = ['sh', '-c', 'echo six times seven is $((6 * 7)); exit 42']
  const code = await runAsJob({ ...setting, terminal: caught }, client, { ...small }, line)
  const seen = `${written.join('').trim()}, exit code ${code}`
  return { what: 'pilotage run', seen, isRight: seen === 'six times seven is 42, exit code 42' }
}

/** Submits the document and waits until all of its jobs have ended; in their order. */
async function ended(client: PilotageClient, document: string): Promise<readonly Job[]> {
  const { readJobDocument } = await import('../../client/job-document.ts')
  return followed(client, readJobDocument(document).jobs)
}

async function followed(client: PilotageClient, jobs: readonly NewJob[]): Promise<readonly Job[]> {
  const { jobIds } = await client.submit(jobs)
  const last = new Map<number, Job>()
  for await (const job of client.watch(jobIds)) if (hasEnded(job)) last.set(job.jobId, job)
  return jobIds.flatMap((id) => last.get(id) ?? [])
}

async function outputOf(client: PilotageClient, jobId: number): Promise<string> {
  return textOf(client.output(jobId))
}

async function textOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const piece of pieces) text += Buffer.from(piece).toString()
  return text
}
