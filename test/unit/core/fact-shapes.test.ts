/**
 * Every fact that is written is read back as one of its group; what fits no group is read as `other`, and never as something
 * else.
 */

import { expect, test } from 'vitest'
import {
  type FactData,
  factShapes,
  knownFact,
  newFact,
  type NewFact,
  type Subject,
} from '../../../core/model/fact-shapes.ts'

const groupOf = (fact: NewFact): string => knownFact({ ...fact, seq: 1, atMs: 1 }).group

test('facts are read as they were written', () => {
  const ended = { attempt: 1, vm: 'vm-a', cores: 1, end: 'exited', exitCode: 0, wallMs: 5, peakMemoryBytes: 7 } as const
  const facts = {
    job: newFact('job', 'job:1', 'Done', ended),
    submitted: newFact('submitted', 'job:1', 'Submitted', { owner: 'a', group: 'b', vo: 'c' }),
    vm: newFact('vm', 'vm:vm-a', 'Failed', { cloud: 'here', flavor: 'small', why: 'gone' }),
    console: newFact('console', 'vm:vm-a', 'console', { text: 'no init' }),
    activation: newFact('activation', 'vm:vm-a', 'activation refused', { why: 'key-used' }),
    image: newFact('image', 'image:alma', 'Revoked', { by: 'eve', why: 'a hole' }),
    submission: newFact('submission', 'submission:4', 'Submitted', {
      vo: 'c',
      group: 'b',
      owner: 'a',
      firstId: 4,
      count: 2,
    }),
    role: newFact('role', 'cloud:here', 'role taken', { holder: 'x', fence: 3 }),
    breaker: newFact('breaker', 'cloud:here', 'breaker opened', { scope: 'cloud:here', why: 'x', backoffMs: 5 }),
    ending: newFact('ending', 'vm:vm-a', 'cannot be ended', {
      cloud: 'here',
      ref: '7',
      tries: 60,
      forMs: 6e5,
      why: 'EPILOG',
    }),
    orphan: newFact('orphan', 'cloud:here', 'orphan destroyed', { vm: 'vm-a', ref: '7', why: 'no record' }),
    plan: newFact('plan', 'cloud:here', 'plan', { create: 2, 'hold quota': 'full' }),
  }
  expect(Object.values(facts).map(groupOf)).toEqual(Object.keys(facts))
})

test.each<[string, NewFact]>([
  ['an unknown kind', { subject: 'vm:vm-a', kind: 'slept', data: {} }],
  ['a kind of another subject', { subject: 'cloud:here', kind: 'Done', data: {} }],
  ['a field of another type', { subject: 'job:1', kind: 'Done', data: { attempt: 'one' } }],
  ['an unknown field', { subject: 'job:1', kind: 'Done', data: { attempt: 1, mood: 'good' } }],
  ['an unknown ending', { subject: 'job:1', kind: 'Done', data: { ending: 'slept' } }],
  ['an unknown end', { subject: 'job:1', kind: 'Done', data: { end: 'slept' } }],
  ['a missing field', { subject: 'vm:vm-a', kind: 'console', data: {} }],
  ['a plan of an unknown action', { subject: 'cloud:here', kind: 'plan', data: { dance: 1 } }],
])('%s is other', (_, fact) => expect(groupOf(fact)).toBe('other'))

const groups = Object.entries(factShapes)
const samples: Readonly<Record<string, string>> = { 'end?': 'exited', 'ending?': 'killed' }

test.each(groups)(
  'a fact of the group %s needs its fields, takes those that may be absent, and no value of another type',
  (group, shape) => {
    const sample = (field: string) => (field.startsWith('number') ? 7 : (samples[field] ?? 'some text'))
    const fields: readonly (readonly [string, string])[] = Object.entries(shape.data)
    const whole: FactData = Object.fromEntries(fields.map(([key, field]) => [key, sample(field)]))
    const without = (name: string): FactData => Object.fromEntries(Object.entries(whole).filter(([key]) => key !== name))
    for (const kind of shape.kinds) {
      const read = (data: FactData): string => groupOf({ subject: `${shape.subject}:x` as Subject, kind, data })
      expect(read(whole)).toBe(group)
      for (const [key, field] of fields) {
        expect(read(without(key)), `without ${key}`).toBe(field.endsWith('?') ? group : 'other')
        expect(read({ ...whole, [key]: typeof whole[key] === 'number' ? '7' : 7 }), `a wrong ${key}`).toBe('other')
        expect(read({ ...whole, [key]: true }), `a wrong ${key}`).toBe('other')
      }
    }
  },
)
