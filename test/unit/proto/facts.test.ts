/** Every group of facts crosses the wire with its data typed and whole; what fits no group comes over as text. */

import { expect, test } from 'vitest'
import { type Fact, type FactData, knownFact, type Subject } from '../../../core/model/fact-shapes.ts'
import { factText } from '../../../core/model/facts.ts'
import { factOfWire, factToWire } from '../../../proto/codec/facts.ts'
import * as wire from '../../../proto/gen/pilotage/v1/job.ts'

const fact = (subject: Subject, kind: string, data: FactData): Fact => ({
  seq: 3,
  atMs: 1_700_000_000_123,
  subject,
  kind,
  data,
})

const facts: readonly Fact[] = [
  fact('job:1', 'Done', { attempt: 1, vm: 'vm-a', cores: 1, end: 'exited', exitCode: 0, wallMs: 5, peakMemoryBytes: 7 }),
  fact('job:1', 'Waiting', {}),
  fact('job:1', 'Submitted', { owner: 'a', group: 'b', vo: 'c' }),
  fact('vm:vm-a', 'Failed', { cloud: 'here', flavor: 'small', why: 'gone' }),
  fact('vm:vm-a', 'less than promised', {
    cores: 3,
    promisedCores: 4,
    memoryBytes: 23,
    promisedMemoryBytes: 24,
    diskBytes: 0,
    promisedDiskBytes: 9,
  }),
  fact('vm:vm-a', 'room reserved', { queue: 'c', job: 7, why: 'it waits' }),
  fact('vm:vm-a', 'console', { text: 'no init' }),
  fact('vm:vm-a', 'activation refused', { why: 'key-used' }),
  fact('image:alma', 'Revoked', { by: 'eve', why: 'a hole' }),
  fact('submission:4', 'Submitted', { vo: 'c', group: 'b', owner: 'a', firstId: 4, count: 2 }),
  fact('cloud:here', 'role taken', { holder: 'x', fence: 3 }),
  fact('cloud:here', 'breaker opened', { scope: 'cloud:here', why: 'x', backoffMs: 60_500 }),
  fact('cloud:here', 'breaker closed', { scope: 'cloud:here' }),
  fact('vm:vm-a', 'Requested', { cloud: 'here', flavor: 'small', ref: '7', why: 'jobs wait', said: 'PENDING: no room' }),
  fact('vm:vm-a', 'cannot be ended', { cloud: 'here', ref: '7', tries: 60, forMs: 600_000, why: 'LCM_INIT' }),
  fact('cloud:here', 'orphan destroyed', { vm: 'vm-a', ref: '7', why: 'no record' }),
  fact('cloud:here', 'plan', { create: 2, 'hold quota': 'full' }),
]

function carried(one: Fact): Fact & { readonly text: string } {
  return factOfWire(wire.Fact.decode(wire.Fact.encode(factToWire(one)).finish()))
}

test.each(facts)('$subject $kind', (one) => {
  expect(knownFact(one).group).not.toBe('other')
  expect(carried(one)).toEqual({ ...one, text: factText(one) })
})

test('a fact of another version comes over as text', () => {
  const strange = fact('vm:vm-a', 'slept', { minutes: 3, deep: true })
  expect(carried(strange)).toMatchObject({ kind: 'slept', data: { minutes: '3', deep: 'true' } })
})
