/** The operations on jobs, one row each: what users do with their own jobs and with those of others. */

import { answerOf, type Operation, listing, showing, steering } from './operation.ts'
import { greeting } from './workshop.ts'

const ownJob = 'executable: /bin/true\nmemory: 100MiB\ndisk: 16MiB\n'

export const jobOperations: readonly Operation[] = [
  {
    name: 'submit',
    actions: ['job.submit'],
    reach: 'own',
    attempt: showing(({ file }) => ['submit', file('own.yaml', ownJob)], /submitted one job: \d+/),
  },
  {
    name: 'run',
    actions: ['job.submit', 'job.output', 'job.watch'],
    reach: 'own',
    async attempt(_, caller) {
      const line = ['run', '--memory', '100MiB', '--disk', '16MiB', '--', 'sh', '-c', 'echo "$0" ran; exit 3', caller.name]
      const { code, out, err } = await caller.run(line)
      return { answer: code === 3 ? 'ok' : `exit ${code}`, wrong: out === `${caller.name} ran\n` ? '' : `${out}${err}` }
    },
  },
  {
    name: 'status',
    actions: ['job.list'],
    reach: 'vo',
    attempt: showing(({ jobs }) => ['status', String(jobs.running)], /Running/),
  },
  { name: 'list', actions: ['job.list'], reach: 'vo', attempt: listing(['list']) },
  {
    name: 'history',
    actions: ['job.read'],
    reach: 'vo',
    attempt: showing(({ jobs }) => ['history', String(jobs.done)], /Done/),
  },
  {
    name: 'explain',
    actions: ['job.read'],
    reach: 'vo',
    attempt: showing(({ jobs }) => ['explain', String(jobs.waiting)], /never-offered/),
  },
  {
    name: 'watch',
    actions: ['job.watch'],
    reach: 'vo',
    attempt: showing(({ jobs }) => ['watch', String(jobs.done)], /Done/),
  },
  {
    name: 'spec',
    actions: ['job.spec'],
    reach: 'owner',
    attempt: showing(({ jobs }) => ['job', 'spec', String(jobs.done)], /executable: \/bin\/sh/),
  },
  {
    name: 'output',
    actions: ['job.output'],
    reach: 'owner',
    attempt: showing(({ jobs }) => ['output', String(jobs.done)], new RegExp(greeting)),
  },
  {
    name: 'peek',
    actions: ['job.output'],
    reach: 'owner',
    attempt: showing(({ jobs }) => ['peek', String(jobs.running), '--now'], new RegExp(greeting)),
  },
  { name: 'kill a waiting job', actions: ['job.kill'], reach: 'owner', attempt: steering(['kill'], 'waiting', 'Killed') },
  { name: 'kill a running job', actions: ['job.kill'], reach: 'owner', attempt: steering(['kill'], 'running', 'Killed') },
  { name: 'hold', actions: ['job.hold'], reach: 'owner', attempt: steering(['hold'], 'waiting', 'Held') },
  { name: 'release', actions: ['job.release'], reach: 'owner', attempt: steering(['release'], 'held', 'Waiting') },
  {
    name: 'reschedule',
    actions: ['job.reschedule'],
    reach: 'owner',
    async attempt({ make, becomes }, caller) {
      const jobId = await make('done')
      const ran = await caller.run(['reschedule', String(jobId), '--json'])
      const answer = answerOf(ran)
      if (answer !== 'ok') return { answer, wrong: '' }
      const { newJobId } = JSON.parse(ran.out) as { newJobId: number }
      return { answer, wrong: (await becomes(newJobId, 'Done')) ? '' : `job ${newJobId} did not run: ${ran.out}` }
    },
  },
]
