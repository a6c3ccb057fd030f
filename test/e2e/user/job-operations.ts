/** The operations on jobs, one row each: what users do with their own jobs and with those of others. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { answerOf, type Operation, listing, showing, steering, steeringGroup } from './operation.ts'
import { greeting, group } from './workshop.ts'

const ownJob = 'executable: /bin/true\nmemory: 100MiB\ndisk: 16MiB\n'

/** The first waits for ever, and the second for the first. */
const graphText = JSON.stringify([
  { name: 'first', executable: '/bin/true', tags: ['never-offered'] },
  { name: 'second', executable: '/bin/true', after: ['first'] },
])

export const jobOperations: readonly Operation[] = [
  {
    name: 'submit',
    actions: ['job.submit'],
    reach: 'own',
    attempt: showing(({ file }) => ['submit', file('own.yaml', ownJob)], /submitted one job: \d+/),
  },
  {
    name: 'submit a graph, and see what waits',
    actions: ['job.submit', 'job.read'],
    reach: 'own',
    async attempt({ file, becomes }, caller) {
      const path = file(`graph-${caller.name}.json`, graphText)
      const { out, err, code } = await caller.run(['submit', path, '--json'])
      if (code !== 0) return { answer: `exit ${code}`, wrong: err }
      const { jobIds } = JSON.parse(out) as { jobIds: readonly number[] }
      const [first = 0, second = 0] = jobIds
      const explained = await caller.run(['explain', String(second)])
      const isBlocked = /Blocked/.test((await caller.run(['status', String(second)])).out)
      const killed = await caller.run(['kill', String(first)])
      const isEnded = await becomes(second, 'Failed')
      const isRight = isBlocked && explained.out.includes(`${first}`) && killed.code === 0 && isEnded
      return { answer: 'ok', wrong: isRight ? '' : `${explained.out}${killed.out}${isBlocked} ${isEnded}` }
    },
  },
  {
    name: 'submit files, and fetch what the job left',
    actions: ['job.submit', 'sandbox.put', 'job.output', 'job.watch'],
    reach: 'own',
    async attempt({ dir, file }, caller) {
      file(`words-${caller.name}.txt`, `words of ${caller.name}\n`)
      const script = `cat words-${caller.name}.txt; tr a-z A-Z < words-${caller.name}.txt > loud.txt`
      const job = { executable: '/bin/sh', arguments: ['-c', script], memory: '100MiB', disk: '16MiB' }
      const path = file(
        `files-${caller.name}.json`,
        JSON.stringify({ ...job, inputFiles: [`words-${caller.name}.txt`], outputFiles: ['*.txt'] }),
      )
      const { out, err, code } = await caller.run(['submit', path, '--wait', '--json'])
      const jobId = Number(/"jobIds":\[(\d+)\]/.exec(out)?.[1])
      if (code !== 0) return { answer: `exit ${code}`, wrong: `${out}${err}` }
      const into = join(dir, `left-${caller.name}`)
      const fetched = await caller.run(['output', String(jobId), '--name', 'loud.txt', '--dir', into])
      const text = fetched.code === 0 ? readFileSync(join(into, 'loud.txt'), 'utf8') : fetched.err
      return { answer: 'ok', wrong: text === `WORDS OF ${caller.name.toUpperCase()}\n` ? '' : text }
    },
  },
  {
    name: 'files of a job',
    actions: ['job.output'],
    reach: 'owner',
    attempt: showing(({ jobs }) => ['output', String(jobs.done), '--list'], /left\.txt/),
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
    name: 'list with a filter, by the last change',
    actions: ['job.list'],
    reach: 'vo',
    attempt: listing([
      ...['list', '--state', 'Waiting', '--job-group', group, '--job-type', 'test', '--name', 'made waiting'],
      ...['--submitted-from', '1h', '--sort', 'changed-last', '--owner', 'ada'],
    ]),
  },
  {
    name: 'count',
    actions: ['job.list'],
    reach: 'vo',
    async attempt(_, caller) {
      const { code, out } = await caller.run(['count', '--by', 'state,owner', '--job-group', group, '--json'])
      return { answer: /Running/.test(out) && /ada/.test(out) ? 'ok' : 'not-found', wrong: code === 'signal' ? out : '' }
    },
  },
  {
    name: 'group',
    actions: ['job.list'],
    reach: 'vo',
    async attempt(_, caller) {
      const { out } = await caller.run(['group', group])
      return { answer: /ended/.test(out) ? 'ok' : 'not-found', wrong: '' }
    },
  },
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
  {
    name: 'kill all that a filter selects',
    actions: ['job.kill', 'job.list'],
    reach: 'selected',
    attempt: steeringGroup(['kill'], 'waiting', 'Killed'),
  },
  { name: 'delete', actions: ['job.delete'], reach: 'owner', attempt: steering(['delete'], 'done', 'gone') },
  {
    name: 'delete all that a filter selects',
    actions: ['job.delete', 'job.list'],
    reach: 'selected',
    attempt: steeringGroup(['delete'], 'done', 'gone'),
  },
  {
    name: 'prioritise',
    actions: ['job.prioritise'],
    reach: 'owner',
    async attempt({ make, callers }, caller) {
      const jobId = await make('waiting')
      const answer = answerOf(await caller.run(['prioritise', '--priority', '7', String(jobId)]))
      for await (const { priority } of callers.admin.client.list({ jobIds: [jobId] }))
        return { answer, wrong: (priority === 7) === (answer === 'ok') ? '' : `job ${jobId} has priority ${priority}` }
      return { answer, wrong: `job ${jobId} is gone` }
    },
  },
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
