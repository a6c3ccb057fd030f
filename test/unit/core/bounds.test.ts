/** Small rules with bounds: how far a caller reaches, what may wait, how often an alarm is due, when to try again. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bearerToken } from '../../../core/access/bearer.ts'
import { callerFor, sees, seesVm, standingOf, visibleVo } from '../../../core/access/caller.ts'
import { reaches } from '../../../core/access/reach.ts'
import { backoff } from '../../../core/kernel/backoff.ts'
import { asPilotageError, PilotageError, shown } from '../../../core/kernel/errors.ts'
import { isJobId, isVmId, newVmId, type VmId } from '../../../core/kernel/ids.ts'
import { jitter, seededRandom } from '../../../core/kernel/random.ts'
import type { Identity, UserRole } from '../../../core/model/owner.ts'
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

describe('a caller', () => {
  const identity = (roles: readonly UserRole[]): Identity => ({ kind: 'user', owner: ann, roles })
  const of = (changes: object): typeof ann => ({ ...ann, ...changes })

  it('reaches as far as the farthest role, and sees as far as jobs may be read', () => {
    expect(callerFor('job.kill', identity(['user']))).toEqual({ owner: ann, reach: 'own', sight: 'vo' })
    expect(callerFor('job.kill', identity(['user', 'operator']))).toEqual({ owner: ann, reach: 'any', sight: 'any' })
  })

  it('is refused without a credential, as a VM, and without a role for it', () => {
    const vm = { kind: 'vm', vmId: 'vm-aaaaaaaaaa' } as unknown as Identity
    expect(() => callerFor('job.kill', undefined)).toThrow(expect.objectContaining({ code: 'unauthenticated' }))
    for (const refused of [vm, identity([])]) {
      expect(() => callerFor('job.kill', refused)).toThrow(expect.objectContaining({ code: 'forbidden' }))
    }
    expect(() => callerFor('vm.session', vm)).toThrow(expect.objectContaining({ code: 'forbidden' }))
  })

  it('stands to a thing as the reach says, and else as the sight says', () => {
    const caller = callerFor('job.kill', identity(['user']))
    const standings = [of({}), of({ owner: 'ben' }), of({ vo: 'bio' })].map((owner) => standingOf(caller, owner))
    expect(standings).toEqual(['reached', 'forbidden', 'unknown'])
    expect(standingOf({ owner: ann, reach: 'own' }, of({ owner: 'ben' }))).toBe('unknown')
    expect([of({}), of({ owner: 'ben' })].map((owner) => sees(caller, owner))).toEqual([true, false])
  })

  it('sees the VMs that serve the VO or every VO', () => {
    const caller = callerFor('vm.list', identity(['user']))
    const seen = [['astro'], ['bio', 'astro'], ['bio'], []].map((vos) => seesVm(caller, { vos }))
    expect(seen).toEqual([true, true, false, true])
    expect(seesVm(callerFor('vm.list', identity(['admin'])), { vos: ['bio'] })).toBe(true)
    expect([visibleVo(caller), visibleVo({ owner: ann, reach: 'any' })]).toEqual(['astro', undefined])
  })
})

describe('an error', () => {
  it('keeps what it knows, and knows nothing that it was not given', () => {
    const cause = new Error('planted')
    const violation = { path: 'a', value: '1', rule: 'odd', accepted: '2' }
    const full = new PilotageError('overloaded', 'busy', {
      violations: [violation],
      retryAfterMs: 5,
      notes: { a: 'b' },
      cause,
    })
    expect(full).toMatchObject({
      name: 'PilotageError',
      code: 'overloaded',
      message: 'busy',
      retryAfterMs: 5,
      notes: { a: 'b' },
    })
    expect([full.violations, full.cause]).toEqual([[violation], cause])
    const bare = new PilotageError('internal', 'no')
    expect([bare.violations, bare.retryAfterMs, bare.notes, bare.cause]).toEqual([[], 0, {}, undefined])
  })

  it('of the world gets a code, and one of ours keeps its own', () => {
    const own = new PilotageError('conflict', 'twice')
    expect(asPilotageError(own, 'writing')).toBe(own)
    const thrown = new Error('planted')
    expect(asPilotageError(thrown, 'writing')).toMatchObject({
      code: 'internal',
      message: 'writing: planted',
      cause: thrown,
    })
    expect(asPilotageError('text', 'writing').message).toBe('writing: text')
  })

  it.each([
    ['a', 'a'],
    [7, '7'],
    [{ a: 1 }, '{"a":1}'],
    [undefined, 'undefined'],
    ['a'.repeat(100), 'a'.repeat(100)],
    ['a'.repeat(101), `${'a'.repeat(97)}...`],
  ])('shows %j shortened', (value, text) => {
    expect(shown(value)).toBe(text)
  })
})
