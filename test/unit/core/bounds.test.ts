/** Small rules with bounds: how far a caller reaches, what may wait, how often an alarm is due, when to try again. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bearerToken } from '../../../core/access/bearer.ts'
import { reaches } from '../../../core/access/reach.ts'
import { backoff } from '../../../core/kernel/backoff.ts'
import { isJobId, isVmId, newVmId, type VmId } from '../../../core/kernel/ids.ts'
import { jitter, seededRandom } from '../../../core/kernel/random.ts'
import { openAlarms } from '../../../core/model/overclaim.ts'
import { quotaRefusal } from '../../../core/model/quota.ts'
import { submissionKey } from '../../../core/model/submission-key.ts'

const ann = { vo: 'astro', group: 'sky', owner: 'ann' }

describe('reach', () => {
  it.each([
    [ann, [false, true, true, true]],
    [{ ...ann, owner: 'ben' }, [false, false, true, true]],
    [{ ...ann, group: 'sea' }, [false, false, true, true]],
    [{ ...ann, vo: 'bio' }, [false, false, false, true]],
  ])('to what belongs to %j', (owner, expected) => {
    expect((['none', 'own', 'vo', 'any'] as const).map((reach) => reaches(reach, ann, owner))).toEqual(expected)
  })
})

describe('a bearer', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    ['BEARER   abc', 'abc'],
    ['Bearer abc def', undefined],
    ['Bearer', undefined],
    ['Bearer ', undefined],
    ['Bearerabc', undefined],
    ['xBearer abc', undefined],
    ['Basic abc', undefined],
  ])('%j has the token %j', (text, token) => {
    expect(bearerToken(text)).toBe(token)
  })
})

describe('a quota', () => {
  const limit = { jobs: 10, taskQueues: 3 }

  it.each([
    [{ jobs: 0, taskQueues: 0 }, { jobs: 10, taskQueues: 3 }, undefined],
    [{ jobs: 9, taskQueues: 3 }, { jobs: 1, taskQueues: 0 }, undefined],
    [{ jobs: 12, taskQueues: 5 }, { jobs: 0, taskQueues: 0 }, undefined],
    [
      { jobs: 10, taskQueues: 0 },
      { jobs: 1, taskQueues: 0 },
      { what: 'jobs', limit: 10, used: 10, more: 1 },
    ],
    [
      { jobs: 0, taskQueues: 2 },
      { jobs: 2, taskQueues: 2 },
      { what: 'taskQueues', limit: 3, used: 2, more: 2 },
    ],
    [
      { jobs: 9, taskQueues: 3 },
      { jobs: 2, taskQueues: 1 },
      { what: 'jobs', limit: 10, used: 9, more: 2 },
    ],
  ])('with %j used, for %j more', (used, more, refusal) => {
    expect(quotaRefusal('vo', limit, used, more)).toEqual(refusal && { of: 'vo', ...refusal })
  })
})

describe('alarms', () => {
  const vm = (at: number): VmId => `vm-${at}` as VmId

  it('are due once per VM and minute', () => {
    const alarms = openAlarms()
    const due = [0, 1, 59_999, 60_000, 60_001, 120_000].map((atMs) => alarms.isDue(vm(1), 1000 + atMs))
    expect(due).toEqual([true, false, false, true, false, true])
    expect(alarms.isDue(vm(2), 1000)).toBe(true)
  })

  it('are due again after a clock that was set back', () => {
    const alarms = openAlarms()
    expect([5000, 4999, 5000].map((atMs) => alarms.isDue(vm(1), atMs))).toEqual([true, true, false])
  })

  it('are remembered for the last thousand VMs', () => {
    const alarms = openAlarms()
    for (let at = 0; at < 1000; at += 1) expect(alarms.isDue(vm(at), 0)).toBe(true)
    expect(alarms.isDue(vm(0), 0)).toBe(false)
    expect(alarms.isDue(vm(1000), 0)).toBe(true)
    expect([vm(1), vm(0)].map((one) => alarms.isDue(one, 0))).toEqual([false, true])
  })
})

describe('a backoff', () => {
  it('doubles its bound up to the largest, and begins anew after a reset', () => {
    const last = { next: () => 0.5, letters: () => '' }
    const delays = backoff(last, 100, 500)
    expect([1, 2, 3, 4, 5].map(() => delays.next())).toEqual([50, 100, 200, 250, 250])
    delays.reset()
    expect([delays.next(), delays.next()]).toEqual([50, 100])
  })

  it('spreads a delay from half of it to one and a half', () => {
    const at = (value: number): number => jitter(1000, { next: () => value, letters: () => '' })
    expect([0, 0.5, 0.999].map(at)).toEqual([500, 1000, 1499])
  })
})

describe('ids', () => {
  it('of VMs are recognised, and nothing else is', () => {
    for (let seed = 0; seed < 50; seed += 1) expect(isVmId(newVmId(seededRandom(seed)))).toBe(true)
    for (const text of ['', 'vm-', 'vm-abcdefghi', 'vm-abcdefghijk', 'xvm-abcdefghij', 'vm-ABCDEFGHIJ', 'vm-abcdefghi.']) {
      expect(isVmId(text)).toBe(false)
    }
  })

  it('of jobs are whole numbers from 1', () => {
    expect([1, 2 ** 53 - 1].map(isJobId)).toEqual([true, true])
    expect([0, -1, 1.5, 2 ** 53, Number.NaN].map(isJobId)).toEqual([false, false, false, false, false])
  })
})

describe('the key of a submission', () => {
  it('is one of its owner, and no text of a user spells one of the service', () => {
    const name = fc.string({ unit: fc.constantFrom('a', '"', ',', '[', ']', 'reschedule') })
    const part = fc.record({ owner: fc.record({ vo: name, group: name, owner: name }), key: name, isOurs: fc.boolean() })
    const keyOf = ({ owner, key, isOurs }: { owner: typeof ann; key: string; isOurs: boolean }): string =>
      submissionKey(owner, isOurs ? { key, space: 'reschedule' } : { key })
    fc.assert(
      fc.property(part, part, (a, b) => {
        expect(keyOf(a) === keyOf(b)).toBe(JSON.stringify(a) === JSON.stringify(b))
      }),
    )
  })
})
