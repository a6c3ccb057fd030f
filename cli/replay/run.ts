/**
 * A replay against a service: paced submission, then waiting until every job has ended, then the account of it all.
 *
 * Each VO and owner of the trace submits under a token of its own, which the administrator's token makes. A submission that
 * could not be answered is repeated under its key, so that no line becomes two jobs. The wait is bounded: what has not ended
 * by then is reported as lost.
 */

import { sleep } from '../../core/kernel/clock.ts'
import { hasEnded } from '../../client/follow.ts'
import type { Job } from '../../client/jobs.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import type { Setting } from '../setting.ts'
import type { PlannedJob, ReplayPlan } from './plan.ts'
import { ranToEndTwice, type ReplayOutcome } from './report.ts'

type Following = {
  readonly setting: Pick<Setting, 'clock' | 'signal' | 'terminal'>
  /** With the administrator's token. */
  readonly admin: PilotageClient
  readonly clientOf: (vo: string, owner: string) => Promise<PilotageClient>
}

type Submitted = { readonly acknowledged: Map<number, string>; readonly idsByVo: Map<string, number[]> }

/** Submissions of one owner within this time go in one call. */
const batchMs = 250
const followEveryMs = 2000
/** After the last submission: the longest runs, the queue before them, and retries after a lost VM. */
const patienceMinutes = 10

/** `settle` is waited for when all jobs have ended, before the VMs are counted. */
export async function runReplay(
  setting: Following['setting'],
  admin: PilotageClient,
  plan: ReplayPlan,
  settle: () => Promise<void> = async () => {},
): Promise<ReplayOutcome> {
  const clients = new Map<string, Promise<PilotageClient>>()
  const clientOf = (vo: string, owner: string): Promise<PilotageClient> => {
    const known = clients.get(`${vo}/${owner}`) ?? newClient(admin, vo, owner)
    clients.set(`${vo}/${owner}`, known)
    return known
  }
  const following: Following = { setting, admin, clientOf }
  const startMs = (await admin.status()).serviceTimeMs
  const submitted: Submitted = { acknowledged: new Map(), idsByVo: new Map() }
  const ended = new Map<number, Job>()
  try {
    const submitting = submitAll(following, plan.jobs, submitted)
    const found = await follow(following, plan, submitted, ended, submitting)
    const endMs = (await admin.status()).serviceTimeMs
    await settle()
    return {
      jobs: plan.jobs.length,
      acknowledged: submitted.acknowledged,
      found,
      named: await named(following, plan, submitted),
      ranTwice: await ranTwice(following, found),
      vms: (await admin.vms({ ended: true })).filter((vm) => vm.endedMs === 0 || vm.endedMs >= startMs),
      startMs,
      endMs,
      factor: plan.factor,
    }
  } finally {
    for (const client of await Promise.allSettled(clients.values())) if (client.status === 'fulfilled') client.value.close()
  }
}

async function newClient(admin: PilotageClient, vo: string, owner: string): Promise<PilotageClient> {
  const request = { subject: owner, vo, group: 'users', roles: ['user'], lifetimeMs: 0 }
  return admin.as((await admin.createToken(request)).token)
}

/** Never ahead of the plan; a late batch goes at once. */
async function submitAll(
  { setting, clientOf }: Following,
  jobs: readonly PlannedJob[],
  submitted: Submitted,
): Promise<void> {
  const { clock, signal } = setting
  const beginMs = clock.monotonicMs()
  let next = 0
  while (next < jobs.length && !signal.aborted) {
    const untilMs = clock.monotonicMs() - beginMs
    const due: PlannedJob[] = []
    for (let job = jobs[next]; job && job.atMs <= untilMs; job = jobs[next]) {
      due.push(job)
      next += 1
    }
    const batches = [...Map.groupBy(due, ({ vo, owner }) => `${vo}/${owner}`).values()]
    await Promise.all(batches.map((batch) => submitBatch(clientOf, batch, submitted)))
    await sleep(clock, batchMs, signal)
  }
}

