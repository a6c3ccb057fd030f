/**
 * What every store does about lists and counts by a filter: the same as a walk over all jobs with `passes` of core, whatever
 * the filter, the order and the size of the pages.
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JobId } from '../../core/kernel/ids.ts'
import { newCounting } from '../../core/model/job-counts.ts'
import {
  attributeOf,
  compareListed,
  countedAttributes,
  type JobFilter,
  type JobOrder,
  type LeasePlace,
  nowhere,
  passes,
} from '../../core/model/job-filter.ts'
import { type Job, jobStates } from '../../core/model/job.ts'
import type { Owner } from '../../core/model/owner.ts'
import type { Vm } from '../../core/model/vm.ts'
import type { Store } from '../../core/ports/store.ts'
import { activeVm, alice, bob, sampleResult, sampleSpec, sampleSubmission } from '../../sim/samples.ts'
import type { StoreHarness } from './store-harness.ts'

const carol: Owner = { vo: 'lhcb', group: 'prod', owner: 'carol' }
const owners = [alice, bob, carol]
/** One that reads like what a store may keep beside it. */
const names = ['sample', 'other\\",\n[7,"', 'rare']
const vms = [activeVm('one'), activeVm('two', { site: 'away', cloud: 'there', cores: 1000 })]
const places = new Map<string, LeasePlace>(vms.map(({ id, site, cloud }) => [id, { site, cloud }]))

const placeOf = ({ phase }: Job): LeasePlace => ('lease' in phase && phase.lease && places.get(phase.lease.vmId)) || nowhere

/** Jobs of every kind that a filter distinguishes, in more pages than a store walks before it looks for a better order. */
async function fill(store: Store): Promise<readonly Job[]> {
  for (const vm of vms) await store.intend(vm, 1000)
  const ids: JobId[] = []
  for (const [round, owner] of [...owners, ...owners].entries()) {
    const specs = Array.from({ length: 30 }, (_, at) =>
      sampleSpec({
        name: at === 29 && round === 0 ? 'rare' : (names[at % 2] ?? ''),
        jobGroup: at < 15 ? ['', 'g1', 'g2'][round % 3] : 'g1',
        jobType: at % 5 === 0 ? 'MCSimulation' : '',
      }),
    )
    const answer = await store.submit(sampleSubmission(specs, owner), 1000 + 10 * round)
    if (!answer.ok) throw new Error(answer.why)
    for (let at = 0; at < answer.count; at += 1) ids.push((answer.firstId + at) as JobId)
  }
  for (const [at, jobId] of ids.entries()) {
    const nowMs = 2000 + ((at * 7) % 50)
    const vmId = (vms[at % 3 === 0 ? 0 : 1] as Vm).id
    if (at % 8 === 1) await store.change([{ kind: 'hold', jobId, by: 'a', why: '' }], nowMs)
    if (at % 8 === 2) await store.change([{ kind: 'kill', jobId, by: 'a', why: '' }], nowMs)
    if (at % 8 < 3 || at % 16 > 13) continue
    await store.change([{ kind: 'claim', jobId, vmId, cores: 1, untilMs: 90_000 }], nowMs)
    if (at % 8 === 3) continue
    await store.change([{ kind: 'running', jobId, attempt: 1, vmId, startedMs: nowMs }], nowMs + 1)
    if (at % 8 === 4) continue
    const result = sampleResult({ exitCode: at % 8 === 5 ? 1 : 0 })
    await store.change([{ kind: 'ended', jobId, attempt: 1, vmId, result }], nowMs + 2)
  }
  return store.jobs(ids)
}

const anyText = (...texts: string[]) => fc.option(fc.constantFrom(...texts), { nil: undefined })
const anyMs = (from: number, to: number) => fc.option(fc.integer({ min: from, max: to }), { nil: undefined, freq: 1 })

const anyFilter: fc.Arbitrary<JobFilter> = fc
  .record({
    states: fc.option(fc.uniqueArray(fc.constantFrom(...jobStates), { maxLength: 4 }), { nil: undefined }),
    vo: anyText('lhcb', 'belle', 'unknown'),
    group: anyText('user', 'prod'),
    owner: anyText('alice', 'bob', 'carol', 'dave'),
    jobGroup: anyText('', 'g1', 'g2', 'g9'),
    jobType: anyText('', 'MCSimulation'),
    name: anyText(...names, 'none'),
    site: anyText('', 'home', 'away'),
    cloud: anyText('', 'here', 'there'),
    submittedFromMs: anyMs(990, 1060),
    submittedToMs: anyMs(1000, 1070),
    changedFromMs: anyMs(990, 2060),
    changedToMs: anyMs(1000, 2070),
  })
  .chain((all) =>
    fc.subarray(Object.keys(all) as (keyof JobFilter)[], { maxLength: 4 }).map((keys) => {
      return Object.fromEntries(keys.map((key) => [key, all[key]])) as JobFilter
    }),
  )
