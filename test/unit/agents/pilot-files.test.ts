/**
 * What the pilot's machine decides of files: when they are kept before an end is reported, and what a restart says of them.
 */

import { expect, it } from 'vitest'
import { recover } from '../../../agents/pilot/leftovers.ts'
import { replay } from '../../../agents/pilot/journal.ts'
import { type PilotEvent, startPilot, statusOf, step, withoutPayload } from '../../../agents/pilot/pilot.ts'
import type { PilotEffect } from '../../../agents/pilot/state.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { Result } from '../../../core/model/attempt.ts'
import { noAmounts } from '../../../core/model/resources.ts'
import { sampleResult } from '../../../sim/samples.ts'
import { mib, task } from './tasks.ts'

const one = { jobId: 1 as JobId, attempt: 1 }
const size = { cores: 4, ...noAmounts, memoryBytes: 1024 * mib, diskBytes: 1024 * mib }
const welcome: PilotEvent = { kind: 'welcome', leaseMs: 90_000, renewEveryMs: 25_000 }

function run(...events: PilotEvent[]) {
  let { state } = startPilot({ size, leaseMarginMs: 20_000, maxJobs: 10, firstReportId: 1, recovered: [] }, 0)
  const effects: PilotEffect[] = []
  for (const event of events) {
    const next = step(state, event, 0)
    state = next.state
    effects.push(...next.effects)
  }
  return { state, effects }
}

const before: readonly PilotEvent[] = [
  { kind: 'linked' },
  welcome,
  { kind: 'assigned', task: task({ outputFiles: ['out'] }) },
  { kind: 'started', ...one, startedMs: 1 },
]
const ended = (result: Result): PilotEvent => ({ kind: 'ended', ...one, result })

it.each<[string, Partial<Result>]>([
  ['exited', {}],
  ['with another code', { exitCode: 3 }],
  ['by a signal', { end: 'signalled', signal: 'SIGSEGV' }],
  ['at its wall limit', { end: 'wall-limit' }],
  ['at its disk limit', { end: 'disk-limit' }],
])('keeps output files of a payload that ended %s, before its end is reported', (_, changes) => {
  const { state, effects } = run(...before, ended(sampleResult(changes)))
  expect(effects.at(-1)).toMatchObject({ kind: 'keep', owesFiles: true })
  expect(state.reports.map(({ phase }) => phase)).toEqual(['running', 'completing'])
  const kept = step(state, { kind: 'kept', ...one, lost: 'output files that were not kept: x' }, 0)
  expect(kept.state.reports.at(-1)).toMatchObject({
    phase: 'ended',
    result: { detail: 'output files that were not kept: x' },
  })
})

it.each(['stopped', 'not-started'] as const)('keeps none of a payload that was %s', (end) => {
  const { state, effects } = run(...before, ended(withoutPayload(end, 'why')))
  expect(effects.filter(({ kind }) => kind === 'keep')).toEqual([])
  expect(state.reports.at(-1)).toMatchObject({ phase: 'ended', result: { end } })
})

it('pauses after inputs that the service did not give, and does not call itself unhealthy', () => {
  const failed: PilotEvent = { ...ended(withoutPayload('not-started', 'no input')), isServiceFault: true } as PilotEvent
  const assigned = (jobId: number): PilotEvent => ({ kind: 'assigned', task: task({ jobId }) })
  const events = [1, 2, 3, 4].flatMap((jobId): PilotEvent[] => [
    assigned(jobId),
    { ...failed, jobId: jobId as JobId } as PilotEvent,
  ])
  const { state } = run({ kind: 'linked' }, welcome, ...events)
  expect(state.pausedUntilMs).toBeGreaterThan(0)
  expect(statusOf(state).unhealthy).toBeUndefined()
})

it('says after a restart that files were lost, unless they were delivered or there were none to keep', () => {
  const line = (row: object): string => JSON.stringify(row)
  const taken = { kind: 'taken', ...one, size, hasOutputFiles: true }
  const end = (result: Result) => ({ kind: 'ended', ...one, reportId: 7, result })
  const detailOf = (...rows: object[]) => recover(replay(rows.map(line).join('\n'))).recovered[0]?.result.detail
  const lost = 'output files were not kept: the pilot was started anew before they were delivered'
  expect(detailOf(taken, end(sampleResult()))).toBe(lost)
  expect(detailOf(taken, end(sampleResult()), { kind: 'kept', ...one })).toBe('')
  expect(detailOf(taken, end(withoutPayload('stopped', 'killed')))).toBe('killed')
  expect(detailOf({ ...taken, hasOutputFiles: undefined }, end(sampleResult()))).toBe('')
})
