/**
 * The texts of an explanation: one case for every kind of finding, place and note, and the same data as a client reads them.
 */

import { expect, it } from 'vitest'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { RuleOutcome } from '../../../core/language/rule.ts'
import { explanationOfWire, explanationToWire } from '../../../proto/codec/explanations.ts'
import { ExplainJobResponse } from '../../../proto/gen/pilotage/v1/job.ts'
import type { ClassDifference, Explained, Finding, Place, PlaceNote } from '../../../services/jobs/explanation.ts'
import type { Blocked } from '../../../services/jobs/ports.ts'
import { explanationView, noteText, placeText, summaryText } from '../../../services/views/explanation.ts'

const vmId = 'vm-a' as VmId
const offering: Place = { kind: 'offering', cloud: 'north', flavor: 'small', image: 'el9' }
const vm: Place = { ...offering, kind: 'vm', vmId, state: 'Active', ref: 'srv-1' }
const broken: readonly RuleOutcome[] = [
  { rule: 'cores', holds: false, wanted: '64', offered: '4' },
  { rule: 'memory', holds: false, wanted: '8 GiB', offered: '2 GiB' },
]
const limit = { name: 'vms', used: 4, max: 4 } as const
const full: Blocked = { cloud: 'north', cause: { why: 'limit', limit } }
const ramp: Blocked = { ...full, cause: { why: 'ramp', words: 'enough' } }
const none = { jobsAhead: 0, hasMoreAhead: false }

function explained(finding: Finding, more: Partial<Explained> = {}): Explained {
  return { jobId: 17 as JobId, state: 'Waiting', finding, classDifferences: [], blocked: [], places: [], ...more }
}

const findings: readonly (readonly [Finding, Explained['state'], string])[] = [
  [{ kind: 'forgotten' }, 'Done', 'job 17 is Done: its specification is not stored any more'],
  [{ kind: 'never-started' }, 'Killed', 'job 17 is Killed: it never started'],
  [{ kind: 'runs', attempt: 1, vmId, cores: 1 }, 'Running', 'job 17 is Running: attempt 1 runs on vm-a with 1 core'],
  [{ kind: 'ran', attempt: 2, vmId, cores: 8 }, 'Failed', 'job 17 is Failed: attempt 2 ran last on vm-a with 8 cores'],
  [{ kind: 'held', why: 'by alice' }, 'Held', 'job 17 is Held: by alice'],
  [
    { kind: 'no-place', ...none },
    'Waiting',
    'job 17 waits: no cloud is configured and no VM exists; no job before it in its task queue',
  ],
  [
    { kind: 'no-fit', closest: offering, broken },
    'Waiting',
    'job 17 cannot run: no VM or offering satisfies its requirements; closest: offering north/small/el9 (cores: wanted 64, offered 4; memory: wanted 8 GiB, offered 2 GiB)',
  ],
  [
    { kind: 'waits-for-turn', vmsWithRoom: 1, jobsAhead: 1, hasMoreAhead: false },
    'Waiting',
    'job 17 waits for its turn: 1 VM has room for it; 1 job before it in its task queue',
  ],
  [
    { kind: 'waits-for-turn', vmsWithRoom: 2, jobsAhead: 50, hasMoreAhead: true },
    'Waiting',
    'job 17 waits for its turn: 2 VMs have room for it; more than 50 jobs before it in its task queue',
  ],
  [
    { kind: 'waits-for-room', busyVms: 3, comingVms: 1, ...none },
    'Waiting',
    'job 17 waits for room: VMs that suit it: 3 up and busy, 1 coming; no job before it in its task queue',
  ],
  [
    { kind: 'waits-for-reserved', vmId, reservedMs: Date.UTC(2026, 10, 30, 14), freeCores: 3, cores: 8, ...none },
    'Waiting',
    'job 17 waits for room: VM vm-a keeps its room for this task queue since 2026-11-30T14:00:00.000Z, and 3 of 8 cores are free; no job before it in its task queue',
  ],
]

it.each(findings)('says what was found: %o', (finding, state, text) => {
  expect(summaryText(explained(finding, { state }))).toBe(text)
})

