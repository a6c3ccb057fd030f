import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import { freeAttempts } from '../../../core/kernel/limits.ts'
import { resultByServiceClock } from '../../../core/model/attempt.ts'
import type { JobEvent } from '../../../core/model/job-event.ts'
import { changeJob, isEnded, type Job, type JobDecision, type Lease, leaseOf, type Phase } from '../../../core/model/job.ts'
import { alice, sampleQueue, sampleResult } from '../../../sim/samples.ts'

const id = 7 as JobId
const vmId = 'vm-one' as VmId
const other = 'vm-two' as VmId

const lease: Lease = { vmId, cores: 2, claimedMs: 10, untilMs: 100 }
const result = sampleResult()

function job(phase: Phase, attempt = 1, maxAttempts = 3, machineLosses = 0): Job {
  return {
    ...alice,
    id,
    classId: sampleQueue().id,
    name: 'j',
    jobGroup: '',
    jobType: '',
    priority: 0,
    maxAttempts,
    machineLosses,
    maxMachineLosses: 4,
    submittedMs: 1,
    changedMs: 5,
    attempt,
    phase,
  }
}

const open = [
  { job: 5 as JobId, when: 'ok' },
  { job: 6 as JobId, when: 'ended' },
] as const

const jobs = {
  Blocked: job({ state: 'Blocked', open }, 0),
  Waiting: job({ state: 'Waiting' }, 0),
  Held: job({ state: 'Held', why: 'held by alice' }, 0),
  Matched: job({ state: 'Matched', lease }),
  Running: job({ state: 'Running', lease, startedMs: 20 }),
  Completing: job({ state: 'Completing', lease, startedMs: 20 }),
  Done: job({ state: 'Done', lease, result }),
  Failed: job({ state: 'Failed', why: 'exit code 1', lease, result }),
  Killed: job({ state: 'Killed', why: 'killed by alice' }),
} as const

const events = {
  claim: { kind: 'claim', jobId: id, vmId, cores: 2, untilMs: 100 },
  running: { kind: 'running', jobId: id, attempt: 1, vmId, startedMs: 20 },
  completing: { kind: 'completing', jobId: id, attempt: 1, vmId, startedMs: 20 },
  ended: { kind: 'ended', jobId: id, attempt: 1, vmId, result },
  renew: { kind: 'renew', jobId: id, attempt: 1, vmId, untilMs: 200 },
  withdraw: { kind: 'withdraw', jobId: id, attempt: 1, vmId, why: 'the VM stopped' },
  lost: { kind: 'lost', jobId: id, attempt: 1, why: 'gone' },
  kill: { kind: 'kill', jobId: id, by: 'alice', why: '' },
  hold: { kind: 'hold', jobId: id, by: 'alice', why: '' },
  release: { kind: 'release', jobId: id, by: 'alice', why: '' },
  reschedule: { kind: 'reschedule', jobId: id, by: 'alice', why: '' },
  'dependency-ended': { kind: 'dependency-ended', jobId: id, on: 5 as JobId, end: 'Done' },
  await: { kind: 'await', jobId: id },
  'dependants-over': { kind: 'dependants-over', jobId: id, awaited: 1 },
  prioritise: { kind: 'prioritise', jobId: id, by: 'alice', why: '', priority: 7 },
  delete: { kind: 'delete', jobId: id, by: 'alice', why: '' },
} as const satisfies Record<string, JobEvent>

/** A refusal's reason, or the next state with `asked` where the pilot was asked to do something. */
function outcome(decision: JobDecision): string {
  if (!decision.ok) return decision.why
  if (decision.isRemoved) return 'removed'
  if (decision.next.priority !== 0) return `${decision.next.phase.state}, priority ${decision.next.priority}`
  const stop = leaseOf(decision.next.phase)?.stop
  return stop ? `${decision.next.phase.state}, asked to ${stop.kind}` : decision.next.phase.state
}

const kinds = Object.keys(events) as (keyof typeof events)[]

const ofEnded = ['ended', ...Array<string>(6).fill('stale'), ...Array<string>(4).fill('ended'), 'stale']

