/**
 * The demo's steps against a running service: submit, watch, kill one job, explain one, and wait until the VMs are gone.
 *
 * Every step is a call that any user or operator could make. Each wait is bounded. The answer is what was observed; the
 * report and the verdict are made elsewhere.
 */

import { sleep } from '../../core/kernel/clock.ts'
import type { Vm } from '../../client/cluster.ts'
import { hasEnded } from '../../client/follow.ts'
import type { Job, JobExplanation, Warning } from '../../client/jobs.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { untilNoVms } from '../own-service.ts'
import type { Setting } from '../setting.ts'
import { type DemoVo, demoJobs, demoVos } from './jobs.ts'
import { type UserStep, userSteps } from './user-steps.ts'

export type DemoOutcome = {
  readonly jobs: readonly Job[]
  readonly submitted: number
  readonly warnings: readonly Warning[]
  readonly failing: Job | undefined
  readonly killed: Job | undefined
  /** From the kill to the end of the payload. */
  readonly killMs: number
  readonly explanation: JobExplanation
  readonly impossible: Job | undefined
  readonly steps: readonly UserStep[]
  /** What one of the prime counts printed. */
  readonly primes: string
  readonly vms: readonly Vm[]
  readonly vmsGone: boolean
}

type Clients = Readonly<Record<DemoVo, PilotageClient>>

const everyMs = 500
const jobsMs = 90_000
const vmsGoneMs = 45_000

export async function runDemo(setting: Setting, admin: PilotageClient): Promise<DemoOutcome> {
  const clients: Clients = { biomed: await clientOf(admin, 'biomed', 'ada'), astro: await clientOf(admin, 'astro', 'vera') }
  try {
    return await runSteps(setting, admin, clients)
  } finally {
    for (const vo of demoVos) clients[vo].close()
  }
}

async function clientOf(admin: PilotageClient, vo: DemoVo, subject: string): Promise<PilotageClient> {
  const request = { subject, vo, group: 'users', roles: ['user'], lifetimeMs: 0 }
  return admin.as((await admin.createToken(request)).token)
}

async function runSteps(setting: Setting, admin: PilotageClient, clients: Clients): Promise<DemoOutcome> {
  const { terminal } = setting
  const { computations, failing, long, impossible } = demoJobs()
  const specsOf = (vo: DemoVo) => computations.filter((job) => job.vo === vo).map(({ spec }) => spec)

  // The long one first: it is running when there is still something to look at.
  const odd = await clients.astro.submit([long, failing, impossible])
  const [longId = 0, failingId = 0, impossibleId = 0] = odd.jobIds
  const astro = await clients.astro.submit(specsOf('astro'))
  const biomed = await clients.biomed.submit(specsOf('biomed'))
  const ids = { astro: [...odd.jobIds, ...astro.jobIds], biomed: [...biomed.jobIds] }
  const submitted = ids.astro.length + ids.biomed.length
  terminal.say(`submitted ${submitted} jobs of two VOs`)
  for (const { code, text } of odd.warnings) terminal.say(`warning: ${code}: ${text}`)

  const explanation = await clients.astro.explain(impossibleId)
  const [seen, steps] = await Promise.all([
    followAll(setting, admin, clients, ids, longId, impossibleId),
    userSteps(setting, clients.astro),
  ])
  const primes = await firstOutput(clients.biomed, seen.jobs)
  terminal.progress('')
  terminal.say('all jobs have ended; waiting until the idle VMs are gone')
  const vmsGone = await untilNoVms(setting, admin, vmsGoneMs)
  const byId = new Map(seen.jobs.map((job) => [job.jobId, job]))
  return {
    jobs: seen.jobs,
    submitted,
    warnings: odd.warnings,
    failing: byId.get(failingId),
    killed: byId.get(longId),
    killMs: seen.killMs,
    explanation,
    impossible: byId.get(impossibleId),
    steps,
    primes,
    vms: await admin.vms({ ended: true }),
    vmsGone,
  }
}

/** Shows how it goes, kills the long job when most others are done, and takes the impossible one back at the end. */
async function followAll(
  { clock, terminal, signal }: Setting,
  admin: PilotageClient,
  clients: Clients,
  ids: Readonly<Record<DemoVo, readonly number[]>>,
  longId: number,
  impossibleId: number,
): Promise<{ readonly jobs: readonly Job[]; readonly killMs: number }> {
  const beginMs = clock.monotonicMs()
  const lastMs = beginMs + jobsMs
  let jobs: readonly Job[] = []
  let [killing, taken, killMs] = [undefined as Promise<number> | undefined, false, 0]
  for (;;) {
    jobs = [...(await listed(clients.astro, ids.astro)), ...(await listed(clients.biomed, ids.biomed))]
    const count = (...states: string[]): number => jobs.filter(({ state }) => states.includes(state)).length
    const ended = jobs.filter(hasEnded).length
    const long = jobs.find(({ jobId }) => jobId === longId)
    terminal.progress(
      `${Math.round((clock.monotonicMs() - beginMs) / 1000)} s: waiting ${count('Waiting', 'Held', 'Blocked')}, ` +
        `running ${count('Matched', 'Running', 'Completing')}, ended ${ended} of ${jobs.length}, ${await vmText(admin)}`,
    )
    const others = jobs.length - 2
    if (!killing && long?.state === 'Running' && ended >= others / 2) killing = killed(clients.astro, longId, clock)
    if (!taken && ended >= others && killing) {
      taken = true
      await clients.astro.kill([impossibleId], 'explained: no VM can run it')
    }
    if (ended === jobs.length || signal.aborted || clock.monotonicMs() > lastMs) break
    await sleep(clock, everyMs, signal)
  }
  if (killing) killMs = await killing
  return { jobs, killMs }
}

/** How long it took until the payload was stopped and the store knew. */
async function killed(client: PilotageClient, jobId: number, clock: Setting['clock']): Promise<number> {
  const askedMs = clock.monotonicMs()
  await client.kill([jobId], 'shown in the demo')
  for await (const job of client.watch([jobId])) if (hasEnded(job)) break
  return clock.monotonicMs() - askedMs
}

async function vmText(admin: PilotageClient): Promise<string> {
  const states = Map.groupBy(await admin.vms(), ({ state }) => state)
  const text = [...states].map(([state, vms]) => `${vms.length} ${state}`).join(', ')
  return `VMs: ${text === '' ? 'none yet' : text}`
}

async function listed(client: PilotageClient, jobIds: readonly number[]): Promise<readonly Job[]> {
  const jobs: Job[] = []
  for await (const job of client.list({ jobIds })) jobs.push(job)
  return jobs
}

async function firstOutput(client: PilotageClient, jobs: readonly Job[]): Promise<string> {
  const job = jobs.find(({ name, vo, state }) => vo === 'biomed' && state === 'Done' && name.startsWith('primes'))
  if (!job) return ''
  const pieces: Uint8Array[] = []
  for await (const piece of client.output(job.jobId)) pieces.push(piece)
  return Buffer.concat(pieces).toString('utf8').trim()
}
