import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Outgoing, PilotState, PilotEffect } from '../../../agents/pilot/state.ts'
import { type PilotEvent, startPilot, statusOf, step } from '../../../agents/pilot/pilot.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { leaseMarginMs, leaseMs, renewEveryMs } from '../../../core/kernel/limits.ts'
import { exited, mib, task } from './tasks.ts'
import { noAmounts } from '../../../core/model/resources.ts'

const size = { cores: 4, ...noAmounts, memoryBytes: 1024 * mib, diskBytes: 1024 * mib }
const start = { size, leaseMarginMs, maxJobs: 256, firstReportId: 1, recovered: [] }
const one = { jobId: 1 as JobId, attempt: 1 }
const two = { jobId: 2 as JobId, attempt: 1 }
const welcome: PilotEvent = { kind: 'welcome', leaseMs, renewEveryMs }
const linked: readonly PilotEvent[] = [{ kind: 'linked' }, welcome]
const assigned: PilotEvent = { kind: 'assigned', task: task() }
const started: PilotEvent = { kind: 'started', ...one, startedMs: 1 }
const ended: PilotEvent = { kind: 'ended', ...one, result: exited() }
const endedLoud: PilotEvent = { kind: 'ended', ...one, result: exited({ stdoutBytes: 10 }) }
const kept: PilotEvent = { kind: 'kept', ...one }
const stale: PilotEvent = { kind: 'acked', ...one, reportId: 0, refusal: 'stale' }
const stop: PilotEvent = { kind: 'stop', ...one, why: 'killed by ada' }
const close: PilotEvent = { kind: 'close', why: 'the VM is being stopped' }
const flush: PilotEvent = { kind: 'flush', durableReportId: 1e9 }

type Run = { state: PilotState; effects: PilotEffect[] }

/** All at moment 0, unless a number stands between them: then from that moment on. */
function run(events: readonly (PilotEvent | number)[], from = startPilot(start, 0).state): Run {
  let state = from
  let nowMs = 0
  const effects: PilotEffect[] = []
  for (const event of events) {
    if (typeof event === 'number') {
      nowMs = event
      continue
    }
    const taken = step(state, event, nowMs)
    state = taken.state
    effects.push(...taken.effects)
  }
  return { state, effects }
}

function heldAs({ state }: Run): string {
  const held = state.held.get('1.1')
  if (!held) return 'unknown'
  if (held.state !== 'starting' && held.state !== 'running') return held.state
  return `${held.state}${held.dropped ? ' dropped' : held.stopping === undefined ? '' : ' stopping'}`
}

const messages = (effects: readonly PilotEffect[]): Extract<Outgoing, { kind: 'message' }>[] =>
  effects.flatMap((effect) => (effect.kind === 'send' && effect.message.kind === 'message' ? [effect.message] : []))
const reports = (effects: readonly PilotEffect[]) => messages(effects).flatMap((message) => message.reports)
const offers = (effects: readonly PilotEffect[]) => messages(effects).flatMap(({ offer }) => (offer ? [offer] : []))
const kinds = (effects: readonly PilotEffect[]): string => effects.map(({ kind }) => kind).join(' ')

/** Takes all four cores, so that what comes after it waits. */
const big: PilotEvent = { kind: 'assigned', task: task({ jobId: 9, cores: 4 }) }
const states: Record<string, readonly PilotEvent[]> = {
  unknown: linked,
  waiting: [...linked, big, assigned],
  starting: [...linked, assigned],
  running: [...linked, assigned, started],
  keeping: [...linked, assigned, started, endedLoud],
  ended: [...linked, assigned, started, ended, flush],
}
const ack = { kind: 'acked', ...one, reportId: 2, refusal: '' } as const
const late: readonly (PilotEvent | number)[] = [leaseMs - leaseMarginMs, { kind: 'tick' }]