/** The table in the header of core/model/job.ts, cell by cell; columns as in `events`. */
const table: Record<keyof typeof jobs, readonly string[]> = {
  Blocked: [
    'not-waiting',
    ...Array<string>(6).fill('stale'),
    'Killed',
    'Held',
    'not-held',
    'not-live',
    'Blocked',
    'Blocked',
    'stale',
    'Blocked, priority 7',
    'not-ended',
  ],
  Waiting: [
    'Matched',
    'stale',
    'stale',
    'stale',
    'stale',
    'stale',
    'stale',
    'Killed',
    'Held',
    'not-held',
    'not-live',
    'stale',
    'Waiting',
    'stale',
    'Waiting, priority 7',
    'not-ended',
  ],
  Held: [
    'not-waiting',
    'stale',
    'stale',
    'stale',
    'stale',
    'stale',
    'stale',
    'Killed',
    'held',
    'Waiting',
    'not-live',
    'stale',
    'Held',
    'stale',
    'Held, priority 7',
    'not-ended',
  ],
  Matched: [
    'not-waiting',
    'Running',
    'Completing',
    'Done',
    'Matched',
    'Waiting',
    'Waiting',
    'Matched, asked to kill',
    'not-waiting',
    'not-held',
    'Matched, asked to reschedule',
    'stale',
    'Matched',
    'stale',
    'Matched, priority 7',
    'not-ended',
  ],
  Running: [
    'not-waiting',
    'Running',
    'Completing',
    'Done',
    'Running',
    'stale',
    'Waiting',
    'Running, asked to kill',
    'not-waiting',
    'not-held',
    'Running, asked to reschedule',
    'stale',
    'Running',
    'stale',
    'Running, priority 7',
    'not-ended',
  ],
  Completing: [
    'not-waiting',
    'Completing',
    'Completing',
    'Done',
    'Completing',
    'stale',
    'Waiting',
    'Completing, asked to kill',
    'not-waiting',
    'not-held',
    'Completing, asked to reschedule',
    'stale',
    'Completing',
    'stale',
    'Completing, priority 7',
    'not-ended',
  ],
  Done: [...ofEnded, 'Done', 'stale', 'ended', 'removed'],
  Failed: [...ofEnded, 'Failed', 'stale', 'ended', 'removed'],
  Killed: [...ofEnded, 'Killed', 'stale', 'ended', 'removed'],
}

describe('every cell of the table', () => {
  const cells = Object.entries(table).flatMap(([state, row]) =>
    row.map((expected, at) => [state, kinds[at], expected] as const),
  )
  it.each(cells)('%s, %s: %s', (state, kind, expected) => {
    const before = jobs[state as keyof typeof jobs]
    expect(outcome(changeJob(before, events[kind as keyof typeof events], 50))).toBe(expected)
  })
})

describe('a job that waits for others', () => {
  const settle = (from: Job, on: number, end: 'Done' | 'Failed' | 'Killed' | 'gone'): JobDecision =>
    changeJob(from, { kind: 'dependency-ended', jobId: id, on: on as JobId, end }, 50)
  const next = (decision: JobDecision): Job => {
    if (!decision.ok) throw new Error(decision.why)
    return decision.next
  }

  it.each([
    ['ok', 'Done', 'Waiting'],
    ['ok', 'Failed', 'Failed'],
    ['ok', 'Killed', 'Failed'],
    ['ok', 'gone', 'Failed'],
    ['ended', 'Done', 'Waiting'],
    ['ended', 'Failed', 'Waiting'],
    ['ended', 'Killed', 'Waiting'],
    ['ended', 'gone', 'Failed'],
    ['failed', 'Done', 'Failed'],
    ['failed', 'Failed', 'Waiting'],
    ['failed', 'Killed', 'Waiting'],
    ['failed', 'gone', 'Failed'],
  ] as const)('when %s, and the other one is %s: %s', (when, end, expected) => {
    const blocked = job({ state: 'Blocked', open: [{ job: 5 as JobId, when }] }, 0)
    expect(outcome(settle(blocked, 5, end))).toBe(expected)
  })

  it('is settled once by each, keeps the others, and waits after the last', () => {
    const first = next(settle(jobs.Blocked, 5, 'Done'))
    expect(first).toMatchObject({ changedMs: 5, phase: { state: 'Blocked', open: [{ job: 6 }] } })
    expect(outcome(settle(first, 5, 'Failed'))).toBe('stale')
    expect(next(settle(first, 6, 'Failed'))).toMatchObject({ changedMs: 50, phase: { state: 'Waiting' } })
  })

  it('says which job it waited for in vain', () => {
    const failed = next(settle(jobs.Blocked, 5, 'Killed'))
    expect(failed.phase).toEqual({ state: 'Failed', why: 'it waits for job 5 (when ok), and job 5 is Killed' })
    expect(outcome(settle(failed, 6, 'Done'))).toBe('stale')
  })

  it('that is held goes on waiting for them, and goes back to them when it is released', () => {
    const held = next(changeJob(jobs.Blocked, events.hold, 40))
    expect(held.phase).toEqual({ state: 'Held', why: 'held by alice', open })
    expect(next(changeJob(held, events.release, 45)).phase).toEqual({ state: 'Blocked', open })
    const free = next(settle(next(settle(held, 6, 'Killed')), 5, 'Done'))
    expect(free.phase).toEqual({ state: 'Held', why: 'held by alice' })
    expect(next(changeJob(free, events.release, 60)).phase).toEqual({ state: 'Waiting' })
    expect(outcome(settle(held, 5, 'Failed'))).toBe('Failed')
  })
})

