/** What the operations of the user scenario work on: jobs of `self` in every kind of state, a VM, documents. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readJobDocument } from '../../../client/job-document.ts'
import { type Clock, until } from '../../../core/kernel/clock.ts'
import type { Callers } from './callers.ts'

export type Workshop = {
  readonly dir: string
  readonly clock: Clock
  readonly callers: Callers
  readonly jobs: { readonly done: number; readonly running: number; readonly waiting: number }
  /** Runs for as long as the scenario, with `jobs.running`. */
  readonly vmId: string
  readonly stateOf: { readonly waiting: string; readonly held: string; readonly running: string; readonly done: string }
  /** A job of `self` of its own, in this state. */
  make(kind: 'waiting' | 'held' | 'running' | 'done', fields?: object): Promise<number>
  /** Within the time of a test; `gone`: there is no such job. */
  becomes(jobId: number, state: string): Promise<boolean>
  stateNow(jobId: number): Promise<string>
  /** A file in the scenario's directory. */
  file(name: string, text: string): string
}

export const greeting = 'hello from the payload'
const withinMs = 30_000
/** Of all jobs that are made here. */
export const group = 'workshop'
/** No VM here offers it. */
const never = 'never-offered'

const scripts = {
  waiting: { script: 'true', tags: [never] },
  held: { script: 'true', tags: [never] },
  running: { script: `trap "exit 0" TERM; echo ${greeting}; while true; do sleep 0.2; done`, tags: [] },
  done: { script: `echo ${greeting}; echo complaint >&2; echo left > left.txt`, tags: [], outputFiles: ['*.txt'] },
} as const

export async function openWorkshop(clock: Clock, dir: string, callers: Callers): Promise<Workshop> {
  const { self, admin } = callers
  const stateOf = { waiting: 'Waiting', held: 'Held', running: 'Running', done: 'Done' } as const

  async function stateNow(jobId: number): Promise<string> {
    for await (const job of admin.client.list({ jobIds: [jobId] })) return job.state
    return 'gone'
  }

  const becomes = (jobId: number, state: string): Promise<boolean> =>
    until(clock, async () => (await stateNow(jobId)) === state, { withinMs, everyMs: 50 })

  async function make(kind: keyof typeof scripts, more: object = {}): Promise<number> {
    const { script, ...fixed } = scripts[kind]
    const fields = {
      executable: '/bin/sh',
      arguments: ['-c', script],
      memory: '100MiB',
      disk: '16MiB',
      wallTime: '1h',
      ...fixed,
    }
    const { jobs } = readJobDocument(
      JSON.stringify({ ...fields, name: `made ${kind}`, jobGroup: group, jobType: 'test', ...more }),
    )
    const [jobId = 0] = (await self.client.submit(jobs)).jobIds
    if (kind === 'held') await self.client.hold([jobId], 'for the scenario')
    if (!(await becomes(jobId, stateOf[kind]))) throw new Error(`job ${jobId} did not become ${stateOf[kind]}`)
    return jobId
  }

  const [done, running, waiting] = [await make('done'), await make('running'), await make('waiting')]
  const [vm] = (await admin.client.vms()).filter(({ leases }) => leases > 0)
  return {
    dir,
    clock,
    callers,
    jobs: { done, running, waiting },
    vmId: vm?.vmId ?? '',
    stateOf,
    make,
    becomes,
    stateNow,
    file(name, text) {
      const path = join(dir, name)
      writeFileSync(path, text)
      return path
    },
  }
}
