/**
 * What opens and closes the breaker of an image: VMs of it that are to blame, each once, and VMs that did what they were
 * made for and came up after it failed. Nothing else.
 */

import { describe, expect, it } from 'vitest'
import type { VmId } from '../../../core/kernel/ids.ts'
import type { Vm } from '../../../core/model/vm.ts'
import { openBreakers } from '../../../services/director/breakers.ts'
import { activeVm, sampleVm } from '../../../sim/samples.ts'

const policy = { failures: 2, backoffMs: 60_000, maxBackoffMs: 600_000 }
const failedMs = 1_000_000
const shape = { cloud: 'here', flavor: 'small', image: 'el9' }
const offering = sampleVm('offering', shape)
const upSince = (activeMs: number, changes: Partial<Vm> = {}): Vm =>
  activeVm('one', { ...shape, phase: { state: 'Active', ref: 'r', activeMs }, provenMs: activeMs + 9, ...changes })
const faulty = (name: string, changes: Partial<Vm> = {}): Vm =>
  sampleVm(name, {
    ...shape,
    fault: 'it never offers',
    phase: { state: 'Stopping', ref: 'r', why: 'idle' },
    changedMs: 5,
    ...changes,
  })

function opened() {
  const breakers = openBreakers('here', policy)
  breakers.learn([faulty('a'), faulty('b')], failedMs)
  expect(breakers.isOpen(offering, failedMs)).toBe(true)
  return breakers
}

describe('an open breaker is closed by', () => {
  const draining = { state: 'Draining', ref: 'r', activeMs: failedMs + 1, why: '' } as const
  it.each<[string, Vm, boolean]>([
    ['a VM of it that came up afterwards and is proven', upSince(failedMs + 1), true],
    ['a VM of it that drains, came up afterwards and is proven', upSince(failedMs + 1, { phase: draining }), true],
    ['a VM of it that has ended, and was proven', upSince(failedMs + 1, { phase: { ...draining, state: 'Gone' } }), true],
    ['not by one that merely came up', upSince(failedMs + 1, { provenMs: undefined }), false],
    ['not by one that came up before', upSince(failedMs - 1), false],
    ['not by one that came up at that moment', upSince(failedMs), false],
    ['not by one that has not come up', sampleVm('one', { ...shape, phase: { state: 'Booting', ref: 'r' } }), false],
    ['not by one of another image', upSince(failedMs + 1, { image: 'el8' }), false],
    ['not by one of another flavor', upSince(failedMs + 1, { flavor: 'large' }), false],
    ['not by one of another cloud', upSince(failedMs + 1, { cloud: 'there' }), false],
    ['not by a squid of the same image', upSince(failedMs + 1, { service: 'squid' }), false],
  ])('%s', (_, vm, closes) => {
    const breakers = opened()
    breakers.learn([vm], failedMs)
    expect(breakers.isOpen(offering, failedMs)).toBe(!closes)
    const news = breakers.news().map(({ kind }) => kind)
    expect(news).toEqual(closes ? ['breaker opened', 'breaker closed'] : ['breaker opened'])
  })
})

describe('a VM that is to blame', () => {
  it('counts once, however often it is looked at, and its reason is shown', () => {
    const breakers = openBreakers('here', policy)
    for (let look = 0; look < 5; look += 1) breakers.learn([faulty('a')], failedMs + look)
    expect(breakers.isOpen(offering, failedMs)).toBe(false)
    breakers.learn([faulty('a'), faulty('b')], failedMs)
    expect(breakers.isOpen(offering, failedMs)).toBe(true)
    const why = `${faulty('b').id}: it never offers`
    const data = { scope: 'image:here/small/el9', why, backoffMs: policy.backoffMs }
    expect(breakers.news()).toEqual([{ subject: 'cloud:here', kind: 'breaker opened', data }])
  })

  it('counts once also if another director goes on', () => {
    const first = openBreakers('here', policy)
    first.learn([faulty('a')], failedMs)
    const next = openBreakers('here', policy, first.kept())
    next.learn([faulty('a')], failedMs + 1)
    expect(next.isOpen(offering, failedMs + 1)).toBe(false)
    next.learn([faulty('b')], failedMs + 1)
    expect(next.isOpen(offering, failedMs + 1)).toBe(true)
  })

  it('is remembered only while it lives', () => {
    const breakers = openBreakers('here', policy)
    breakers.learn([faulty('a'), faulty('b')], failedMs)
    breakers.forget(new Map<VmId, Vm>([[faulty('b').id, faulty('b')]]))
    expect(breakers.kept().blamed).toEqual([faulty('b').id])
  })

  it('opens nothing for another image, flavor, cloud or service', () => {
    const breakers = openBreakers('here', policy)
    const others = [{ image: 'el8' }, { flavor: 'large' }, { cloud: 'there' }, { service: 'squid' as const }]
    for (const [at, other] of others.entries()) {
      breakers.learn([faulty(`a${at}`, other), faulty(`b${at}`, other)], failedMs)
    }
    expect(breakers.isOpen(offering, failedMs)).toBe(false)
  })

  it('is judged in the order of what happened', () => {
    const breakers = openBreakers('here', policy)
    breakers.learn([faulty('a')], failedMs)
    // Proven after the first fault and before the second: the count begins anew.
    const proven = upSince(failedMs + 1, { provenMs: failedMs + 50 })
    breakers.learn([faulty('b', { changedMs: failedMs + 99 }), proven], failedMs + 100)
    expect(breakers.isOpen(offering, failedMs + 100)).toBe(false)
  })
})
