import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { RawSpec } from '../../../core/language/check.ts'
import type { Result } from '../../../core/model/attempt.ts'
import type { Dependency } from '../../../core/model/dependency.ts'
import type { Owner } from '../../../core/model/owner.ts'
import type { Report } from '../../../core/model/pilot.ts'
import { explain } from '../../../services/jobs/explain.ts'
import { steer } from '../../../services/jobs/steer.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { summaryText } from '../../../services/views/explanation.ts'
import { alice, bob, sampleResult, sampleSpec } from '../../../sim/samples.ts'
import { asAlice, openPilot, openQueue, type TestQueue } from '../matcher/open-queue.ts'

const named = (name: string, ...after: readonly Dependency[]): RawSpec => ({ ...sampleSpec({ name }), after })
const ok = (name: string): Dependency => ({ name, when: 'ok' })
const on = (job: JobId, when: Dependency['when'] = 'ok'): Dependency => ({ job, when })

async function put(test: TestQueue, jobs: readonly RawSpec[], owner: Owner = alice, key = ''): Promise<readonly JobId[]> {
  const { jobIds } = await submit(test.queue, { owner, jobs, idempotencyKey: key })
  await settled(test)
  return jobIds
}

async function settled({ clock }: TestQueue): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await clock.settle()
}

async function statesOf({ store }: TestQueue, ids: readonly JobId[]): Promise<string> {
  return (await store.jobs(ids)).map(({ phase }) => phase.state).join(' ')
}

function endReport(jobId: JobId, result: Result): Report {
  return { jobId, attempt: 1, reportId: jobId, startedMs: 1, phase: 'ended', result }
}

async function kill(test: TestQueue, ids: readonly JobId[]) {
  const steered = await steer(test.queue, asAlice, ids, { kind: 'kill', why: '' })
  await settled(test)
  return steered
}

async function refused(test: TestQueue, jobs: readonly RawSpec[], owner: Owner = alice) {
  const error = await submit(test.queue, { owner, jobs, idempotencyKey: '' }).catch((thrown: unknown) => thrown)
  return (error as { violations: { path: string; value: string; rule: string }[] }).violations
}

describe('a job that waits for another', () => {
  it('starts after the other is Done, on a pilot that waits for work, and not before', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await pilot.offer(2)
    const [first, second] = (await put(test, [named('a'), named('b', ok('a'))])) as [JobId, JobId]
    expect(pilot.assigned()).toEqual([`${first}.1`])
    await pilot.say({ reports: [endReport(first, sampleResult())] })
    await settled(test)
    expect(pilot.assigned()).toEqual([`${first}.1`, `${second}.1`])
    expect(await statesOf(test, [first, second])).toBe('Done Matched')
    expect((await test.store.jobs([first]))[0]?.awaited).toBeUndefined()
  })

  it('that was there before and has ended is released at once', async () => {
    const test = await openQueue()
    const [first] = (await put(test, [named('a')])) as [JobId]
    await kill(test, [first])
    const [met, never] = (await put(test, [named('b', on(first, 'failed')), named('c', on(first))])) as [JobId, JobId]
    expect(await statesOf(test, [met, never])).toBe('Waiting Failed')
    expect(await test.store.awaitedEnds(Number.MAX_SAFE_INTEGER, 10)).toEqual([])
  })

  it('fails with it, and so on down a long chain, without a deep stack', async () => {
    const test = await openQueue()
    const length = 3000
    const chain = Array.from({ length }, (_, at) =>
      named(`${at}`, ...(at === 0 ? [] : [{ index: at - 1, when: 'ok' } as const])),
    )
    const ids = await put(test, chain)
    const [killed] = await kill(test, ids.slice(0, 1))
    expect(killed?.dependants).toBe(1000)
    for (let turn = 0; turn < length && (await statesOf(test, ids.slice(-1))) === 'Blocked'; turn += 1) await settled(test)
    const counts = (await test.store.counts()).map(({ state, count }) => [state, count])
    expect(counts.toSorted()).toEqual([
      ['Failed', length - 1],
      ['Killed', 1],
    ])
  })

  it('is named by explain, with what it waits for', async () => {
    const test = await openQueue()
    const [first, second, third] = (await put(test, [named('a'), named('b'), named('c', ok('a'), ok('b'))])) as JobId[]
    const explained = await explain(test.queue, asAlice, third as JobId)
    expect(summaryText(explained)).toBe(
      `job ${third} is Blocked: it waits for job ${first} (when ok, is Waiting), job ${second} (when ok, is Waiting)`,
    )
    await steer(test.queue, asAlice, [third as JobId], { kind: 'hold', why: '' })
    const held = summaryText(await explain(test.queue, asAlice, third as JobId))
    expect(held).toContain(`job ${third} is Held: held by alice; it also waits for 2 jobs`)
    const many = Array.from({ length: 30 }, () => named('many'))
    const ids = await put(test, [...many, named('last', ok('many'))])
    const last = summaryText(await explain(test.queue, asAlice, ids.at(-1) as JobId))
    expect(last).toContain(`job ${ids[19]} (when ok, is Waiting), 10 more`)
  })

  it('is released by the sweeper where the process that ended the other died', async () => {
    const store = memoryStore()
    const test = await openQueue(store)
    const [first, second] = (await put(test, [named('a'), named('b', { name: 'a', when: 'ended' })])) as [JobId, JobId]
    // As a process that died before its reactions.
    await store.change([{ kind: 'kill', jobId: first, by: 'alice', why: '' }], test.clock.nowMs())
    await test.sweep.step()
    expect(await statesOf(test, [second])).toBe('Blocked')
    await test.clock.advance(6000)
    await test.sweep.step()
    expect(await statesOf(test, [second])).toBe('Waiting')
    const again = await openQueue(store, test.clock)
    expect((await again.store.queues()).map(({ waiting }) => waiting)).toEqual([1])
  })

  it('ends with a killed job only where it waits for it to be Done', async () => {
    const test = await openQueue()
    const jobs = [
      named('a'),
      named('b', ok('a')),
      named('c', ok('b')),
      named('d', { name: 'a', when: 'ended' }),
      named('e', ok('d')),
    ]
    const ids = await put(test, jobs)
    expect(await kill(test, ids.slice(0, 1))).toMatchObject([{ changed: true, state: 'Killed', dependants: 2 }])
    expect(await statesOf(test, ids)).toBe('Killed Failed Failed Waiting Blocked')
    expect(await kill(test, ids.slice(4))).toMatchObject([{ state: 'Killed', dependants: undefined }])
  })

  it('waits for it again when it is rescheduled and never started, and not when it did', async () => {
    const test = await openQueue()
    const [first, second] = (await put(test, [named('a'), named('b', ok('a'))])) as [JobId, JobId]
    await kill(test, [second])
    const again = async (id: JobId) => {
      const [answer] = await steer(test.queue, asAlice, [id], { kind: 'reschedule', why: '' })
      await settled(test)
      return answer?.newJobId as JobId
    }
    const third = await again(second)
    expect((await test.store.jobs([third]))[0]?.phase).toEqual({ state: 'Blocked', open: [{ job: first, when: 'ok' }] })
    expect(await again(second)).toBe(third)
    const pilot = await openPilot(test, 'one')
    await pilot.offer(1)
    await pilot.say({ reports: [endReport(first, sampleResult())] })
    await pilot.offer(1)
    const exit = sampleResult({ exitCode: 1 })
    await pilot.say({ reports: [endReport(third, exit)] })
    expect(await statesOf(test, [first, third])).toBe('Done Failed')
    const fourth = await again(third)
    expect(await statesOf(test, [fourth])).toBe('Waiting')
  })
})