describe('a job that others wait for', () => {
  const awaited = (from: Job): Job => {
    const decision = changeJob(from, events.await, 50)
    if (!decision.ok) throw new Error(decision.why)
    return decision.next
  }

  it('counts them, and forgets the count that was read once it has ended', () => {
    const twice = awaited(awaited(jobs.Done))
    expect(twice).toEqual({ ...jobs.Done, awaited: 2 })
    expect(outcome(changeJob(twice, events['dependants-over'], 60))).toBe('stale')
    const over = changeJob(twice, { ...events['dependants-over'], awaited: 2 }, 60)
    expect(over.ok && over.next).toEqual(jobs.Done)
    expect(outcome(changeJob(awaited(jobs.Running), events['dependants-over'], 60))).toBe('stale')
  })
})

describe('the times of a run are by the clock of the service', () => {
  const claimedMs = 1_000_000
  const waiting = { ...jobs.Waiting, submittedMs: claimedMs - 500, attempt: 0 }
  const minute = 60_000
  const apply = (from: Job, event: JobEvent, nowMs: number): Job => {
    const decision = changeJob(from, event, nowMs)
    if (!decision.ok) throw new Error(`refused as ${decision.why}`)
    return decision.next
  }
  const claimed = apply(waiting, { ...events.claim, untilMs: claimedMs + 90_000 }, claimedMs)

  it.each([-5 * minute, 0, 5 * minute])('with a VM whose clock is %i ms ahead', (aheadMs) => {
    // It starts 2 s after the claim, runs for 10 min, and each report takes 1 s.
    const startedMs = claimedMs + 2000 + aheadMs
    const ran = 10 * minute
    const running = apply(claimed, { ...events.running, startedMs }, claimedMs + 3000)
    const seen = 'startedMs' in running.phase ? running.phase.startedMs : 0
    expect(seen).toBe(claimedMs + (aheadMs === 0 ? 2000 : aheadMs > 0 ? 3000 : 0))
    const said = { ...result, startedMs, endedMs: startedMs + ran, wallMs: ran }
    const endMs = claimedMs + 2000 + ran + 1000
    for (const before of [claimed, running]) {
      const { phase } = apply(before, { ...events.ended, result: said }, endMs)
      const kept = phase.state === 'Done' ? phase.result : undefined
      expect(Math.abs((kept?.startedMs ?? 0) - claimedMs - 2000)).toBeLessThanOrEqual(2000)
      expect((kept?.endedMs ?? 0) - (kept?.startedMs ?? 0)).toBe(ran)
      expect(kept?.endedMs).toBeLessThanOrEqual(endMs)
    }
    const completing = apply(running, { ...events.completing, startedMs: startedMs + 1 }, endMs)
    expect(completing.phase).toMatchObject({ startedMs: seen })
  })

  it('leave a payload that never started without a start', () => {
    const never = { ...result, startedMs: 0, endedMs: 0, wallMs: 0, end: 'not-started' } as const
    expect(resultByServiceClock(never, { claimedMs }, claimedMs + 5)).toEqual(never)
  })
})

