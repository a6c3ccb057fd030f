/** The reader of watched jobs: each change is read once and reaches every reader, and no reader sees a job grow younger. */

import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { Job } from '../../../core/model/job.ts'
import { feedLimits } from '../../../core/kernel/limits.ts'
import { silentLog } from '../../../core/ports/log.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import { localBus } from '../../../services/adapters/bus/local/local-bus.ts'
import { type Follower, type Following, openJobFeed } from '../../../services/api/grpc/job-feed.ts'
import { alice } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const ids = (...all: number[]): JobId[] => all as JobId[]
const range = (count: number): JobId[] => Array.from({ length: count }, (_, at) => (at + 1) as JobId)

function world(count: number) {
  const clock = virtualClock()
  const bus = localBus(clock)
  const changedMs = new Map<number, number>(range(count).map((id) => [id, 0]))
  const ended = new Set<number>()
  const state = { reads: 0, ids: 0, fails: false }
  const jobOf = (id: number): Job => ({
    ...alice,
    id: id as JobId,
    classId: 'class' as Job['classId'],
    name: '',
    priority: 0,
    attempt: 0,
    maxAttempts: 1,
    machineLosses: 0,
    maxMachineLosses: 10,
    jobGroup: '',
    jobType: '',
    submittedMs: 0,
    changedMs: changedMs.get(id) ?? 0,
    phase: ended.has(id) ? ({ state: 'Killed', by: 'alice', reason: '' } as unknown as Job['phase']) : { state: 'Waiting' },
  })
  const store = {
    async jobs(asked: readonly JobId[]) {
      state.reads += 1
      state.ids += asked.length
      if (state.fails) throw new Error('the store is unreachable')
      return asked.filter((id) => changedMs.has(id)).map(jobOf)
    },
    vm: async () => undefined,
  }
  const feed = openJobFeed({ store, bus, clock, log: silentLog() })
  const change = (...changed: number[]): void => {
    for (const id of changed) changedMs.set(id, (changedMs.get(id) ?? 0) + 1)
  }
  // The reader gives way to others between its batches: time goes on in small steps, with turns of the event loop in each.
  const pass = async (ms: number): Promise<void> => {
    const steps = 400
    for (let at = 0; at < steps; at += 1) await clock.advance(ms / steps)
  }
  return { clock, pass, bus, feed, state, change, ended, forget: (id: number) => void changedMs.delete(id) }
}

function follower(changes: Partial<Follower> = {}) {
  const came: [number, number, boolean][] = []
  const gone: number[] = []
  const failures: unknown[] = []
  const one: Follower = {
    isVisible: () => true,
    hasRoom: () => true,
    job: (job: wire.Job, last) => void came.push([job.jobId, job.changeTime?.getTime() ?? 0, last]),
    gone: (id) => void gone.push(id),
    failed: (error) => void failures.push(error),
    ...changes,
  }
  return { one, came, gone, failures }
}

const soonMs = 10 * feedLimits.gatherMs