it('names where the task queue asks for more, if that is seen in print', () => {
  const gib = 1024 ** 3
  const classDifferences: readonly ClassDifference[] = [
    { requirement: 'memoryBytes', own: Math.round(7.7 * gib), ofClass: 8 * gib },
    { requirement: 'diskBytes', own: 8_000_000_000, ofClass: 8_000_000_001 },
    { requirement: 'wallMs', own: 3_500_000, ofClass: 3_600_000 },
  ]
  const text = summaryText(explained({ kind: 'forgotten' }, { classDifferences }))
  expect(text).toMatch(/; it queues with similar jobs: memory 7.7 GiB as 8 GiB, wall time 58 min 20 s as 1 h$/)
})

it('names five clouds that the plan blocks, and counts the rest', () => {
  const blocked = Array.from({ length: 7 }, (_, at): Blocked => ({ ...full, cloud: `c${at}` }))
  const text = summaryText(explained({ kind: 'forgotten' }, { blocked }))
  expect(text).toMatch(/; the last plan makes no VM for it on c0 \(limit: 4 of 4 VMs\), .*, c4 \(.*\) and 2 more$/)
})

it.each<[Place, string]>([
  [vm, 'vm vm-a (Active, north/small, srv-1)'],
  [{ ...vm, ref: '' }, 'vm vm-a (Active, north/small)'],
  [offering, 'offering north/small/el9'],
])('names a place: %o', (place, text) => {
  expect(placeText(place)).toBe(text)
})

it.each<[PlaceNote | undefined, string]>([
  [undefined, ''],
  [{ kind: 'busy' }, 'busy: it fits when running jobs have ended'],
  [{ kind: 'blocked', by: [full, ramp] }, 'blocked by the plan: limit: 4 of 4 VMs; ramp: enough'],
  [{ kind: 'whole-vm' }, 'the whole VM, as it was when the job was matched'],
])('says what else is to be known about a place: %o', (note, text) => {
  expect(noteText(note)).toBe(text)
})

/** As a client gets it. */
function sent(from: Explained) {
  const bytes = ExplainJobResponse.encode(explanationToWire(explanationView(from))).finish()
  return explanationOfWire(ExplainJobResponse.decode(bytes))
}

const empty = { attempt: 0, vmId: '', cores: 0, why: '', vmsWithRoom: 0, busyVms: 0, comingVms: 0, ...none }

it.each(findings)('travels to a client: %o', (finding, state, summary) => {
  const { closest: _, broken: __, ...fields } = { closest: undefined, broken: undefined, ...finding }
  expect(sent(explained(finding, { state }))).toMatchObject({ summary, finding: { ...empty, ...fields } })
})

it('travels with its places, the plan and the task queue', () => {
  const places = [
    { place: vm, fits: false, rules: broken, note: { kind: 'busy' } as const },
    { place: offering, fits: true, rules: [], note: { kind: 'blocked', by: [full] } as const },
    { place: offering, fits: true, rules: [] },
  ]
  const difference: ClassDifference = { requirement: 'diskBytes', own: 1, ofClass: 2 }
  const answer = sent(explained({ kind: 'forgotten' }, { places, blocked: [full], classDifferences: [difference] }))
  const { kind: _, ...offered } = offering
  expect(answer).toMatchObject({
    classDifferences: [{ rule: 'disk', own: 1, ofClass: 2 }],
    blocked: [{ cloud: 'north', cause: 'limit', reason: '4 of 4 VMs', limit }],
    places: [
      {
        ...offered,
        place: placeText(vm),
        vmId,
        fits: false,
        rules: broken,
        note: noteText({ kind: 'busy' }),
        noteKind: 'busy',
      },
      { ...offered, place: placeText(offering), vmId: '', noteKind: 'blocked' },
      { ...offered, vmId: '', note: '', noteKind: '' },
    ],
  })
})

it('is read from a service that sends texts alone', () => {
  const old = ExplainJobResponse.fromPartial({ summary: 'job 1 waits', places: [{ place: 'vm vm-a', note: 'busy' }] })
  expect(explanationOfWire({ ...old, finding: undefined })).toMatchObject({
    summary: 'job 1 waits',
    finding: { ...empty, kind: '' },
    places: [{ place: 'vm vm-a', note: 'busy', noteKind: '' }],
  })
})
