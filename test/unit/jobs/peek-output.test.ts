/** Looking at a running job: the pilot is asked, pieces come in order, and what was kept goes on where live output ends. */

import { expect, it } from 'vitest'
import type { Caller } from '../../../core/access/caller.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import { liveOutputLimits } from '../../../core/kernel/limits.ts'
import type { Job } from '../../../core/model/job.ts'
import { memoryLiveOutput } from '../../../services/adapters/live-output/memory/memory-live-output.ts'
import { localBus } from '../../../services/adapters/bus/local/local-bus.ts'
import { peekOutput, type PeekPorts, type PeekRequest } from '../../../services/jobs/peek-output.ts'
import { alice, bob, sampleResult } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const asAlice: Caller = { owner: alice, reach: 'own', sight: 'vo' }
const vmId = 'vm-aaaaaaaaaa' as VmId
const id = 1 as JobId

const waiting = { attempt: 0, phase: { state: 'Waiting' } } as const
const running = (attempt = 1) => ({ attempt, phase: { state: 'Running', lease: { vmId } } as unknown as Job['phase'] })
const done = (attempt = 1) => ({ attempt, phase: { state: 'Done', result: sampleResult() } as unknown as Job['phase'] })

function world(first: Partial<Job>) {
  const clock = virtualClock()
  const bus = localBus(clock)
  const live = memoryLiveOutput()
  const kept: Record<string, string> = {}
  const asked: unknown[] = []
  let job = { ...alice, id, ...first } as Job
  let reads = 0
  bus.listen('outputs', (ids) => asked.push(...ids))
  const ports: PeekPorts = {
    clock,
    bus,
    live,
    store: {
      async jobs() {
        reads += 1
        return [job]
      },
    },
    sandbox: {
      async read({ attempt }, name) {
        const text = kept[`${attempt} ${name}`]
        return text === undefined
          ? undefined
          : (async function* () {
              for (const letters of text.match(/.{1,4}/gs) ?? []) yield Buffer.from(letters)
            })()
      },
    },
  }
  return {
    clock,
    kept,
    asked,
    live,
    reads: () => reads,
    become(change: Partial<Job>, isHinted = true) {
      job = { ...job, ...change }
      if (isHinted) bus.hint({ kind: 'jobs', ids: [id] })
    },
    /** The pilot's part. */
    async sends(text: string, { attempt = 1, offset = 0, isCaughtUp = true } = {}) {
      await live.append({ jobId: id, attempt, name: 'stdout' }, offset, Buffer.from(text), isCaughtUp, clock.nowMs())
    },
    /** What comes is written down as `attempt@offset text`. */
    peek(change: Partial<PeekRequest> = {}, caller = asAlice) {
      const gone = new AbortController()
      const request: PeekRequest = { jobId: id, attempt: undefined, name: 'stdout', offset: 0, follow: true, ...change }
      const seen: string[] = []
      const state = { seen, over: false, error: undefined as unknown, leave: () => gone.abort() }
      void (async () => {
        try {
          for await (const { attempt, offset, data } of peekOutput(ports, caller, request, gone.signal))
            seen.push(`${attempt}@${offset} ${Buffer.from(data)}`)
        } catch (error) {
          state.error = error
        }
        state.over = true
      })()
      return state
    },
  }
}

it('asks the pilot, gives what comes, and goes on with what was kept when the attempt has ended', async () => {
  const { clock, asked, kept, become, sends, peek } = world(running())
  const seen = peek()
  await clock.advance(10)
  expect(seen.seen).toEqual(['1@0 '])
  expect(asked).toEqual([vmId])
  await sends('one ')
  await clock.advance(liveOutputLimits.readEveryMs)
  expect(seen.seen).toEqual(['1@0 ', '1@0 one '])
  await sends('two ', { offset: 4 })
  await clock.advance(liveOutputLimits.readEveryMs)
  kept['1 stdout'] = 'one two three'
  become(done())
  await clock.advance(1)
  expect(seen).toMatchObject({ over: true, error: undefined })
  expect(seen.seen.slice(2)).toEqual(['1@4 two ', '1@8 thre', '1@12 e'])
})

it('keeps its interest alive, and not longer than it reads', async () => {
  const { clock, live, peek } = world(running())
  const seen = peek()
  for (let ms = 0; ms < 4 * liveOutputLimits.interestMs; ms += 5000) {
    await clock.advance(5000)
    expect(await live.wanted(clock.nowMs())).toHaveLength(1)
  }
  seen.leave()
  await clock.advance(liveOutputLimits.interestMs)
  expect(seen.over).toBe(true)
  expect(await live.wanted(clock.nowMs())).toEqual([])
})

