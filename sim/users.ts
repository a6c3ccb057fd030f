/**
 * The users of a run: they submit with keys and repeat what was not answered (and sometimes what was), and they kill, hold,
 * release and reschedule what they have.
 *
 * A user remembers what was acknowledged: an acknowledged job must exist from then on, and a repeat must bring the same ids.
 */

import type { Caller } from '../core/access/caller.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import type { JobId } from '../core/kernel/ids.ts'
import type { Owner } from '../core/model/owner.ts'
import type { JobPorts } from '../services/jobs/ports.ts'
import { steer, type Steering } from '../services/jobs/steer.ts'
import { submit, type SubmitRequest } from '../services/jobs/submit.ts'
import { withDependencies } from './dependencies.ts'
import type { Ground } from './ground.ts'
import { drawSpec } from './payload.ts'
import { type SimProcess, simProcess } from './process.ts'
import type { Switchboard } from './switchboard.ts'

export type Users = {
  /** Every submission was answered. */
  areDone(): boolean
  acknowledged(): ReadonlySet<number>
  /** They steer no more, and let go what they hold. */
  comeToRest(): void
}

/** For how long jobs arrive: VMs start and end in that time. */
const arrivalMs = 15 * 60_000
const steerEveryMs = 8000
const kindsOfJobs = 12
/** The last of them. */
const maxKnown = 100

const owners: readonly Owner[] = [
  { vo: 'lhcb', group: 'user', owner: 'alice' },
  { vo: 'lhcb', group: 'prod', owner: 'bob' },
  { vo: 'belle', group: 'user', owner: 'chika' },
  { vo: 'juno', group: 'user', owner: 'dai' },
]

/** One user steers the jobs of all, as an operator may. */
const steersAll: Caller = { owner: { vo: 'lhcb', group: 'user', owner: 'a user' }, reach: 'any' }

type Client = {
  readonly ground: Ground
  readonly switchboard: Switchboard
  readonly process: SimProcess
  readonly acknowledged: Set<number>
  /** Those of them that a submission of the same VO may name. */
  readonly known: Map<string, JobId[]>
  readonly held: Set<number>
  pending: number
}

export function gatherUsers(ground: Ground, switchboard: Switchboard, jobs: number): Users {
  const { dice, timeline } = ground
  const process = simProcess({ timeline })
  const client: Client = {
    ground,
    switchboard,
    process,
    acknowledged: new Set(),
    known: new Map(),
    held: new Set(),
    pending: 0,
  }
  const catalogue = Array.from({ length: kindsOfJobs }, () => drawSpec(dice, isWide(ground)))
  let left = jobs
  let isResting = false
  for (let batch = 0; left > 0; batch += 1) {
    const count = Math.min(left, Math.ceil(dice.anyScale(0.5, Math.max(1, jobs / 25))))
    left -= count
    const owner = dice.pick(owners)
    const specs = specsOf(ground, catalogue, count)
    client.pending += 1
    process.deliver(dice.between(0, arrivalMs), () => {
      const known = client.known.get(owner.vo) ?? []
      const request = { owner, jobs: withDependencies(dice, specs, known), idempotencyKey: `batch ${batch}` }
      submitUntilAnswered(client, request, undefined)
    })
  }

  const steerNow = (): void => {
    if (isResting) return
    process.deliver(dice.about(steerEveryMs), steerNow)
    steerOne(client)
  }
  steerNow()
  return {
    areDone: () => client.pending === 0,
    acknowledged: () => client.acknowledged,
    comeToRest() {
      isResting = true
      releaseAll(client)
    },
  }
}

/** Where machines are smaller than was promised, work shows it: it asks for all that was promised. */
function isWide({ weather }: Ground): boolean {
  return weather.useless?.kind === 'smaller'
}