it.each([
  // state, events, next, effects of the last: every cell of the table in pilot.ts
  ['unknown', [assigned], 'starting', 'take start'],
  ['unknown', [big, assigned], 'waiting', 'take start take'],
  ['unknown', [started], 'unknown', ''],
  ['unknown', [ended], 'unknown', ''],
  ['unknown', [kept], 'unknown', ''],
  ['unknown', [ack], 'unknown', ''],
  ['unknown', [stale], 'unknown', ''],
  ['unknown', [stop], 'unknown', ''],
  ['unknown', [close], 'unknown', ''],
  ['waiting', [assigned], 'waiting', ''],
  ['waiting', [stale], 'unknown', 'forget'],
  ['waiting', [stop], 'ended', 'record'],
  ['waiting', late, 'ended', 'stop record'],
  ['waiting', [close], 'ended', 'stop record'],
  ['starting', [assigned], 'starting', ''],
  ['starting', [started], 'running', ''],
  ['starting', [ended], 'ended', 'record'],
  ['starting', [endedLoud], 'keeping', 'record keep'],
  ['starting', [stale], 'starting dropped', 'stop'],
  ['starting', [stop], 'starting stopping', 'stop'],
  ['starting', [stop, stop], 'starting stopping', 'stop'],
  ['starting', late, 'starting stopping', 'stop'],
  ['starting', [close], 'starting stopping', 'stop'],
  ['running', [assigned], 'running', ''],
  ['running', [started], 'running', ''],
  ['running', [ended], 'ended', 'record'],
  ['running', [endedLoud], 'keeping', 'record keep'],
  ['running', [stale], 'running dropped', 'stop'],
  ['running', [stale, stale], 'running dropped', 'stop'],
  ['running', [stop, stale], 'running dropped', 'stop'],
  ['running', [stale, ended], 'unknown', 'stop forget'],
  ['running', [stop], 'running stopping', 'stop'],
  ['running', late, 'running stopping', 'stop'],
  ['running', [close], 'running stopping', 'stop'],
  ['keeping', [assigned], 'keeping', ''],
  ['keeping', [ended], 'keeping', ''],
  ['keeping', [kept], 'ended', ''],
  ['keeping', [stale], 'unknown', 'forget'],
  ['keeping', [stop], 'keeping', ''],
  ['keeping', late, 'keeping', ''],
  ['keeping', [close], 'keeping', ''],
  ['ended', [assigned], 'ended', ''],
  ['ended', [kept], 'ended', ''],
  ['ended', [ack], 'unknown', 'forget'],
  ['ended', [{ ...ack, reportId: 1 }], 'ended', ''],
  ['ended', [{ ...ack, attempt: 2 }], 'ended', ''],
  ['ended', [stale], 'unknown', 'forget'],
  ['ended', [stop], 'ended', ''],
  ['ended', late, 'ended', ''],
  ['ended', [ack, assigned], 'unknown', 'forget'],
] as const)('%s, then %j: %s', (before, events, next, effects) => {
  const from = run(states[before] ?? [])
  expect(heldAs(from)).toBe(before)
  const after = run(events, from.state)
  expect(heldAs(after)).toBe(next)
  expect(kinds(after.effects)).toBe(effects)
})

it('starts what waited as soon as there is room', () => {
  const { state } = run([...linked, big, assigned])
  const { effects } = run([{ kind: 'ended', jobId: 9 as JobId, attempt: 1, result: exited() }], state)
  expect(effects).toMatchObject([{ kind: 'record' }, { kind: 'start', task: one }])
})

const notStarted: PilotEvent = { kind: 'ended', ...one, result: { ...exited(), end: 'not-started' } }

