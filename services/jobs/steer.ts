/**
 * Steer: kill, hold, release, reschedule, delete and set the priority of the jobs that the caller reaches. One that the
 * caller may only read is refused as forbidden; any other job is as unknown as one that does not exist.
 *
 * A live attempt is only asked to stop: its pilot gets the command at once, and the job changes when the pilot says so or
 * the lease is lost. An ended job stays ended; rescheduling it submits its content anew, under a key made of its id, so that
 * asking twice gives the same new job.
 */

import type { Caller } from '../../core/access/caller.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import { maxReschedules } from '../../core/kernel/limits.ts'
import type { JobEvent } from '../../core/model/job-event.ts'
import { isEnded, type Job, type JobSpec, type JobStateName, leaseOf } from '../../core/model/job.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { DependencyStore, JobOutcome, JobStore } from '../../core/ports/store.ts'
import { endingWith } from './ending-with.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import { type KnownJob, knownJobs } from './list-jobs.ts'
import type { Outcomes } from '../outcomes/outcomes.ts'
import { submit, type SubmitPorts } from './submit.ts'

export type SteerPorts = SubmitPorts & {
  readonly store: Pick<JobStore, 'jobs' | 'specs' | 'change'> & Pick<DependencyStore, 'dependants'>
  readonly bus: Pick<Bus, 'hint'>
  readonly outcomes: Pick<Outcomes, 'changed'>
  readonly sandbox: Pick<Sandbox, 'forget'>
}

export type Steered = {
  readonly jobId: JobId
  readonly changed: boolean
  readonly state: JobStateName
  readonly refusal: string
  readonly newJobId?: JobId
  /** Of a kill: jobs that wait for it and end with it; a lower bound from `maxDependants` on. */
  readonly dependants?: number
}

/** `why`: one line; empty: none. It stays in each job's history, with the caller's name. */
export type Steering = { readonly why: string } & (
  | { readonly kind: 'kill' | 'hold' | 'release' | 'reschedule' | 'delete' }
  | { readonly kind: 'prioritise'; readonly priority: number }
)

/** One answer for each of the jobs that exists and that the caller may read, in the order that was given. */
export async function steer(
  ports: SteerPorts,
  caller: Caller,
  ids: readonly JobId[],
  steering: Steering,
): Promise<readonly Steered[]> {
  return steerKnown(ports, caller, await knownJobs(ports, caller, ids), steering)
}

/** The same for jobs that were read already. */
export async function steerKnown(
  ports: SteerPorts,
  caller: Caller,
  known: readonly KnownJob[],
  steering: Steering,
): Promise<readonly Steered[]> {
  const jobs = known.flatMap(({ job, isReached }) => (isReached ? job : []))
  const ending = steering.kind === 'kill' ? await endingWith(ports, jobs) : undefined
  const events = jobs.map(({ id }) => eventOf(caller, id, steering))
  const outcomes = await ports.store.change(events, ports.clock.nowMs())
  notifyPilots(ports, outcomes)
  await ports.outcomes.changed(outcomes)
  if (steering.kind === 'delete') await ports.sandbox.forget(changedIn(outcomes))
  const answers = outcomes.values()
  const steered: Steered[] = []
  for (const { job, isReached } of known) {
    const outcome = isReached ? answers.next().value : undefined
    if (!isReached) steered.push({ jobId: job.id, changed: false, state: job.phase.state, refusal: 'forbidden' })
    else if (outcome?.ok) {
      const { phase, id: jobId } = outcome.job
      steered.push({ jobId, changed: true, state: phase.state, refusal: '', dependants: ending?.get(jobId) })
    } else steered.push(await refused(ports, steering.kind, job, outcome?.why ?? 'not-found'))
  }
  return steered
}

/** Only for those who reach every owner's jobs there is no limit of rescheduling. */
function eventOf({ owner: { owner: by }, reach }: Caller, jobId: JobId, steering: Steering): JobEvent {
  const { why } = steering
  switch (steering.kind) {
    case 'prioritise':
      return { kind: 'prioritise', jobId, by, why, priority: steering.priority }
    case 'reschedule':
      return { kind: 'reschedule', jobId, by, why, ...(reach === 'any' ? {} : { limit: maxReschedules }) }
    case 'delete':
      return { kind: 'delete', jobId, by, why }
    default:
      return { kind: steering.kind, jobId, by, why }
  }
}

function changedIn(outcomes: readonly JobOutcome[]): readonly JobId[] {
  return outcomes.flatMap((outcome) => (outcome.ok ? outcome.job.id : []))
}

/** The sessions of these pilots read the jobs at once. If the hint is lost, the next lease renewal brings the order. */
function notifyPilots({ bus }: Pick<SteerPorts, 'bus'>, outcomes: readonly JobOutcome[]): void {
  const vmIds = outcomes.flatMap((outcome) => (outcome.ok ? (leaseOf(outcome.job.phase)?.vmId ?? []) : []))
  if (vmIds.length > 0) bus.hint({ kind: 'vms', ids: [...new Set(vmIds)] })
}

async function refused(ports: SteerPorts, kind: Steering['kind'], job: Job, refusal: string): Promise<Steered> {
  const { id: jobId } = job
  const [now] = await ports.store.jobs([jobId])
  const state = now?.phase.state ?? job.phase.state
  if (kind !== 'reschedule' || !now || !isEnded(now.phase)) return { jobId, changed: false, state, refusal }
  const spec = (await ports.store.specs([jobId])).get(jobId)
  if (!spec) return { jobId, changed: false, state, refusal: 'not-found' }
  const { vo, group, owner } = job
  const request = {
    owner: { vo, group, owner },
    jobs: [anew(job, spec)],
    idempotencyKey: `job ${jobId}`,
    keySpace: 'reschedule',
  } as const
  const again = await submit(ports, request).catch(refusedByQuota)
  if (!again) return { jobId, changed: false, state, refusal: 'quota-exceeded' }
  return { jobId, changed: !again.repeated, state, refusal: '', newJobId: again.jobIds[0] }
}

/** One that started had nothing left to wait for: it does not wait again. That stays so: a repeat is the same submission. */
function anew({ attempt }: Job, { after, ...spec }: JobSpec): JobSpec {
  return attempt > 0 || after === undefined ? spec : { ...spec, after }
}

/** One of many: the others are answered all the same. */
function refusedByQuota(error: unknown): undefined {
  if (error instanceof PilotageError && error.code === 'quota-exceeded') return undefined
  throw error
}
