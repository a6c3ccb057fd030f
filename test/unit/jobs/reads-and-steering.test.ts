/** Lists of jobs, counts, and what steering answers for each job: at the seam of the store. */

import { describe, expect, it } from 'vitest'
import type { Caller } from '../../../core/access/caller.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { noResources } from '../../../core/model/resources.ts'
import type { JobEvent } from '../../../core/model/job-event.ts'
import type { Job, JobStateName } from '../../../core/model/job.ts'
import type { Owner } from '../../../core/model/owner.ts'
import type { Hint } from '../../../core/ports/bus.ts'
import type { JobCount, JobOutcome } from '../../../core/ports/store.ts'
import { jobById, jobsById, knownJobs, listJobs, pickJobs } from '../../../services/jobs/list-jobs.ts'
import { status, statusFor } from '../../../services/jobs/status.ts'
import { type SteerPorts, steer } from '../../../services/jobs/steer.ts'
import { activeVm, alice, bob, sampleVm } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const carol: Owner = { ...alice, owner: 'carol' }
const operator: Caller = { owner: bob, reach: 'any' }
const user: Caller = { owner: alice, reach: 'own', sight: 'vo' }
const member: Caller = { owner: alice, reach: 'vo' }

const jobOf = (id: number, owner: Owner = alice, state: JobStateName = 'Waiting'): Job =>
  ({ ...owner, id, phase: { state } }) as unknown as Job
const ids = (...numbers: readonly number[]): readonly JobId[] => numbers as unknown as readonly JobId[]
const numbers = (jobs: readonly Job[]): readonly number[] => jobs.map(({ id }) => id)

/** Jobs 1 to 3 of alice, carol and bob. */
const kept = [jobOf(1), jobOf(2, carol, 'Done'), jobOf(3, bob)]
const store = { jobs: async (asked: readonly JobId[]) => kept.filter(({ id }) => asked.includes(id)) }