it('offers nothing for a while after a payload that it could not start, for longer after each in a row', () => {
  let { state } = run(linked)
  const maxJobsAt = (atMs: number): number | undefined => {
    const next = run([atMs, { kind: 'unlinked' }, ...linked, flush], state)
    return offers(next.effects)[0]?.maxJobs
  }
  for (const [attempt, pauseMs] of [5000, 10_000, 20_000, 40_000, 60_000, 60_000].entries()) {
    const again = { ...notStarted, attempt } as PilotEvent
    state = run([{ kind: 'assigned', task: task({ attempt }) }, again], state).state
    expect([attempt, maxJobsAt(pauseMs - 1), maxJobsAt(pauseMs)]).toEqual([attempt, 0, 256])
    expect(statusOf(state).unhealthy).toBe(attempt < 2 ? undefined : 'cannot-start-payloads')
  }
  const stopped = { ...ended, result: exited({ end: 'stopped' }) }
  state = run([assigned, stopped], state).state
  expect([maxJobsAt(0), statusOf(state).unhealthy]).toEqual([0, 'cannot-start-payloads'])
  state = run([{ kind: 'assigned', task: task({ attempt: 9 }) }, { ...ended, attempt: 9 } as PilotEvent], state).state
  expect([maxJobsAt(0), statusOf(state).unhealthy]).toEqual([256, undefined])
})

it('refuses what can never fit, and says why', () => {
  const { effects, state } = run([...linked, { kind: 'assigned', task: task({ cores: 5 }) }, flush])
  const result = { end: 'not-started', detail: 'needs 5 cores of 4' }
  expect(reports(effects)).toMatchObject([{ ...one, phase: 'ended', result }])
  expect(
    kinds(run([...linked, { kind: 'assigned', task: task({ memoryBytes: 2048 * mib }) }], state).effects),
  ).not.toContain('start')
})

it('sends a short payload, its end and the freed room as one message', () => {
  const { state } = run([...linked, flush])
  const { effects } = run([assigned, started, ended, flush], state)
  expect(messages(effects)).toHaveLength(1)
  expect(reports(effects).map(({ phase, reportId }) => [phase, reportId])).toEqual([
    ['running', 1],
    ['ended', 2],
  ])
  expect(offers(effects)).toEqual([{ ...size, isWhole: true, maxJobs: 256, received: 1 }])
})

it('offers what is free: everything held and not yet reported as ended is taken off', () => {
  const { state } = run([...linked, flush])
  const busy = run([assigned, flush, started, flush, endedLoud, flush], state)
  const less = { cores: 3, ...noAmounts, memoryBytes: size.memoryBytes - 64 * mib, diskBytes: size.diskBytes - 64 * mib }
  expect(offers(busy.effects)).toEqual([{ ...less, maxJobs: 256, received: 1 }])
  expect(offers(run([kept, flush], busy.state).effects)).toEqual([{ ...size, isWhole: true, maxJobs: 256, received: 1 }])
})

it('does not send an end, nor offer its room, before the journal has it', () => {
  const { state } = run([...linked, assigned, flush])
  const soon = run([ended, { kind: 'flush', durableReportId: 0 }], state)
  expect(messages(soon.effects)).toEqual([])
  expect(reports(run([{ kind: 'flush', durableReportId: 1 }], soon.state).effects)).toMatchObject([{ phase: 'ended' }])
})

it('says that it is completing only where keeping the output takes noticeable time', () => {
  const phases = (stdoutBytes: number) => {
    const end: PilotEvent = { kind: 'ended', ...one, result: exited({ stdoutBytes }) }
    return reports(run([...linked, assigned, started, end, kept, flush]).effects).map(({ phase }) => phase)
  }
  expect(phases(64 * 1024 - 1)).toEqual(['running', 'ended'])
  expect(phases(64 * 1024)).toEqual(['running', 'completing', 'ended'])
})

it('resends what was not acknowledged after a reconnect, under the same ids, and says what it holds', () => {
  const { state } = run([...linked, assigned, started, ended, flush, { kind: 'assigned', task: task({ jobId: 2 }) }, flush])
  const { effects } = run([{ kind: 'unlinked' }, flush, ...linked, flush], state)
  expect(effects[0]).toEqual({ kind: 'send', message: { kind: 'hello', held: [one, two] } })
  expect(reports(effects).map(({ reportId, phase }) => [reportId, phase])).toEqual([
    [1, 'running'],
    [2, 'ended'],
  ])
  expect(messages(effects)[0]).toMatchObject({ renew: [one, two], offer: { cores: 3, received: 0 } })
})