/** Users' jobs are mostly alike: that keeps the number of task queues as it is in life. */
function specsOf(ground: Ground, catalogue: SubmitRequest['jobs'], count: number): SubmitRequest['jobs'] {
  const { dice } = ground
  const kinds = [dice.pick(catalogue), dice.pick(catalogue)]
  return Array.from({ length: count }, () => {
    const isRare = dice.chance(0.01)
    const drawn = drawSpec(dice, isWide(ground))
    return isRare ? drawn : { ...drawn, requirements: dice.pick(kinds).requirements }
  })
}

function submitUntilAnswered(client: Client, request: SubmitRequest, first: number | undefined): void {
  const { ground, switchboard, process } = client
  const { dice, violations, toll } = ground
  switchboard.call(
    process,
    { cutUntilMs: 0 },
    (queue) => submit(queue, request),
    (answer) => {
      if (!answer.ok) {
        const isWorldly = answer.error instanceof PilotageError && answer.error.code === 'unavailable'
        violations.check(isWorldly, 'sameKey', {}, () => `${request.idempotencyKey} was refused: ${answer.error}`)
        toll.repeats += 1
        if (isWorldly) process.deliver(dice.between(500, 3000), () => submitUntilAnswered(client, request, first))
        return
      }
      const { jobIds } = answer.value
      const [jobId] = jobIds
      const isSame = first === undefined || first === jobId
      violations.check(isSame, 'sameKey', { jobId }, () => `${request.idempotencyKey} gave ${first} first and ${jobId} now`)
      if (first === undefined) client.pending -= 1
      for (const id of jobIds) client.acknowledged.add(id)
      if (first === undefined) know(client, request.owner, jobIds)
      // A client that lost its own memory asks once more.
      if (first !== undefined || !dice.chance(0.1)) return
      toll.repeats += 1
      process.deliver(dice.about(60_000), () => submitUntilAnswered(client, request, jobId))
    },
  )
}

type SteerKind = Exclude<Steering['kind'], 'prioritise' | 'delete'>

/** Jobs that may run: what waits for one that never does would wait for ever. */
function know({ ground, known }: Client, { vo }: Owner, ids: readonly JobId[]): void {
  const more = ids.filter((id) => !ground.jobs.entries.get(id)?.isHopeless)
  known.set(vo, [...(known.get(vo) ?? []), ...more].slice(-maxKnown))
}

function steerOne(client: Client): void {
  const { dice, jobs } = client.ground
  const last = jobs.entries.size
  if (last === 0) return
  const kind = dice.pick<SteerKind>(['kill', 'hold', 'release', 'reschedule', 'reschedule'])
  const ids = new Set(Array.from({ length: dice.whole(1, 3) }, () => dice.whole(Math.max(1, last - 300), last)))
  if (kind === 'release') for (const id of client.held) ids.add(id)
  ask(client, kind, [...ids], () => undefined)
}

function ask(
  { ground, switchboard, process, held }: Client,
  kind: SteerKind,
  ids: readonly number[],
  onLost: () => void,
): void {
  const act = (queue: JobPorts) => steer(queue, steersAll, ids as readonly JobId[], { kind, why: 'as it goes' })
  switchboard.call(process, { cutUntilMs: 0 }, act, (answer) => {
    if (!answer.ok) {
      const isWorldly = answer.error instanceof PilotageError && answer.error.code === 'unavailable'
      ground.violations.check(isWorldly, 'noBug', {}, () => `${kind} failed: ${answer.error}`)
      onLost()
      return
    }
    for (const { jobId, state } of answer.value) if (state === 'Held') held.add(jobId)
  })
}

/** Until none is held: a request whose answer was lost may have held a job that the user does not know of. */
function releaseAll(client: Client): void {
  const { jobs } = client.ground
  const ids = [...jobs.entries.values()].filter(({ state }) => state === 'Held').map(({ id }) => id)
  if (ids.length > 0) ask(client, 'release', ids, () => undefined)
  client.process.deliver(20_000, () => releaseAll(client))
}
