/** Task queues are classes of requirements: few queues for many numbers, and each job runs wherever it fits exactly. */

import { openLedger } from '../../../core/share/ledger.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { WaitingJob } from '../../../core/model/task-queue.ts'
import { exactly, needsOf, noSizes, requirementClass } from '../../../core/language/requirement-class.ts'
import { hasRoom } from '../../../core/language/rules.ts'
import { noAmounts, type Place, type Room } from '../../../core/model/resources.ts'
import type { Requirements } from '../../../core/model/requirements.ts'
import { explain } from '../../../services/jobs/explain.ts'
import { submit } from '../../../services/jobs/submit.ts'
import type { Search } from '../../../services/matcher/pick.ts'
import { waitingIndex } from '../../../services/matcher/waiting-index.ts'
import { activeVm, alice, sampleQueue, sampleRequirements, sampleSpec, sampleSubmission } from '../../../sim/samples.ts'
import { asAlice, offerOf, openPilot, openQueue, submitSome, type TestQueue } from './open-queue.ts'

const gib = 1024 ** 3
const place: Place = { cloud: 'here', site: 'home', platform: 'linux', tags: [], vos: [] }

const withMemory = (gibs: number) => ({ requirements: sampleRequirements({ memoryBytes: Math.round(gibs * gib) }) })

/** What a machine of 8 GiB has by its own measure. */
const offered = (pilot: Awaited<ReturnType<typeof openPilot>>, gibs: number) =>
  pilot.say({ offer: { ...offerOf(8, pilot.assigned().length), memoryBytes: Math.ceil(gibs * gib) } })

describe('jobs whose numbers differ by bytes', () => {
  it('share a few task queues, and keep their own numbers', async () => {
    const test = await openQueue()
    const jobs = Array.from({ length: 500 }, (_, at) => sampleSpec(withMemory(2 + at / gib)))
    const { jobIds } = await submit(test.queue, { owner: alice, jobs, idempotencyKey: '' })
    expect((await test.store.queues()).map(({ waiting }) => waiting).sort()).toEqual([1, 499])
    const specs = await test.store.specs(jobIds)
    expect(specs.get(jobIds[499] as JobId)?.requirements.memoryBytes).toBe(2 * gib + 499)
  })

  it('start where they fit exactly, though their class does not', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const [id] = await submitSome(test, 1, withMemory(7.7))
    await offered(pilot, 7.69)
    expect(pilot.assigned()).toEqual([])
    await offered(pilot, 7.7)
    expect(pilot.assigned()).toEqual([`${id}.1`])
    expect((await test.store.vm(pilot.vmId))?.used.memoryBytes).toBe(Math.round(7.7 * gib))
  })

  it('start behind others of their class that do not fit', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await submitSome(test, 3, withMemory(7.9))
    const [id] = await submitSome(test, 1, withMemory(7.6))
    expect(await test.store.queues()).toHaveLength(1)
    await offered(pilot, 7.7)
    expect(pilot.assigned()).toEqual([`${id}.1`])
  })

  it('that come for a room which was searched in vain are found', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    for (let at = 0; at < 40; at += 1) {
      await submitSome(test, 1, { requirements: sampleRequirements({ memoryBytes: 9 * gib, tags: [`t${at}`] }) })
    }
    await offered(pilot, 7.7)
    await offered(pilot, 7.7)
    const [id] = await submitSome(test, 1, withMemory(7.7))
    expect(pilot.assigned()).toEqual([`${id}.1`])
  })

  it('are charged with what they need, so that a VM takes as many as fit', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    // Seven of the class would be 8.75 GiB.
    await submitSome(test, 8, withMemory(1.126))
    await offered(pilot, 8)
    expect(pilot.assigned()).toHaveLength(7)
  })

  it('wait again with their own needs', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const [id] = (await submitSome(test, 1, withMemory(7.7))) as [JobId]
    await offered(pilot, 7.7)
    await test.store.change([{ kind: 'lost', jobId: id, attempt: 1, why: 'test' }], test.clock.nowMs())
    const again = await openQueue(test.store, test.clock)
    const other = await openPilot(again, 'two')
    await offered(other, 7.7)
    expect(other.assigned()).toEqual([`${id}.2`])
  })

  it('are explained with both', async () => {
    const test = await openQueue()
    await test.store.intend(activeVm('one', { endByMs: 10 ** 12 }), 1)
    const [id] = (await submitSome(test, 1, withMemory(7.7))) as [JobId]
    const { classDifferences, places } = await explain(test.queue, asAlice, id)
    expect(classDifferences).toContainEqual({ requirement: 'memoryBytes', own: Math.round(7.7 * gib), ofClass: 8 * gib })
    expect(places[0]).toMatchObject({ fits: true })
    expect(places[0]?.rules.find(({ rule }) => rule === 'memory')?.wanted).toBe('7.7 GiB')
  })
})

it('task queues of other processes are learned a slice at a time, hinted ones first', async () => {
  const test = await openQueue()
  const specs = Array.from({ length: 2500 }, (_, at) =>
    sampleSpec({ requirements: sampleRequirements({ tags: [`t${at}`] }) }),
  )
  const fitting = sampleSpec()
  const submission = sampleSubmission([...specs, fitting])
  // Past the index of this process.
  await test.store.submit(submission, 1)
  const pilot = await openPilot(test, 'one')
  await pilot.offer(1)
  expect(pilot.assigned()).toEqual([])
  test.matching.learn.hint([sampleQueue().id])
  await test.matching.learn.step()
  for (let turn = 0; turn < 5; turn += 1) await test.clock.settle()
  expect(pilot.assigned()).toEqual(['2501.1'])
  const again = await openQueue(test.store, test.clock)
  await test.store.submit(sampleSubmission([sampleSpec()]), 1)
  const other = await openPilot(again, 'two')
  await other.offer(1)
  for (let step = 0; step < 3; step += 1) await again.matching.learn.step()
  for (let turn = 0; turn < 5; turn += 1) await test.clock.settle()
  expect(other.assigned()).toEqual(['2502.1'])
})