it('says nothing before the welcome', () => {
  expect(messages(run([{ kind: 'linked' }, assigned, flush]).effects)).toEqual([])
})

it('offers nothing any more when it drains, and finishes what it has', () => {
  const { effects, state } = run([...linked, assigned, { kind: 'drain' }, flush])
  expect(offers(effects)).toMatchObject([{ maxJobs: 0 }])
  expect(statusOf(state)).toMatchObject({ state: 'draining', payloads: 1 })
})

it('renews every attempt from the welcome on and every renewEveryMs', () => {
  const { effects } = run([...linked, assigned, flush, renewEveryMs - 1, flush, renewEveryMs, flush])
  expect(messages(effects).map(({ renew }) => renew)).toEqual([[one], [one]])
})

it('counts a lease from when the confirmed renewal was sent, not from when the answer came', () => {
  const sentMs = renewEveryMs
  const { state } = run([
    ...linked,
    assigned,
    flush,
    { kind: 'renewed' },
    sentMs,
    flush,
    sentMs + 20_000,
    { kind: 'renewed' },
  ])
  const endMs = sentMs + leaseMs - leaseMarginMs
  expect(kinds(run([endMs - 1, { kind: 'tick' }], state).effects)).toBe('')
  expect(run([endMs, { kind: 'tick' }], state).effects).toMatchObject([{ kind: 'stop', why: 'lease ended without contact' }])
})

it('takes an answer for the first renewal that it may answer', () => {
  const { state } = run([...linked, assigned, flush, renewEveryMs, flush, { kind: 'renewed' }])
  expect(state.held.get('1.1')?.leaseFromMs).toBe(0)
})

it('leaves a stop its time within a short lease', () => {
  const { state } = run([...linked, { kind: 'assigned', task: task({ leaseMs: 4000 }) }])
  expect(run([3000, { kind: 'tick' }], state).effects).toMatchObject([{ kind: 'stop', graceMs: 500 }])
})

it('is idle since it let go of its last attempt', () => {
  const { state } = run([...linked, 5, assigned, 7, started, 9, ended, flush, 11, { ...ack }])
  expect(statusOf(state)).toEqual({ state: 'idle', payloads: 0, idleSinceMs: 11 })
  expect(statusOf(startPilot(start, 3).state)).toEqual({ state: 'starting', payloads: 0, idleSinceMs: 3 })
})

it('owes in the next life what it owed in this one', () => {
  const recovered = [{ ...one, size, reportId: 7, result: exited({ stdoutBytes: 1 }) }]
  const life = startPilot({ ...start, firstReportId: 100, recovered }, 0)
  expect(kinds(life.effects)).toBe('record keep')
  const { effects } = run([...linked, kept, flush], life.state)
  expect(reports(effects)).toMatchObject([{ ...one, reportId: 7, phase: 'ended' }])
})

/**
 * A service and a machine that do everything in any order; what they cannot do, such as an ack of what was not sent, is
 * skipped.
 */
const moves = ['assign', 'again', 'start', 'end', 'keep', 'ack', 'cut', 'link', 'stop', 'later', 'flush'] as const
const move = fc.record({ kind: fc.constantFrom(...moves), pick: fc.nat(7) })

it('starts an attempt at most once and reports its end under one id, whatever happens in whatever order', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 120 }), (chosen) => {
      const world = newWorld()
      for (const { kind, pick } of chosen) world.move(kind, pick)
      world.heal()
      expect([...world.starts.values()].every((count) => count === 1)).toBe(true)
      expect([...world.ends.keys()].sort()).toEqual([...world.assigned].sort())
      expect([...world.ends.values()].every((ids) => ids.size === 1)).toBe(true)
      expect(world.state().held.size).toBe(0)
      expect(world.state().reports).toEqual([])
    }),
    { numRuns: 300 },
  )
})