describe('watched jobs', () => {
  it('come once at first, and then with each change', async () => {
    const { pass, bus, feed, change, ended } = world(3)
    const { one, came } = follower()
    feed.follow(ids(1, 2, 3), one)
    await pass(soonMs)
    expect(came.map(([id]) => id)).toEqual([1, 2, 3])
    change(2)
    ended.add(3)
    change(3)
    bus.hint({ kind: 'jobs', ids: [2, 3, 99] })
    await pass(soonMs)
    expect(came.slice(3)).toEqual([
      [2, 1, false],
      [3, 1, true],
    ])
    bus.hint({ kind: 'jobs', ids: [1] })
    await pass(soonMs)
    expect(came).toHaveLength(5)
  })

  it('are read once per change, however many watch them', async () => {
    const { pass, bus, feed, change, state } = world(10)
    const all = Array.from({ length: 200 }, () => follower())
    for (const { one } of all) feed.follow(range(10), one)
    await pass(60_000)
    const before = { ...state }
    change(7)
    bus.hint({ kind: 'jobs', ids: [7] })
    await pass(soonMs)
    expect(state.ids - before.ids).toBe(1)
    expect(all.every(({ came }) => came.at(-1)?.[0] === 7 && came.at(-1)?.[1] === 1)).toBe(true)
  })

  it('are looked at without any hint, at a pace that their number does not change', async () => {
    const count = 20 * feedLimits.batch
    const { pass, feed, change, state } = world(count)
    const watchers = Array.from({ length: 5 }, () => follower())
    for (const { one } of watchers) feed.follow(range(count), one)
    await pass(60_000)
    change(count)
    const before = state.ids
    await pass(20_000)
    expect(watchers.map(({ came }) => came.at(-1)?.slice(0, 2))).toEqual(watchers.map(() => [count, 1]))
    const perSecond = (state.ids - before) / 20
    expect(perSecond).toBeLessThanOrEqual((feedLimits.batch * 1000) / feedLimits.turnEveryMs)
    expect(perSecond).toBeGreaterThan(count / 20)
  })

  it('wait for a reader that has no room, and no other reader waits for it', async () => {
    const { pass, feed } = world(3 * feedLimits.batch)
    let hasRoom = false
    const slow = follower({ hasRoom: () => hasRoom })
    const quick = follower()
    const following = feed.follow(range(3 * feedLimits.batch), slow.one)
    feed.follow(range(3 * feedLimits.batch), quick.one)
    await pass(soonMs)
    expect(quick.came.map(([id]) => id)).toEqual(range(3 * feedLimits.batch))
    expect(slow.came).toEqual([])
    hasRoom = true
    following.more()
    await pass(soonMs)
    expect(new Set(slow.came.map(([id]) => id)).size).toBe(3 * feedLimits.batch)
  })

  it('that are not there, or not to be seen, are reported as gone', async () => {
    const { pass, bus, feed, change, forget } = world(4)
    const { one, came, gone } = follower({ isVisible: ({ id }) => id !== 2 })
    feed.follow(ids(1, 2, 4, 9), one)
    await pass(soonMs)
    expect([came.map(([id]) => id), gone.toSorted()]).toEqual([
      [1, 4],
      [2, 9],
    ])
    change(2)
    forget(4)
    bus.hint({ kind: 'jobs', ids: [2, 4] })
    await pass(soonMs)
    expect([came.length, gone.toSorted()]).toEqual([2, [2, 4, 9]])
  })

  it('never come as they were before they came', async () => {
    const { pass, bus, feed, change } = world(2 * feedLimits.batch)
    const { one, came } = follower()
    feed.follow(range(2 * feedLimits.batch), one)
    for (let turn = 0; turn < 50; turn += 1) {
      change(1, 400)
      bus.hint({ kind: 'jobs', ids: [1, 400] })
      await pass(7)
      if (turn % 10 === 0) feed.follow(ids(1, 400), follower().one)
    }
    await pass(soonMs)
    for (const id of [1, 400]) {
      const seen = came.filter(([of]) => of === id).map(([, ms]) => ms)
      expect(seen).toEqual(seen.toSorted((a, b) => a - b))
      expect(seen.at(-1)).toBe(50)
    }
  })

  it('leave nothing behind after the last watcher left', async () => {
    const { clock, pass, feed, state } = world(10)
    const followings: Following[] = Array.from({ length: 3 }, () => feed.follow(range(10), follower().one))
    await pass(soonMs)
    followings[0]?.drop(ids(1)[0] as JobId)
    for (const one of followings) one.end()
    await pass(60_000)
    expect([feed.watched(), clock.nextMs()]).toEqual([0, Number.POSITIVE_INFINITY])
    const before = state.reads
    const again = follower()
    feed.follow(ids(5), again.one)
    await pass(soonMs)
    expect([again.came.length, state.reads - before]).toEqual([1, 1])
  })

  it('of a large watch are taken up and let go piece by piece', async () => {
    const count = 20 * feedLimits.batch
    const { clock, feed, pass } = world(count)
    const { one, came } = follower()
    const following = feed.follow(range(count), one)
    expect([feed.watched(), following.left()]).toEqual([feedLimits.batch, count])
    while (came.length === 0) await clock.advance(1)
    expect(feed.watched()).toBeLessThanOrEqual(2 * feedLimits.batch)
    await pass(60_000)
    expect([feed.watched(), following.left()]).toEqual([count, count])
    following.drop(ids(1)[0] as JobId)
    expect(following.left()).toBe(count - 1)
    following.end()
    expect(feed.watched()).toBe(count - 1)
    await pass(60_000)
    expect([feed.watched(), clock.nextMs()]).toEqual([0, Number.POSITIVE_INFINITY])
  })

  it('that cannot be read fail at the first look, and are read again later', async () => {
    const { pass, bus, feed, state, change } = world(5)
    const first = follower()
    const failing = follower()
    feed.follow(range(5), first.one)
    await pass(soonMs)
    state.fails = true
    feed.follow(range(5), failing.one)
    change(3)
    bus.hint({ kind: 'jobs', ids: [3] })
    await pass(soonMs)
    expect([failing.failures.length, first.failures.length]).toEqual([1, 0])
    state.fails = false
    await pass(2 * feedLimits.retryMs)
    expect(first.came.at(-1)).toEqual([3, 1, false])
  })
})