describe('a quota', () => {
  const withQuota = (test: TestQueue): TestQueue => {
    const quota = { owner: { jobs: 10, taskQueues: 3 }, vo: { jobs: 100, taskQueues: 100 } }
    Object.assign(test.queue, { policy: { ...test.queue.policy, quota } })
    return test
  }

  it('refuses a submission whole, with its limit, its value and the use', async () => {
    const test = withQuota(await openQueue())
    await submitSome(test, 8)
    await expect(submitSome(test, 3)).rejects.toMatchObject({
      code: 'quota-exceeded',
      message: expect.stringMatching(/lhcb\/user\/alice has 8 waiting jobs, 3 more exceed the limit of 10/),
      violations: [
        { path: 'queue.maxWaitingPerOwner', value: '8 in use, 3 more', rule: 'quota exceeded', accepted: 'at most 10' },
      ],
    })
    const kinds = Array.from({ length: 3 }, (_, at) =>
      sampleSpec({ requirements: sampleRequirements({ tags: [`t${at}`] }) }),
    )
    await expect(submit(test.queue, { owner: alice, jobs: kinds, idempotencyKey: '' })).rejects.toMatchObject({
      violations: [{ path: 'queue.maxWaitingPerOwner' }],
    })
    const pilot = await openPilot(test, 'one')
    await pilot.offer(8)
    await expect(submit(test.queue, { owner: alice, jobs: kinds, idempotencyKey: '' })).resolves.toBeDefined()
    await expect(submitSome(test, 1)).rejects.toMatchObject({ violations: [{ path: 'queue.maxTaskQueuesPerOwner' }] })
    expect((await test.store.counts()).reduce((sum, { count }) => sum + count, 0)).toBe(11)
  })
})

/** The index, which remembers searches, gives the same jobs as a look at every job. */
it('an index over many task queues picks what a look at every job would pick', () => {
  type Waiting = { readonly exact: Requirements; readonly job: WaitingJob }
  const wish = fc.record({
    cores: fc.integer({ min: 1, max: 4 }),
    memory: fc.integer({ min: 1, max: 60 }),
    tag: fc.integer({ min: 0, max: 20 }),
    priority: fc.integer({ min: 0, max: 2 }),
  })
  const offer = fc.record({ cores: fc.integer({ min: 1, max: 6 }), memory: fc.integer({ min: 1, max: 80 }) })
  const act = fc.oneof({ weight: 3, arbitrary: wish }, { weight: 2, arbitrary: offer })
  const run = (acts: readonly ({ cores: number; memory: number } | { tag: number; priority: number })[]): void => {
    const onError = (error: unknown): void => {
      throw error
    }
    const index = waitingIndex({ readNext: async () => [], onError, ledger: openLedger(0) })
    const waiting: Waiting[] = []
    for (const [at, one] of acts.entries()) {
      if ('tag' in one) {
        const { cores, memory, tag, priority } = one as { cores: number; memory: number; tag: number; priority: number }
        // Half of them can run nowhere: searches pass over them.
        const sites = { allowed: tag % 2 === 0 ? [] : ['nowhere'], banned: [] }
        const exact = sampleRequirements({
          cores: { min: cores, max: cores },
          memoryBytes: memory * 100_000_000,
          tags: [],
          sites,
          clouds: { allowed: [], banned: [`b${tag}`] },
        })
        const of = requirementClass(exact, noSizes)
        const job = { id: (at + 1) as JobId, priority, submittedMs: 0, needs: needsOf(exact, of) }
        index.arrived(sampleQueue(alice, of), [job])
        if (tag % 2 === 0) waiting.push({ exact, job })
        continue
      }
      const { cores, memory } = one as { cores: number; memory: number }
      let room: Room = { cores, ...noAmounts, memoryBytes: memory * 100_000_000, diskBytes: 2 ** 40, remainingMs: 2 ** 40 }
      const search: Search = new Set()
      for (;;) {
        const fits = waiting.filter(({ exact }) => hasRoom({ vo: alice.vo, requirements: exact }, room))
        const pick = index.take(place, room, search)
        expect(pick === undefined, `whether one of ${fits.length} is found`).toBe(fits.length === 0)
        if (!pick) break
        const found = fits.find(({ job }) => job.id === pick.job.id)
        expect(found, 'what is picked fits').toBeDefined()
        const best = Math.max(...fits.map(({ job }) => job.priority))
        const isWhole = fits.every(({ exact }) => needsOf(exact, requirementClass(exact, noSizes)) === undefined)
        if (isWhole) expect(pick.job.priority).toBe(best)
        if (!found) break
        waiting.splice(waiting.indexOf(found), 1)
        const own = exactly(pick.queue.requirements, pick.job.needs)
        room = { ...room, cores: room.cores - own.cores.min, memoryBytes: room.memoryBytes - own.memoryBytes }
      }
    }
  }
  fc.assert(fc.property(fc.array(act, { minLength: 20, maxLength: 200 }), run), { numRuns: 150, seed: 7 })
})