function newWorld() {
  let state = startPilot(start, 0).state
  let nowMs = 0
  const assigned = new Set<string>()
  const starts = new Map<string, number>()
  const ends = new Map<string, Set<number>>()
  const starting = new Set<number>()
  const running = new Set<number>()
  const keeping = new Set<number>()
  let unacked: { jobId: JobId; attempt: number; reportId: number }[] = []

  function take(event: PilotEvent): void {
    const taken = step(state, event, nowMs)
    state = taken.state
    for (const effect of taken.effects) {
      if (effect.kind === 'start') {
        starts.set(`${effect.task.jobId}`, (starts.get(`${effect.task.jobId}`) ?? 0) + 1)
        starting.add(effect.task.jobId)
      }
      if (effect.kind === 'keep') keeping.add(effect.jobId)
    }
    for (const report of reports(taken.effects)) {
      unacked.push(report)
      if (report.phase !== 'ended') continue
      ends.set(`${report.jobId}`, (ends.get(`${report.jobId}`) ?? new Set()).add(report.reportId))
    }
  }

  function nth(from: ReadonlySet<number>, pick: number): { jobId: JobId; attempt: number } | undefined {
    const jobId = [...from][pick % Math.max(1, from.size)]
    return jobId === undefined ? undefined : { jobId: jobId as JobId, attempt: 1 }
  }

  function move(kind: (typeof moves)[number], pick: number): void {
    const up = state.link.state === 'up'
    switch (kind) {
      case 'assign':
      case 'again': {
        const known = [...assigned]
        const jobId = kind === 'assign' ? assigned.size + 1 : Number(known[pick % Math.max(1, known.length)] ?? 0)
        if (!up || jobId === 0) return
        assigned.add(`${jobId}`)
        take({ kind: 'assigned', task: task({ jobId, cores: 1 + (pick % 3) }) })
        break
      }
      case 'start': {
        const ref = nth(starting, pick)
        if (!ref) return
        starting.delete(ref.jobId)
        running.add(ref.jobId)
        take({ kind: 'started', ...ref, startedMs: nowMs })
        break
      }
      case 'end': {
        const ref = nth(running, pick) ?? nth(starting, pick)
        if (!ref) return
        running.delete(ref.jobId)
        starting.delete(ref.jobId)
        take({ kind: 'ended', ...ref, result: exited({ stdoutBytes: pick % 2 }) })
        break
      }
      case 'keep': {
        const ref = nth(keeping, pick)
        if (!ref) return
        keeping.delete(ref.jobId)
        take({ kind: 'kept', ...ref })
        break
      }
      case 'ack': {
        const report = unacked[pick % Math.max(1, unacked.length)]
        if (up && report) take({ kind: 'acked', ...report, refusal: '' })
        break
      }
      case 'cut':
        unacked = []
        take({ kind: 'unlinked' })
        break
      case 'link':
        if (state.link.state === 'down') for (const event of linked) take(event)
        break
      case 'stop': {
        const ref = nth(running, pick)
        if (up && ref) take({ kind: 'stop', ...ref, why: 'killed' })
        break
      }
      case 'later':
        nowMs += 10_000
        take({ kind: 'tick' })
        break
      case 'flush':
        take(flush)
        break
    }
  }

  function heal(): void {
    move('cut', 0)
    for (let round = 0; round < 1000 && (round === 0 || state.held.size > 0); round += 1) {
      for (const kind of ['link', 'start', 'end', 'keep', 'flush'] as const) move(kind, 0)
      for (const report of unacked.splice(0)) take({ kind: 'acked', ...report, refusal: '' })
    }
  }

  return { move, heal, assigned, starts, ends, state: () => state }
}