const anyOrder: fc.Arbitrary<JobOrder> = fc.record({
  by: fc.constantFrom('submission', 'change'),
  isDescending: fc.boolean(),
})

/** By pages, each behind the last job of the one before. */
async function allPages(store: Store, filter: JobFilter, order: JobOrder, limit: number): Promise<readonly number[]> {
  const found: Job[] = []
  for (;;) {
    const page = await store.list({ ...filter, order, after: found.at(-1), limit })
    found.push(...page)
    if (page.length < limit) return found.map(({ id }) => id)
  }
}

export function listingTests(opened: Store[], fresh: () => Promise<StoreHarness>): void {
  describe('lists and counts by a filter', () => {
    it('lists what passes, in its order, each job once, however large the pages are', async () => {
      const harness = await fresh()
      const jobs = await fill(harness.store)
      // Of each kind there is something: else nothing would be tried.
      expect(new Set(jobs.map(({ phase }) => phase.state)).size).toBe(7)
      const check = (store: Store, numRuns: number): Promise<void> =>
        fc.assert(
          fc.asyncProperty(anyFilter, anyOrder, fc.constantFrom(1, 7, 40, 1000), async (filter, order, limit) => {
            const wanted = jobs.filter((job) => passes(job, placeOf(job), filter)).sort((a, b) => compareListed(a, b, order))
            const size = wanted.length > 50 ? Math.max(limit, 7) : limit
            expect(await allPages(store, filter, order, size)).toEqual(wanted.map(({ id }) => id))
          }),
          { numRuns },
        )
      await check(harness.store, 300)
      const again = await harness.reopen?.()
      if (!again) return
      opened.push(again)
      await check(again, 50)
    })

    it('counts what passes by one or two attributes', async () => {
      const { store } = await fresh()
      const jobs = await fill(store)
      const anyBy = fc.uniqueArray(fc.constantFrom(...countedAttributes), { minLength: 1, maxLength: 2 })
      await fc.assert(
        fc.asyncProperty(anyFilter, anyBy, async (filter, by) => {
          const counting = newCounting()
          for (const job of jobs.filter((one) => passes(one, placeOf(one), filter))) {
            counting.add(
              by.map((attribute) => attributeOf(job, placeOf(job), attribute)),
              1,
            )
          }
          expect(await store.countBy(filter, { by, limit: 1000 })).toEqual(counting.result(1000))
        }),
        { numRuns: 200 },
      )
      const { rows, others, jobs: total } = await store.countBy({}, { by: ['jobGroup', 'state'], limit: 3 })
      expect(rows).toHaveLength(3)
      expect(others.jobs + rows.reduce((sum, { count }) => sum + count, 0)).toBe(jobs.length)
      expect([total, others.rows > 0]).toEqual([jobs.length, true])
    })

    it('follows each change at once, and forgets with the jobs', async () => {
      const { store } = await fresh()
      const jobs = await fill(store)
      const waiting = jobs.filter(({ phase }) => phase.state === 'Waiting')
      const listed = async (filter: JobFilter) => (await store.list({ ...filter, limit: 1000 })).map(({ id }) => id)
      for (const { id } of waiting.slice(0, 20)) {
        await store.change([{ kind: 'kill', jobId: id, by: 'a', why: '' }], 7000)
        expect(await listed({ states: ['Killed'], changedFromMs: 7000 })).toContain(id)
        expect(await listed({ states: ['Waiting'] })).not.toContain(id)
      }
      const forgotten = await store.forget(6000, 1000)
      expect(forgotten.length).toBeGreaterThan(50)
      const left = jobs.map(({ id }) => id).filter((id) => !forgotten.includes(id))
      expect(await listed({})).toEqual(left.toReversed())
      expect((await store.countBy({}, { by: ['vo'], limit: 10 })).jobs).toBe(left.length)
    })

    it('lists jobs that all came at one moment in the order of their ids', async () => {
      const { store } = await fresh()
      const answer = await store.submit(sampleSubmission(Array.from({ length: 700 }, () => sampleSpec())), 1000)
      const first = answer.ok ? answer.firstId : 0
      const ids = Array.from({ length: 700 }, (_, at) => first + at)
      for (const isDescending of [true, false]) {
        const wanted = isDescending ? ids.toReversed() : ids
        expect(await allPages(store, {}, { by: 'change', isDescending }, 100)).toEqual(wanted)
      }
    })
  })
}