describe('a submission with dependencies is refused', () => {
  it('for a job that is unknown or of another VO, and not for one of another member', async () => {
    const test = await openQueue()
    const [theirs] = (await put(test, [named('a')], bob)) as [JobId]
    const [carols] = (await put(test, [named('a')], { ...alice, owner: 'carol' })) as [JobId]
    const unknown = 999 as JobId
    const [first, second] = await refused(test, [named('x'), named('b', on(carols), on(theirs), on(unknown))])
    expect(first).toMatchObject({ path: 'jobs[1].after[1]', rule: 'no such job' })
    expect(second).toMatchObject({ path: 'jobs[1].after[2]', rule: 'no such job' })
    expect(await statesOf(test, await put(test, [named('b', on(carols))]))).toBe('Blocked')
  })

  it('whole, with the circle', async () => {
    const test = await openQueue()
    const jobs = [named('x'), named('a', ok('c')), named('b', ok('a')), named('c', ok('b'))]
    const [violation] = await refused(test, jobs)
    expect(violation?.value).toContain('jobs[1] (a) -> jobs[3] (c) -> jobs[2] (b) -> jobs[1]')
    expect(await test.store.counts()).toEqual([])
  })

  it('and never for how a job ended: the same key gets the first answer', async () => {
    const test = await openQueue()
    const [first] = (await put(test, [named('a')])) as [JobId]
    const ids = await put(test, [named('b', on(first))], alice, 'k')
    await kill(test, [first])
    expect(await put(test, [named('b', on(first))], alice, 'k')).toEqual(ids)
  })

  it('nor, where it is a repeat, for a job that was deleted since', async () => {
    const test = await openQueue()
    const [first] = (await put(test, [named('a')])) as [JobId]
    const waiting = [named('b', on(first, 'ended'))]
    const ids = await put(test, waiting, alice, 'k')
    await kill(test, [first])
    await steer(test.queue, asAlice, [first], { kind: 'delete', why: '' })
    expect(await test.store.jobs([first])).toEqual([])
    expect(await put(test, waiting, alice, 'k')).toEqual(ids)
    const other = submit(test.queue, { owner: alice, jobs: [named('c', on(first))], idempotencyKey: 'k' })
    await expect(other).rejects.toMatchObject({ code: 'conflict' })
    const fresh = submit(test.queue, { owner: alice, jobs: waiting, idempotencyKey: 'other' })
    await expect(fresh).rejects.toMatchObject({ code: 'invalid-argument', violations: [{ rule: 'no such job' }] })
    expect(await refused(test, waiting)).toMatchObject([{ rule: 'no such job' }])
    expect((await test.store.counts()).reduce((sum, { count }) => sum + count, 0)).toBe(1)
  })
})