describe('a lease that was written with a clock that was ahead', () => {
  const cutTo = (state: keyof typeof jobs, untilMs: number, attempt = 1): unknown => {
    const decision = changeJob(jobs[state], { kind: 'cut', jobId: id, attempt, untilMs }, 50)
    return decision.ok ? [leaseOf(decision.next.phase)?.untilMs, decision.next.phase.state, decision.emits] : decision.why
  }

  it.each(['Matched', 'Running', 'Completing'] as const)('is cut of a job that is %s, and never made longer', (state) => {
    expect(cutTo(state, 60)).toEqual([60, state, false])
    expect(cutTo(state, 200)).toEqual([100, state, false])
    expect(cutTo(state, 60, 2)).toBe('stale')
  })

  it.each(['Waiting', 'Done', 'Failed', 'Killed'] as const)('is none of a job that is %s', (state) => {
    expect(cutTo(state, 60)).toBe('stale')
  })
})

describe('an attempt', () => {
  it.each(['running', 'completing', 'ended', 'renew', 'withdraw', 'lost'] as const)(
    'is not touched by %s of another attempt',
    (kind) => {
      expect(outcome(changeJob(jobs.Running, { ...events[kind], attempt: 2 }, 50))).toBe('stale')
    },
  )

  it.each(['running', 'completing', 'ended', 'renew', 'withdraw'] as const)('is not touched by %s of another VM', (kind) => {
    expect(outcome(changeJob(jobs.Running, { ...events[kind], vmId: other }, 50))).toBe('stale')
  })

  it('gets a number of its own with each claim', () => {
    const again = changeJob({ ...jobs.Waiting, attempt: 2 }, events.claim, 50)
    expect(again.ok && again.next).toMatchObject({
      attempt: 3,
      phase: { lease: { vmId, cores: 2, claimedMs: 50, untilMs: 100 } },
    })
  })

  it('that is withdrawn costs no try, and is killed if that was asked', () => {
    const last = { ...jobs.Matched, maxAttempts: 1 }
    const back = changeJob(last, events.withdraw, 50)
    expect(back.ok && back.next).toMatchObject({ attempt: 1, maxAttempts: 2, phase: { state: 'Waiting' } })
    const asked = changeJob(last, events.kill, 40)
    expect(asked.ok && outcome(changeJob(asked.next, events.withdraw, 50))).toBe('Killed')
  })

  it('that could not be started costs no try, until there were too many of them', () => {
    const result = sampleResult({ end: 'not-started', detail: 'no account was free for it' })
    const last = changeJob(job({ state: 'Matched', lease }, 1, 1), { ...events.ended, result }, 50)
    expect(last.ok && last.next).toMatchObject({ attempt: 1, maxAttempts: 2, phase: { state: 'Waiting' } })
    const at = (attempt: number) =>
      changeJob(job({ state: 'Matched', lease }, attempt, attempt), { ...events.ended, attempt, result }, 50)
    expect(outcome(at(freeAttempts))).toBe('Waiting')
    expect(outcome(at(freeAttempts + 1))).toBe('Failed')
    // A machine loss is no attempt that could not be started.
    const lostOnce = { ...job({ state: 'Matched', lease }, freeAttempts + 1, freeAttempts + 1), machineLosses: 1 }
    expect(outcome(changeJob(lostOnce, { ...events.ended, attempt: freeAttempts + 1, result }, 50))).toBe('Waiting')
  })

  it('is not lost if it was renewed in between', () => {
    expect(outcome(changeJob(jobs.Running, { ...events.lost, ifBeforeMs: 99 }, 99))).toBe('renewed')
    expect(outcome(changeJob(jobs.Running, { ...events.lost, ifBeforeMs: 100 }, 101))).toBe('Waiting')
  })

  it('never loses lease time by a renewal that comes late', () => {
    const renewed = changeJob(jobs.Running, { ...events.renew, untilMs: 50 }, 50)
    expect(renewed.ok && leaseOf(renewed.next.phase)?.untilMs).toBe(100)
  })

  it.each([
    [{ end: 'exited', exitCode: 0 }, 'Done', ''],
    [{ end: 'exited', exitCode: 3 }, 'Failed', 'exit code 3'],
    [{ end: 'signalled', signal: 'SIGSEGV' }, 'Failed', 'signal SIGSEGV'],
    [{ end: 'wall-limit' }, 'Failed', 'wall-limit'],
    [{ end: 'memory-limit', detail: '2 GiB' }, 'Failed', 'memory-limit: 2 GiB'],
    [{ end: 'disk-limit' }, 'Failed', 'disk-limit'],
    [{ end: 'stopped' }, 'Waiting', ''],
    [{ end: 'not-started' }, 'Waiting', ''],
    [{ end: 'abandoned' }, 'Waiting', ''],
  ] as const)('that ended as %o leaves the job %s', (changes, state, why) => {
    const decision = changeJob(jobs.Running, { ...events.ended, result: sampleResult(changes) }, 50)
    if (!decision.ok) throw new Error(decision.why)
    expect(decision.next.phase.state).toBe(state)
    if (why !== '') expect(decision.next.phase).toMatchObject({ why })
  })
})

