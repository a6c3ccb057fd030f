/** Parts of jobs that callers read: task queues in their order, the specification, the history, and the places. */

import { describe, expect, it } from 'vitest'
import type { Caller } from '../../../core/access/caller.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { Fact } from '../../../core/model/fact-shapes.ts'
import type { Job, JobSpec } from '../../../core/model/job.ts'
import { noResources } from '../../../core/model/resources.ts'
import type { QueueCount } from '../../../core/model/task-queue.ts'
import { placesOf } from '../../../services/jobs/places.ts'
import { jobHistory } from '../../../services/jobs/read-job.ts'
import { readSpec } from '../../../services/jobs/read-spec.ts'
import { submit, type SubmitPorts } from '../../../services/jobs/submit.ts'
import { listTaskQueues, type TaskQueuePorts } from '../../../services/jobs/task-queues.ts'
import { activeVm, alice, bob, sampleQueue, sampleSpec } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const operator: Caller = { owner: bob, reach: 'any' }
const user: Caller = { owner: alice, reach: 'own', sight: 'vo' }
const member: Caller = { owner: alice, reach: 'vo' }

describe('task queues', () => {
  const count = (id: string, waiting: number, owner = alice): QueueCount =>
    ({ queue: { ...sampleQueue(owner), id }, waiting, topPriority: 0, oldestMs: 1 }) as unknown as QueueCount

  function portsWith(counts: readonly QueueCount[]) {
    const clock = virtualClock(0)
    let reads = 0
    const queues = async (): Promise<readonly QueueCount[]> => {
      reads += 1
      return [...counts]
    }
    const store = { queues, liveVms: async () => [] }
    const ports = { clock, policy: {}, offerings: [], measured: async () => [], store } as unknown as TaskQueuePorts
    return { ports, clock, reads: () => reads }
  }

  it('come with most waiting first, and in the order of their ids where as many wait', async () => {
    const { ports } = portsWith([count('c', 2), count('b', 5), count('a', 2), count('d', 2)])
    const ids = async (end: number, from?: number): Promise<readonly string[]> =>
      (await listTaskQueues(ports, operator, end, from)).queues.map(({ queue }) => queue.id)
    expect(await ids(9)).toEqual(['b', 'a', 'c', 'd'])
    expect(await ids(2)).toEqual(['b', 'a'])
    expect(await ids(4, 2)).toEqual(['c', 'd'])
  })

  it('are those of the VO, counted whole whatever part is shown', async () => {
    const { ports } = portsWith([count('a', 2), count('b', 5, bob), count('c', 3)])
    expect(await listTaskQueues(ports, member, 1)).toMatchObject({ total: 2, waiting: 5, queues: [{ waiting: 3 }] })
    expect(await listTaskQueues(ports, operator, 9)).toMatchObject({ total: 3, waiting: 10 })
  })

  it('wait for a cloud where none is configured', async () => {
    const { ports } = portsWith([count('a', 1)])
    expect((await listTaskQueues(ports, operator, 1)).queues[0]?.waitsFor).toEqual({ kind: 'cloud' })
  })

  it.each([
    [999, 3],
    [1000, 2],
  ])('are read once a second where there are a thousand: %d', async (many, expected) => {
    const { ports, clock, reads } = portsWith(Array.from({ length: many }, (_, at) => count(`q${at}`, 1)))
    await listTaskQueues(ports, operator, 1)
    await clock.advance(999)
    await listTaskQueues(ports, operator, 1)
    await clock.advance(1)
    await listTaskQueues(ports, operator, 1)
    expect(reads()).toBe(expected)
  })
})

describe('one job', () => {
  const jobOf = (id: number, owner = alice): Job => ({ ...owner, id, phase: { state: 'Done' } }) as unknown as Job
  const kept = [jobOf(1), jobOf(2, { ...alice, owner: 'carol' }), jobOf(3)]
  const spec = sampleSpec()
  const fact = { seq: 1 } as Fact
  const asked: unknown[] = []
  const store = {
    jobs: async (ids: readonly JobId[]) => kept.filter(({ id }) => ids.includes(id)),
    specs: async (ids: readonly JobId[]) => new Map<JobId, JobSpec>(ids[0] === 1 ? [[1 as JobId, spec]] : []),
    history: async (subject: string, limit: number) => {
      asked.push([subject, limit])
      return [fact]
    },
  }

  it('gives back what was submitted to those who may read it', async () => {
    expect(await readSpec({ store }, user, 1 as JobId)).toBe(spec)
    const named = { code: 'forbidden', message: expect.stringContaining('its specification is not for this caller') }
    await expect(readSpec({ store }, user, 2 as JobId)).rejects.toMatchObject(named)
    await expect(readSpec({ store }, user, 4 as JobId)).rejects.toMatchObject({ code: 'not-found', message: 'no job 4' })
    const forgotten = { code: 'not-found', message: expect.stringContaining('no specification') }
    await expect(readSpec({ store }, user, 3 as JobId)).rejects.toMatchObject(forgotten)
  })

  it('has a history', async () => {
    expect(await jobHistory({ store }, user, 1 as JobId)).toEqual({ job: kept[0], facts: [fact] })
    expect(asked).toEqual([['job:1', 1000]])
    await expect(jobHistory({ store }, user, 2 as JobId)).rejects.toMatchObject({ code: 'forbidden' })
  })
})

it('reads the VM of each lease once, and leaves out what is forgotten', async () => {
  const asked: VmId[] = []
  const known = activeVm('known')
  const store = {
    vm: async (id: VmId) => {
      asked.push(id)
      return id === known.id ? { vm: known, leases: 1, used: noResources } : undefined
    },
  }
  const on = (vmId?: string): Job => ({ phase: { state: 'Running', lease: vmId && { vmId } } }) as unknown as Job
  const waiting = { phase: { state: 'Waiting' } } as unknown as Job
  const places = await placesOf({ store }, [on(known.id), on(known.id), on('vm-forgotten'), on(), waiting])
  expect(asked).toEqual([known.id, 'vm-forgotten'])
  expect([...places.keys()]).toEqual([known.id])
  expect(places.get(known.id)).toMatchObject({ site: known.site, cloud: known.cloud })
})

it.each([
  ['owner', 'jobs', 'owner lhcb/user/alice has 5 waiting jobs, 2 more exceed the limit of 6 (queue.maxWaitingPerOwner)'],
  [
    'vo',
    'taskQueues',
    'VO lhcb has 5 task queues with waiting jobs, 2 more exceed the limit of 6 (queue.maxTaskQueuesPerVo)',
  ],
] as const)('a submission beyond the quota of the %s in %s is refused with the key', async (of, what, message) => {
  const refusal = { of, what, limit: 6, used: 5, more: 2 }
  const ports = {
    clock: virtualClock(0),
    policy: {},
    offerings: [],
    measured: async () => [],
    outcomes: { arrived: () => {}, submitted: () => {} },
    store: { submit: async () => ({ ok: false, why: 'quota', refusal }) },
  } as unknown as SubmitPorts
  const refused = submit(ports, { owner: alice, jobs: [sampleSpec()], idempotencyKey: '' })
  await expect(refused).rejects.toMatchObject({ code: 'quota-exceeded', message })
})