async function submitBatch(
  clientOf: Following['clientOf'],
  batch: readonly PlannedJob[],
  submitted: Submitted,
): Promise<void> {
  const first = batch[0]
  if (!first) return
  const client = await clientOf(first.vo, first.owner)
  const { jobIds } = await client.submit(batch.map(({ spec }) => spec))
  const ofVo = submitted.idsByVo.get(first.vo) ?? []
  submitted.idsByVo.set(first.vo, ofVo)
  for (const [index, id] of jobIds.entries()) {
    submitted.acknowledged.set(id, batch[index]?.name ?? '')
    ofVo.push(id)
  }
}

/** Looks at what has not ended every two seconds, and says how far it is. Answers the jobs as they were seen last. */
async function follow(
  following: Following,
  plan: ReplayPlan,
  submitted: Submitted,
  ended: Map<number, Job>,
  submitting: Promise<void>,
): Promise<readonly Job[]> {
  const { clock, signal, terminal } = following.setting
  let open: Job[] = []
  let allSubmitted = false
  let failed: unknown
  const done = submitting.then(
    () => {
      allSubmitted = true
    },
    (thrown: unknown) => {
      failed = thrown
      allSubmitted = true
    },
  )
  const beginMs = clock.monotonicMs()
  const lastMs = beginMs + plan.lastSubmitMs + patienceMinutes * 60_000
  for (;;) {
    const wasAllSubmitted = allSubmitted
    open = []
    for (const [vo, ids] of submitted.idsByVo) open.push(...(await lookAt(following, plan, vo, ids, ended)))
    const count = (state: string): number => open.filter((job) => job.state === state).length
    terminal.progress(
      `${Math.round((clock.monotonicMs() - beginMs) / 1000)} s: submitted ${submitted.acknowledged.size} of ${plan.jobs.length}, ` +
        `waiting ${count('Waiting')}, running ${count('Running')}, ended ${ended.size}`,
    )
    const over = wasAllSubmitted && ended.size === submitted.acknowledged.size
    if (over || signal.aborted || clock.monotonicMs() > lastMs) break
    await sleep(clock, followEveryMs, signal)
  }
  await done
  if (failed !== undefined) throw failed
  return [...ended.values(), ...open]
}

/** Moves what has ended to `ended`; answers the rest. */
async function lookAt(
  { clientOf }: Following,
  plan: ReplayPlan,
  vo: string,
  ids: readonly number[],
  ended: Map<number, Job>,
): Promise<readonly Job[]> {
  const reader = await clientOf(vo, plan.jobs.find((job) => job.vo === vo)?.owner ?? '')
  const open: Job[] = []
  const wanted = ids.filter((id) => !ended.has(id))
  if (wanted.length === 0) return open
  for await (const job of reader.list({ jobIds: wanted })) {
    if (hasEnded(job)) ended.set(job.jobId, job)
    else open.push(job)
  }
  return open
}

/** Every job with a name of this replay, asked of the VOs: what was submitted and not acknowledged shows here. */
async function named(
  { clientOf }: Following,
  plan: ReplayPlan,
  { idsByVo }: Submitted,
): Promise<readonly { jobId: number; name: string }[]> {
  const names = new Set(plan.jobs.map(({ name }) => name))
  const seen: { jobId: number; name: string }[] = []
  for (const [vo, ids] of idsByVo) {
    const oldest = ids.reduce((least, id) => Math.min(least, id), Infinity)
    const reader = await clientOf(vo, plan.jobs.find((job) => job.vo === vo)?.owner ?? '')
    for await (const { jobId, name } of reader.list()) {
      if (jobId < oldest) break
      if (names.has(name)) seen.push({ jobId, name })
    }
  }
  return seen
}

/** One attempt cannot run twice; those with several are asked for their history. */
async function ranTwice({ clientOf }: Following, found: readonly Job[]): Promise<readonly number[]> {
  const twice: number[] = []
  for (const { jobId, attempt, vo, owner } of found) {
    if (attempt < 2) continue
    const client = await clientOf(vo, owner)
    if (ranToEndTwice(await client.history(jobId))) twice.push(jobId)
  }
  return twice
}