describe('the last attempt', () => {
  const abandoned = sampleResult({ end: 'abandoned', detail: 'the pilot was started anew' })

  it('fails the job when its pilot lost it, with the reason and the count', () => {
    const running = job({ state: 'Running', lease, startedMs: 20 }, 3, 3)
    const decision = changeJob(running, { ...events.ended, attempt: 3, result: abandoned }, 50)
    const why = 'abandoned: the pilot was started anew, after 3 of 3 attempts'
    expect(decision.ok && decision.next).toMatchObject({ machineLosses: 0, phase: { state: 'Failed', why } })
  })

  it.each([
    ['whose machine was lost', events.lost, 'gone'],
    [
      'that its machine ended',
      { ...events.ended, result: sampleResult({ end: 'stopped', detail: 'preempted' }) },
      'preempted',
    ],
  ] as const)('%s is not used up, and has a count of its own that ends', (_, event, why) => {
    const at = (machineLosses: number): JobDecision =>
      changeJob(job({ state: 'Running', lease, startedMs: 20 }, 3, 3, machineLosses), { ...event, attempt: 3 }, 50)
    const again = at(0)
    expect(again.ok && again.next).toMatchObject({
      attempt: 3,
      maxAttempts: 4,
      machineLosses: 1,
      phase: { state: 'Waiting' },
    })
    expect(outcome(at(2))).toBe('Waiting')
    const last = at(3)
    const phase = { state: 'Failed', why: `${why}, after 4 of 4 machine losses` }
    expect(last.ok && last.next).toMatchObject({ machineLosses: 4, phase })
  })

  it('that was withdrawn, or rescheduled and then lost, is no machine loss', () => {
    const matched = job({ state: 'Matched', lease }, 3, 3, 3)
    const withdrawn = changeJob(matched, { ...events.withdraw, attempt: 3 }, 50)
    const asked = changeJob(matched, events.reschedule, 50)
    if (!asked.ok) throw new Error(asked.why)
    const lost = changeJob(asked.next, { ...events.lost, attempt: 3 }, 60)
    for (const decision of [withdrawn, lost]) {
      expect(decision.ok && decision.next).toMatchObject({ machineLosses: 3, phase: { state: 'Waiting' } })
    }
  })

  it('does not fail the job when it was stopped for a reschedule: that try was not used up', () => {
    const asked = changeJob(job({ state: 'Running', lease, startedMs: 20 }, 3, 3), events.reschedule, 50)
    if (!asked.ok) throw new Error(asked.why)
    const stopped = changeJob(asked.next, { ...events.ended, attempt: 3, result: sampleResult({ end: 'stopped' }) }, 60)
    expect(stopped.ok && stopped.next).toMatchObject({ maxAttempts: 4, phase: { state: 'Waiting' } })
  })
})

describe('a kill', () => {
  const asked = changeJob(jobs.Running, events.kill, 50)
  const killed = asked.ok ? asked.next : jobs.Running

  it.each([
    [{ ...events.ended, result: sampleResult({ end: 'stopped' }) }, 'Killed'],
    [{ ...events.ended, result: sampleResult({ end: 'abandoned' }) }, 'Killed'],
    [events.lost, 'Killed'],
    // It was faster than the kill: what it did is done.
    [events.ended, 'Done'],
    [events.reschedule, 'Running, asked to kill'],
  ] as const)('that was asked for, then %o: %s', (event, expected) => {
    expect(outcome(changeJob(killed, event, 60))).toBe(expected)
  })

  it('is stronger than a reschedule', () => {
    const rescheduled = changeJob(jobs.Running, events.reschedule, 50)
    if (!rescheduled.ok) throw new Error(rescheduled.why)
    expect(outcome(changeJob(rescheduled.next, events.kill, 60))).toBe('Running, asked to kill')
  })
})

