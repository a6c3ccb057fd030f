/** A large submission is worked on some jobs at a time: other callers have their turns in between. */

import type { Outcomes } from '../../../services/outcomes/outcomes.ts'
import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../core/kernel/clock.ts'
import { jobsPerTurn } from '../../../core/kernel/limits.ts'
import type { RawSpec } from '../../../core/language/check.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { decodeSubmission } from '../../../services/api/grpc/encoded-submission.ts'
import { cutMessage } from '../../../services/api/grpc/message-elements.ts'
import { JobSpec, SubmitJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import { alice, sampleRequirements, sampleSpec } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'
import { openQueue } from './open-queue.ts'

/** Counts what is done between two turns of the event loop. */
function counted(clock: Clock) {
  let done = new Set<unknown>()
  let peak = 0
  return {
    clock: {
      ...clock,
      soon(run: () => void) {
        clock.soon(() => {
          done = new Set()
          run()
        })
      },
    },
    note(what: unknown) {
      done.add(what)
      peak = Math.max(peak, done.size)
    },
    peak: () => peak,
  }
}

describe('a submission of thousands of jobs', () => {
  const kinds = Array.from({ length: 40 }, (_, at) => sampleRequirements({ tags: [`kind-${at}`] }))
  const specs = Array.from({ length: 3000 }, (_, at) => sampleSpec({ requirements: kinds[at % 40] }))

  it('has no more than some hundred of them looked at between two turns', async () => {
    const { queue, store } = await openQueue()
    const turns = counted(queue.clock)
    const jobs = specs.map(
      (spec): RawSpec => ({
        ...spec,
        get requirements() {
          turns.note(this)
          return spec.requirements
        },
      }),
    )
    let arrived = 0
    let arrivedAtOnce = 0
    const outcomes: Outcomes = {
      ...queue.outcomes,
      arrived(arrivals) {
        const some = arrivals.reduce((sum, one) => sum + one.jobs.length, 0)
        arrived += some
        arrivedAtOnce = Math.max(arrivedAtOnce, some)
        queue.outcomes.arrived(arrivals)
      },
    }
    const answer = await submit(
      { ...queue, clock: { ...queue.clock, ...turns.clock }, outcomes },
      { owner: alice, jobs, idempotencyKey: 'k' },
    )
    expect(answer.jobIds).toHaveLength(3000)
    expect(turns.peak()).toBeGreaterThan(0)
    expect(turns.peak()).toBeLessThanOrEqual(jobsPerTurn)
    expect(arrived).toBe(3000)
    expect(arrivedAtOnce).toBeLessThanOrEqual(jobsPerTurn)
    // In slices or whole, it is the same content.
    expect(await submit(queue, { owner: alice, jobs: specs, idempotencyKey: 'k' })).toEqual({ ...answer, repeated: true })
    expect((await store.queues()).reduce((sum, { waiting: count }) => sum + count, 0)).toBe(3000)
  })

  it('has every wrong field listed, wherever it stands', async () => {
    const { queue, store } = await openQueue()
    const wrong = [0, jobsPerTurn - 1, jobsPerTurn, 2999]
    const jobs = specs.map((spec, at) => (wrong.includes(at) ? { ...spec, priority: 77 } : spec))
    await expect(submit(queue, { owner: alice, jobs, idempotencyKey: '' })).rejects.toMatchObject({
      violations: wrong.map((at) => ({ path: `jobs[${at}].priority` })),
    })
    expect(await store.counts()).toEqual([])
  })
})

describe('a large message', () => {
  const encode = (count: number, idempotencyKey = 'k') => {
    const jobs = Array.from({ length: count }, (_, at) => JobSpec.fromPartial({ name: `job-${at}`, executable: 'true' }))
    return SubmitJobsRequest.encode({ jobs, idempotencyKey }).finish()
  }
  const clock = virtualClock()

  it.each([0, 1, 9, 10, 11, 100, 101])('of %i jobs is decoded in pieces as it is whole', async (count) => {
    const bytes = encode(count)
    const pieces = cutMessage(bytes, 10)
    expect(pieces).toHaveLength(Math.max(1, Math.ceil((count + 1) / 10)))
    expect(await decodeSubmission(clock, { pieces })).toEqual(SubmitJobsRequest.decode(bytes))
  })

  it('that ends early is refused, whatever the cut', async () => {
    const bytes = encode(30)
    for (const length of [bytes.length - 1, bytes.length - 4, 200]) {
      const pieces = cutMessage(bytes.subarray(0, length), 10)
      await expect(decodeSubmission(clock, { pieces })).rejects.toMatchObject({ code: 'invalid-argument' })
    }
  })

  it('keeps what an older or newer contract adds in one piece with what follows it', () => {
    const group = Buffer.from([0x1b, 0x08, 0x01, 0x1c])
    const bytes = Buffer.concat([encode(15, ''), group, encode(15)])
    const pieces = cutMessage(bytes, 10)
    expect(Buffer.concat(pieces)).toEqual(bytes)
    expect(pieces).toHaveLength(2)
  })
})