describe('a list of jobs', () => {
  const asked: unknown[] = []
  const listing = {
    list: async (listed: { readonly limit: number }) => {
      asked.push(listed)
      return kept.slice(0, listed.limit)
    },
  }

  it('is of the VO that the caller sees, and an operator may choose one', async () => {
    asked.length = 0
    await listJobs({ store: listing }, member, { limit: 9, owner: 'alice' })
    await listJobs({ store: listing }, member, { limit: 9, vo: alice.vo })
    await listJobs({ store: listing }, operator, { limit: 9 })
    await listJobs({ store: listing }, operator, { limit: 9, vo: alice.vo })
    expect(asked).toEqual([
      { limit: 9, owner: 'alice', vo: alice.vo },
      { limit: 9, vo: alice.vo },
      { limit: 9, vo: undefined },
      { limit: 9, vo: alice.vo },
    ])
    await expect(listJobs({ store: listing }, member, { limit: 9, vo: bob.vo })).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('names the next page exactly where the page is full', async () => {
    const more = async (limit: number): Promise<unknown> =>
      (await listJobs({ store: listing }, operator, { limit })).more?.id
    expect([await more(2), await more(3), await more(4)]).toEqual([2, 3, undefined])
  })

  it('by ids has those that the caller reaches and the filter takes', async () => {
    const pick = async (caller: Caller, filter: object): Promise<readonly number[]> =>
      numbers(await pickJobs({ store: { ...store, vm: async () => undefined } }, caller, ids(1, 2, 3, 4), filter))
    expect(await pick(operator, {})).toEqual([1, 2, 3])
    expect(await pick(member, {})).toEqual([1, 2])
    expect(await pick(user, {})).toEqual([1])
    expect(await pick(operator, { vo: bob.vo })).toEqual([3])
    expect(await pick(operator, { owner: 'carol' })).toEqual([2])
    expect(await pick(operator, { states: ['Done'] })).toEqual([2])
    expect(await pick(operator, { states: ['Done'], owner: 'alice' })).toEqual([])
    expect(await pick(operator, { states: [] })).toEqual([])
    await expect(pick(member, { vo: bob.vo })).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('distinguishes what is reached, what may only be read, and what is unknown', async () => {
    const known = await knownJobs({ store }, user, ids(1, 2, 3))
    expect(known.map(({ job, isReached }) => [job.id, isReached])).toEqual([
      [1, true],
      [2, false],
    ])
    expect(numbers(await jobsById({ store }, user, ids(1, 2, 3)))).toEqual([1])
    expect((await jobById({ store }, user, 1 as JobId)).id).toBe(1)
    const named = { code: 'forbidden', message: 'job 2 is of carol: killing is not for this caller' }
    await expect(jobById({ store }, user, 2 as JobId, 'killing')).rejects.toMatchObject(named)
    for (const id of [3, 4]) {
      await expect(jobById({ store }, user, id as JobId)).rejects.toMatchObject({ code: 'not-found' })
    }
  })

  it('is read in parts of a thousand, and every id once', async () => {
    const parts: (readonly JobId[])[] = []
    const counting = {
      jobs: async (asked: readonly JobId[]) => {
        parts.push(asked)
        return []
      },
    }
    const all = Array.from({ length: 2001 }, (_, at) => at + 1) as unknown as readonly JobId[]
    await knownJobs({ store: counting }, operator, all)
    expect(parts.map(({ length }) => length)).toEqual([1000, 1000, 1])
    expect(parts.flat()).toEqual(all)
  })
})

describe('the status', () => {
  const counts = [
    { vo: alice.vo, count: 3 },
    { vo: bob.vo, count: 4 },
  ] as unknown as readonly JobCount[]
  const live = [sampleVm('a'), sampleVm('b'), activeVm('c'), activeVm('d', { cloud: 'there', site: 'away' })]
  const counted = {
    counts: async () => counts,
    liveVms: async () => live.map((vm) => ({ vm, leases: 0, used: noResources })),
  }

  it('counts VMs by state and cloud', async () => {
    const { jobs, vms } = await status({ store: counted })
    expect(jobs).toEqual(counts)
    expect(vms).toEqual([
      { state: 'Intended', cloud: 'here', site: 'home', count: 2 },
      { state: 'Active', cloud: 'here', site: 'home', count: 1 },
      { state: 'Active', cloud: 'there', site: 'away', count: 1 },
    ])
  })

  it('counts for a caller the jobs of the VO, and every VM', async () => {
    const all = await status({ store: counted })
    expect(statusFor(member, all)).toEqual({ jobs: [counts[0]], vms: all.vms })
    expect(statusFor(operator, all)).toEqual(all)
  })
})

describe('steering', () => {
  async function kill(caller: Caller, asked: readonly JobId[], outcomeOf: (event: JobEvent) => JobOutcome) {
    const hints: Hint[] = []
    const published: unknown[] = []
    const events: JobEvent[] = []
    const ports = {
      clock: virtualClock(7000),
      bus: { hint: (hint: Hint) => void hints.push(hint) },
      outcomes: { changed: async (outcomes: unknown) => void published.push(outcomes) },
      store: {
        ...store,
        change: async (given: readonly JobEvent[]) => {
          events.push(...given)
          return given.map(outcomeOf)
        },
      },
    } as unknown as SteerPorts
    return { steered: await steer(ports, caller, asked, { kind: 'kill', why: 'enough' }), hints, published, events }
  }
  const killed = (event: JobEvent): JobOutcome =>
    ({ ok: true, was: 'Waiting', job: jobOf(event.jobId, alice, 'Killed') }) as unknown as JobOutcome

  it('answers for each job that the caller may read, in its order, and publishes what changed', async () => {
    const { steered, hints, published, events } = await kill(user, ids(2, 1, 3, 4), killed)
    expect(steered).toEqual([
      { jobId: 1, changed: true, state: 'Killed', refusal: '' },
      { jobId: 2, changed: false, state: 'Done', refusal: 'forbidden' },
    ])
    expect(events).toEqual([{ kind: 'kill', jobId: 1, by: 'alice', why: 'enough' }])
    expect(published.length).toBe(1)
    expect(hints).toEqual([])
  })

  it('wakes the pilots of jobs that run, each VM once', async () => {
    const running = (event: JobEvent): JobOutcome => {
      const lease = { vmId: 'vm-aaaaaaaaaa', cores: 1, claimedMs: 1, untilMs: 2 }
      const job = { ...jobOf(event.jobId), phase: { state: 'Running', lease, startedMs: 1 } }
      return { ok: true, was: 'Running', job } as unknown as JobOutcome
    }
    const { hints } = await kill(member, ids(1, 2), running)
    expect(hints).toEqual([{ kind: 'vms', ids: ['vm-aaaaaaaaaa'] }])
  })

  it('says why a job was not changed, and the state that it is in now', async () => {
    const { steered } = await kill(member, ids(2), () => ({ ok: false, why: 'ended' }) as unknown as JobOutcome)
    expect(steered).toEqual([{ jobId: 2, changed: false, state: 'Done', refusal: 'ended' }])
  })
})