it('reads the job again at a hint, and without one in its time', async () => {
  const { clock, kept, become, peek, reads } = world(running())
  const seen = peek()
  await clock.advance(liveOutputLimits.jobEveryMs / 2)
  expect(reads()).toBe(1)
  kept['1 stdout'] = 'x'
  become(done(), false)
  await clock.advance(liveOutputLimits.jobEveryMs)
  expect(seen).toMatchObject({ over: true, seen: ['1@0 ', '1@0 x'] })
})

it('begins behind an offset', async () => {
  const { clock, sends, peek } = world(running())
  const seen = peek({ offset: 6 })
  await clock.advance(1)
  await sends('0123456789')
  await clock.advance(liveOutputLimits.readEveryMs)
  expect(seen.seen).toEqual(['1@6 ', '1@6 6789'])
  const ended = world(done())
  ended.kept['1 stdout'] = '0123456789'
  const late = ended.peek({ offset: 6 })
  await ended.clock.advance(1)
  expect(late).toMatchObject({ over: true, seen: ['1@6 ', '1@6 67', '1@8 89'] })
})

it('waits for a job that has not started, and follows it from attempt to attempt', async () => {
  const { clock, kept, become, sends, peek } = world(waiting)
  const seen = peek()
  await clock.advance(5000)
  expect(seen.seen).toEqual([])
  become(running(1))
  await clock.advance(1)
  await sends('lost')
  await clock.advance(liveOutputLimits.readEveryMs)
  become({ attempt: 1, phase: { state: 'Waiting' } })
  await clock.advance(1)
  become(running(2))
  await clock.advance(1)
  await sends('again', { attempt: 2 })
  await clock.advance(liveOutputLimits.readEveryMs)
  kept['2 stdout'] = 'again'
  become(done(2))
  await clock.advance(1)
  expect(seen.over).toBe(true)
  expect(seen.seen).toEqual(['1@0 ', '1@0 lost', '2@0 ', '2@0 again'])
})

it('misses no attempt that it did not see run', async () => {
  const { clock, kept, peek } = world(done(3))
  Object.assign(kept, { '1 stdout': 'a', '3 stdout': 'c' })
  const seen = peek({ attempt: 1 })
  await clock.advance(1)
  expect(seen).toMatchObject({ over: true, seen: ['1@0 ', '1@0 a', '2@0 ', '3@0 ', '3@0 c'] })
})

it('gives a caller who does not follow what there is now, when the pilot has sent all of it', async () => {
  const { clock, sends, peek } = world(running())
  const seen = peek({ follow: false })
  await clock.advance(1)
  await sends('part ', { isCaughtUp: false })
  await clock.advance(liveOutputLimits.readEveryMs)
  expect(seen.over).toBe(false)
  await sends('rest', { offset: 5 })
  await clock.advance(liveOutputLimits.readEveryMs)
  expect(seen).toMatchObject({ over: true, error: undefined, seen: ['1@0 ', '1@0 part ', '1@5 rest'] })
})

it('says that the pilot does not answer to a caller who does not follow', async () => {
  const { clock, peek } = world(running())
  const seen = peek({ follow: false })
  await clock.advance(liveOutputLimits.answerMs + liveOutputLimits.readEveryMs)
  expect(seen.error).toMatchObject({ code: 'unavailable' })
})

it.each([
  ['a job that never ran and ended', { attempt: 0, phase: { state: 'Killed', why: '' } as Job['phase'] }, {}, 'not-found'],
  ['a job that has not started, without following', waiting, { follow: false }, 'not-found'],
  ['an attempt that there is not', running(), { attempt: 2 }, 'not-found'],
])('refuses %s', async (_, job, request, code) => {
  const { clock, peek } = world(job)
  const seen = peek(request)
  await clock.advance(1)
  expect(seen).toMatchObject({ over: true, seen: [], error: { code } })
})

it('refuses other members of the VO, and does not show the job to others', async () => {
  const { clock, peek, asked } = world(running())
  const other = peek({}, { owner: { ...bob, vo: alice.vo }, reach: 'own', sight: 'vo' })
  const stranger = peek({}, { owner: { ...bob, vo: 'belle' }, reach: 'own', sight: 'vo' })
  await clock.advance(1)
  expect(other.error).toMatchObject({ code: 'forbidden' })
  expect(stranger.error).toMatchObject({ code: 'not-found' })
  expect(asked).toEqual([])
})

it('ends when the job is forgotten while it is read', async () => {
  const { clock, become, peek } = world(running())
  const seen = peek()
  await clock.advance(1)
  become({ vo: 'belle' })
  await clock.advance(1)
  expect(seen.error).toMatchObject({ code: 'not-found' })
})