const anyEvent: fc.Arbitrary<JobEvent> = fc
  .tuple(
    fc.constantFrom(...kinds),
    fc.integer({ min: 1, max: 4 }),
    fc.constantFrom(vmId, other),
    fc.constantFrom('exited', 'stopped', 'abandoned'),
  )
  .map(([kind, attempt, on, end]) => {
    const event = { ...events[kind], vmId: on } as JobEvent
    if (event.kind === 'ended') return { ...event, attempt, result: sampleResult({ end: end as 'exited' }) }
    return 'attempt' in event ? { ...event, attempt } : event
  })

it('whatever happens in whatever order: ends are final, attempts only grow, refusals change nothing', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 40 }), (steps) => {
      let now = jobs.Waiting as Job
      for (const [at, event] of steps.entries()) {
        const decision = changeJob(now, event, at)
        if (!decision.ok) continue
        if (decision.isRemoved) {
          expect(isEnded(now.phase) && now.awaited === undefined).toBe(true)
          return
        }
        // An ended job may still be awaited anew; its end stays.
        if (isEnded(now.phase)) {
          expect(['await', 'dependants-over']).toContain(event.kind)
          expect(decision.next.phase).toEqual(now.phase)
        }
        expect(decision.next.attempt).toBe(event.kind === 'claim' ? now.attempt + 1 : now.attempt)
        expect(decision.next).toMatchObject({ id: now.id, classId: now.classId, submittedMs: now.submittedMs })
        now = decision.next
      }
    }),
  )
})

it('a job that ends every machine it runs on ends after its machine losses, whatever else happens to it', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('lost', 'stopped', 'withdraw', 'not-started'), { minLength: 200 }), (ways) => {
      let now = job({ state: 'Waiting' }, 0)
      let losses = 0
      for (const way of ways) {
        if (isEnded(now.phase)) break
        const claimed = changeJob(now, events.claim, 50)
        if (!claimed.ok) throw new Error(claimed.why)
        const { attempt } = claimed.next
        const event =
          way === 'lost' || way === 'withdraw' ? events[way] : { ...events.ended, result: sampleResult({ end: way }) }
        if (way === 'lost' || way === 'stopped') losses += 1
        const decision = changeJob(claimed.next, { ...event, attempt }, 60)
        if (!decision.ok) throw new Error(decision.why)
        now = decision.next
        expect(now.machineLosses).toBe(losses)
        if (losses === now.maxMachineLosses) expect(now.phase.state).toBe('Failed')
      }
    }),
  )
})

describe('rescheduling', () => {
  const ask = (from: Job, limit?: number): JobDecision =>
    changeJob(from, { kind: 'reschedule', jobId: id, by: 'alice', why: '', ...(limit === undefined ? {} : { limit }) }, 50)
  /** The pilot has stopped the payload, and another attempt runs. */
  const runAgain = (decision: JobDecision): Job => {
    if (!decision.ok) throw new Error(decision.why)
    return { ...decision.next, phase: jobs.Running.phase }
  }

  it('is refused to an owner beyond the limit, and an operator begins the count anew', () => {
    let running: Job = jobs.Running
    for (let count = 1; count <= 3; count += 1) running = runAgain(ask(running, 3))
    expect(running.reschedules).toBe(3)
    expect(outcome(ask(running, 3))).toBe('reschedule-limit')
    const reset = runAgain(ask(running))
    expect(reset.reschedules).toBe(0)
    expect(outcome(ask(reset, 3))).toBe('Running, asked to reschedule')
  })

  it('that was asked for already counts once', () => {
    const once = ask(jobs.Running, 1)
    if (!once.ok) throw new Error(once.why)
    expect(ask(once.next, 1)).toEqual({ ok: true, next: once.next, emits: false })
  })
})

it('a job that others wait for is not deleted before they know its end', () => {
  const awaited = { ...jobs.Done, awaited: 2 }
  expect(outcome(changeJob(awaited, events.delete, 50))).toBe('awaited')
  const cleared = changeJob(awaited, { kind: 'dependants-over', jobId: id, awaited: 2 }, 50)
  if (!cleared.ok) throw new Error(cleared.why)
  expect(outcome(changeJob(cleared.next, events.delete, 50))).toBe('removed')
})
