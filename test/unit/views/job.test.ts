/** One view of a job for every edge: what the gRPC messages and the dashboard show of it is made here. */

import { describe, expect, it } from 'vitest'
import type { ClassId, JobId, VmId } from '../../../core/kernel/ids.ts'
import { ends } from '../../../core/model/attempt.ts'
import { jobFact } from '../../../core/model/facts.ts'
import type { JobEvent } from '../../../core/model/job-event.ts'
import type { Job, Phase } from '../../../core/model/job.ts'
import { jobOfWire, jobToWire } from '../../../proto/codec/jobs.ts'
import { jobView } from '../../../services/views/job.ts'
import { alice, sampleResult } from '../../../sim/samples.ts'

const vmId = 'vm-aaaaaaaaaa' as VmId
const lease = { vmId, cores: 2, claimedMs: 10, untilMs: 9000 }
const asked = { ...lease, stop: { kind: 'kill', by: 'ada', atMs: 30 } } as const
const result = sampleResult({ startedMs: 15 })
const places = new Map([[vmId, { site: 'home', cloud: 'here' }]])

function jobIn(phase: Phase): Job {
  return {
    ...alice,
    id: 7 as JobId,
    classId: '0123456789abcdef' as ClassId,
    needs: { memoryBytes: 1, diskBytes: 2, wallMs: 3 },
    name: 'sample',
    priority: 1,
    maxAttempts: 3,
    machineLosses: 1,
    maxMachineLosses: 10,
    jobGroup: '',
    jobType: '',
    submittedMs: 5,
    changedMs: 20,
    attempt: 1,
    phase,
  }
}

const nowhere = { vmId: '', site: '', cloud: '', cores: 0, startedMs: 0, endedMs: 0, result: undefined }
const onVm = { ...nowhere, vmId, site: 'home', cloud: 'here', cores: 2 }
const ended = { ...onVm, startedMs: 15, endedMs: 20, result: expect.objectContaining({ startedMs: 15 }) }

const cases: readonly (readonly [name: string, phase: Phase, seen: object])[] = [
  ['Waiting', { state: 'Waiting' }, { ...nowhere, reason: '' }],
  ['Held', { state: 'Held', why: 'held by ada' }, { ...nowhere, reason: 'held by ada' }],
  ['Matched', { state: 'Matched', lease }, { ...onVm, reason: '' }],
  ['Matched, asked', { state: 'Matched', lease: asked }, { ...onVm, reason: 'kill asked by ada' }],
  ['Running', { state: 'Running', lease, startedMs: 12 }, { ...onVm, startedMs: 12, reason: '' }],
  [
    'Running, asked',
    { state: 'Running', lease: asked, startedMs: 12 },
    { ...onVm, startedMs: 12, reason: 'kill asked by ada' },
  ],
  ['Done, asked too late', { state: 'Done', lease: asked, result }, { ...ended, reason: '' }],
  ['Failed', { state: 'Failed', why: 'exit code 1', lease, result }, { ...ended, reason: 'exit code 1' }],
  ['Killed', { state: 'Killed', why: 'killed by ada', lease: asked, result }, { ...ended, reason: 'killed by ada' }],
  ['Killed, never started', { state: 'Killed', why: 'killed by ada' }, { ...nowhere, endedMs: 20, reason: 'killed by ada' }],
]

describe('a job as every edge shows it', () => {
  it.each(cases)('%s', (_, phase, seen) => {
    const message = jobOfWire(jobToWire(jobView(jobIn(phase), places)))
    expect(message).toMatchObject({ jobId: 7, state: phase.state, submittedMs: 5, changedMs: 20, ...seen })
  })

  it.each(cases)('has each field of the record but its phase: %s', (_, phase) => {
    const job = jobIn(phase)
    const { phase: _phase, ...fields } = job
    expect(jobView(job)).toMatchObject({ ...fields, state: phase.state })
  })

  it.each(ends)('has an exit code only of a payload that exited: %s', (end) => {
    const phase: Phase = { state: 'Failed', why: '', lease, result: sampleResult({ end, exitCode: 0 }) }
    const exitCode = end === 'exited' ? 0 : undefined
    const view = jobView(jobIn(phase))
    expect(JSON.parse(JSON.stringify(view.result)).exitCode).toBe(exitCode)
    expect(jobToWire(view).result?.exitCode).toBe(exitCode)
    const before = jobIn({ state: 'Running', lease, startedMs: 12 })
    const event: JobEvent = { kind: 'ended', jobId: before.id, attempt: 1, vmId, result: sampleResult({ end, exitCode: 0 }) }
    expect(jobFact(before, jobIn(phase), event).data).toHaveProperty(['end'], end)
    expect((jobFact(before, jobIn(phase), event).data as { exitCode?: number }).exitCode).toBe(exitCode)
  })

  it('says nothing of a place that was not read', () => {
    const { site, cloud } = jobView(jobIn({ state: 'Matched', lease }))
    expect([site, cloud]).toEqual([undefined, undefined])
  })
})

describe('the fact of a change of a job', () => {
  const phases: Record<'waiting' | 'matched' | 'running' | 'asked', Phase> = {
    waiting: { state: 'Waiting' },
    matched: { state: 'Matched', lease },
    running: { state: 'Running', lease, startedMs: 12 },
    asked: { state: 'Running', lease: asked, startedMs: 12 },
  }
  const about = { jobId: 7 as JobId, attempt: 1 }
  const { vo, group, owner } = jobIn(phases.running)
  const lostAttempt = { ending: 'machine-lost', vo, group, owner, claimedMs: 10, startedMs: 12 }

  it.each<[string, Phase, Phase, JobEvent, string, object]>([
    ['a claim', phases.waiting, phases.matched, { kind: 'claim', ...about, vmId, cores: 2, untilMs: 1 }, 'Matched', {}],
    [
      'a kill of one that runs',
      phases.running,
      phases.asked,
      { kind: 'kill', ...about, by: 'ada', why: '' },
      'asked to kill',
      { by: 'ada' },
    ],
    [
      'a reschedule of one that runs',
      phases.running,
      phases.asked,
      { kind: 'reschedule', ...about, by: 'ada', why: '' },
      'asked to reschedule',
      { by: 'ada' },
    ],
    [
      'the loss of its VM',
      phases.running,
      phases.waiting,
      { kind: 'lost', ...about, why: 'gone' },
      'Waiting',
      { why: 'gone', ...lostAttempt },
    ],
    ['a loss for no reason', phases.running, phases.waiting, { kind: 'lost', ...about, why: '' }, 'Waiting', lostAttempt],
  ])('says of %s what it was, on which VM and with how many cores', (_, before, after, event, kind, rest) => {
    const fact = jobFact(jobIn(before), jobIn(after), event)
    expect(fact).toEqual({ subject: 'job:7', kind, data: { attempt: 1, vm: vmId, cores: 2, ...rest } })
  })

  it('names no VM where there is none, and no attempt before the first', () => {
    const before = { ...jobIn({ state: 'Waiting' }), attempt: 0 }
    const after = { ...before, phase: { state: 'Killed', why: 'killed by ada' } as const }
    const data = { by: 'ada', why: 'killed by ada' }
    expect(jobFact(before, after, { kind: 'kill', ...about, by: 'ada', why: '' })).toEqual({
      subject: 'job:7',
      kind: 'Killed',
      data,
    })
  })
})
