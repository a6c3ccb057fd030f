/** What a pilot finds of its VM beside the size: it is kept, it narrows the place, and a broken promise is a fact. */

import { describe, expect, it } from 'vitest'
import { applyToVm } from '../../../core/model/apply.ts'
import type { FoundTraits, Traits } from '../../../core/model/traits.ts'
import { changeVm, type Vm } from '../../../core/model/vm.ts'
import { placeOf } from '../../../core/model/vm-place.ts'
import { expecting, learnSizes } from '../../../core/plan/measured-size.ts'
import { activeVm, sampleVm } from '../../../sim/samples.ts'

const traits: Traits = { glibc: '2.34', containers: ['podman'], power: 12 }
const whole: FoundTraits = { os: 'debian', glibc: '2.36', containers: ['podman', 'docker'], power: 11 }
const older: FoundTraits = { ...whole, glibc: '2.28' }
const vm = activeVm('one', { traits })

function found(of: Vm, what: FoundTraits) {
  const { changed, facts } = applyToVm(of, { kind: 'found', vmId: of.id, found: what }, 0, 5000)
  return { next: changed ?? of, isChanged: changed !== undefined, facts }
}

describe('what was found', () => {
  it('is kept, and narrows the place', () => {
    const { next, facts } = found(vm, whole)
    expect(next.found).toEqual(whole)
    expect(placeOf(next).traits).toEqual(traits)
    expect(facts).toEqual([])
    expect(placeOf(found(vm, older).next).traits).toEqual({ ...traits, glibc: '2.28' })
    expect(placeOf(found(vm, {}).next).traits).toEqual({})
  })

  it('says nothing of what was not promised', () => {
    const { next, facts } = found(activeVm('one'), whole)
    expect([placeOf(next).traits, facts]).toEqual([undefined, []])
  })

  it('is a fact where a promise is broken: once, and again if that changes', () => {
    const first = found(vm, older)
    expect(first.facts).toEqual([
      { subject: `vm:${vm.id}`, kind: 'other than promised', data: { differs: 'glibc: promised 2.34, found 2.28' } },
    ])
    expect(found(first.next, older)).toMatchObject({ isChanged: false, facts: [] })
    expect(found(first.next, { ...older, power: 11.5 }).facts).toEqual([])
    expect(found(first.next, { ...older, power: 3 }).facts).toHaveLength(1)
    expect(found(first.next, whole).facts).toEqual([])
  })

  it('is of a VM that is up, and of no other', () => {
    const event = { kind: 'found', vmId: vm.id, found: whole } as const
    const allowed = (state: Vm['phase']) => changeVm({ ...vm, phase: state }, event, 0, 1).ok
    expect(allowed({ state: 'Active', ref: 'r', activeMs: 1 })).toBe(true)
    expect(allowed({ state: 'Draining', ref: 'r', activeMs: 1, why: '' })).toBe(true)
    for (const state of ['Requested', 'Booting'] as const) expect(allowed({ state, ref: 'r' })).toBe(false)
    for (const state of ['Gone', 'Lost', 'Stopping'] as const) expect(allowed({ state, ref: 'r', why: '' })).toBe(false)
  })
})

describe('the traits of an offering', () => {
  const nowMs = 10 ** 9
  const beat = { ...vm, atMs: nowMs } as unknown as Vm['beat']
  const size = { cores: vm.cores, memoryBytes: vm.memoryBytes, diskBytes: vm.diskBytes }
  const up = (name: string, what: FoundTraits, activeMs: number): Vm =>
    activeVm(name, {
      traits,
      found: what,
      beat: { ...beat, size } as Vm['beat'],
      phase: { state: 'Active', ref: 'r', activeMs },
    })
  const offering = sampleVm('offering', { traits })
  const placeAfter = (...vms: readonly Vm[]) =>
    placeOf(expecting(offering, learnSizes([], vms, 'here', nowMs), nowMs)).traits

  it('are those that the latest VM of it had: no VMs are made for a promise that does not hold', () => {
    expect(placeAfter()).toEqual(traits)
    expect(placeAfter(up('a', older, nowMs - 50))).toEqual({ ...traits, glibc: '2.28' })
    expect(placeAfter(up('a', older, nowMs - 50), up('b', whole, nowMs - 40))).toEqual(traits)
  })

  it('are as promised again when the promise changes', () => {
    const sizes = learnSizes([], [up('a', older, nowMs - 50)], 'here', nowMs)
    const renewed = { ...offering, traits: { ...traits, glibc: '2.28' } }
    expect(placeOf(expecting(renewed, sizes, nowMs)).traits).toEqual(renewed.traits)
  })
})
