import { describe, expect, it } from 'vitest'
import type { VmId } from '../../../core/kernel/ids.ts'
import type { CloudVm } from '../../../core/model/cloud.ts'
import type { KeptVm, Vm, VmPhase } from '../../../core/model/vm.ts'
import { newMemory } from '../../../services/director/memory.ts'
import { directorDefaults } from '../../../services/director/options.ts'
import type { Comparison } from '../../../services/director/comparison.ts'
import { reconcile, type Reconciled } from '../../../services/director/reconcile.ts'
import { sampleVm } from '../../../sim/samples.ts'
import { noResources } from '../../../core/model/resources.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const listBeganMs = 1_000_000
const { settleMs, strangerMs } = directorDefaults
const id = sampleVm('a').id
const ref = 'r'
const noLoad = noResources

const vmIn = (phase: VmPhase, changes: Partial<Vm> = {}): Vm =>
  sampleVm('a', { phase, intendedMs: 0, changedMs: 0, ...changes })
const shown = (changes: Partial<CloudVm> = {}): CloudVm => ({
  ref,
  vmId: id,
  power: 'running',
  detail: '',
  createdMs: 0,
  ...changes,
})
const order = { vmId: id, shape: sampleVm('a'), userData: '' }

type Case = { readonly vms?: readonly Vm[]; readonly list?: readonly CloudVm[]; readonly ended?: readonly Vm[] }

function compared(given: Case, changes: Partial<Comparison> = {}, memory: Partial<Comparison['memory']> = {}): Reconciled {
  const live = new Map<VmId, KeptVm>((given.vms ?? []).map((vm) => [vm.id, { vm, leases: 0, used: noLoad }]))
  const comparison: Comparison = {
    cloud: 'here',
    list: given.list ?? [],
    listBeganMs,
    live,
    ended: new Map((given.ended ?? []).map((vm) => [vm.id, vm])),
    memory: { ...newMemory([], virtualClock()), ...memory },
    offerings: [sampleVm('a')],
    bootMs: 2_000_000,
    watchedSinceMs: 0,
    policy: directorDefaults,
    isBarred: () => false,
    ...changes,
  }
  return reconcile(comparison, listBeganMs + 100)
}
const textsOf = ({ events, again, orphans }: Reconciled): readonly string[] => [
  ...events.map((event) => (event.kind === 'seen' ? `seen ${event.running}` : event.kind)),
  ...again.map(() => 'again'),
  ...orphans.map(({ why }) => `destroy: ${why}`),
]

const intended: VmPhase = { state: 'Intended' }
const active: VmPhase = { state: 'Active', ref, activeMs: 0 }
const stopping: VmPhase = { state: 'Stopping', ref, activeMs: 0, why: 'idle' }
const unnamed: VmPhase = { state: 'Stopping', ref: '', why: 'idle' }

describe('a record and its machine', () => {
  it.each<[string, VmPhase, CloudVm['power'], readonly string[]]>([
    ['an intent is found', intended, 'building', ['seen false']],
    ['an intent is found running', intended, 'running', ['seen true']],
    ['a requested VM runs', { state: 'Requested', ref }, 'running', ['seen true']],
    ['a requested VM is being built', { state: 'Requested', ref }, 'building', []],
    ['a booting VM', { state: 'Booting', ref }, 'running', []],
    ['an active VM', active, 'running', []],
    ['an active VM that was activated before its create was answered', { ...active, ref: '' }, 'running', ['seen true']],
    ['a stopping VM', stopping, 'ending', []],
    ['a stopping VM whose reference was not known', unnamed, 'running', ['seen true']],
  ])('%s', (_, phase, power, expected) => {
    expect(textsOf(compared({ vms: [vmIn(phase)], list: [shown({ power })] }))).toEqual(expected)
  })
})

describe('a record without a machine', () => {
  const young = { intendedMs: listBeganMs - settleMs + 1, changedMs: listBeganMs - settleMs + 1 }
  // Missing from two lists already: this is the third.
  const sinceMs = listBeganMs - 20
  const missing = new Map([[id, { lists: 2, sinceMs }]])
  it.each<[string, Vm, Partial<Comparison['memory']>, Partial<Comparison>, readonly string[]]>([
    ['an intent with its order', vmIn(intended), { orders: new Map([[id, order]]) }, {}, ['again']],
    ['an intent whose order is lost', vmIn(intended), {}, {}, ['absent']],
    ['an intent behind a breaker', vmIn(intended), { orders: new Map([[id, order]]) }, { isBarred: () => true }, ['absent']],
    ['an intent after its boot time', vmIn(intended), { orders: new Map([[id, order]]) }, { bootMs: 1 }, ['absent']],
    ['a young intent', vmIn(intended, young), {}, {}, []],
    ['an intent asked for lately', vmIn(intended), { asked: new Map([[id, listBeganMs - settleMs + 1]]) }, {}, []],
    ['an intent of an earlier process', vmIn(intended), {}, { watchedSinceMs: listBeganMs - 1 }, []],
    ['a booting VM once', vmIn({ state: 'Booting', ref }), {}, {}, []],
    ['a booting VM three times', vmIn({ state: 'Booting', ref }), { missing }, {}, ['absent']],
    ['a young booting VM three times', vmIn({ state: 'Booting', ref }, young), { missing }, {}, []],
    // The create waited for a slow cloud: the intent is old, the machine is not.
    [
      'a booting VM that was made lately, three times',
      vmIn({ state: 'Booting', ref }),
      { missing, asked: new Map([[id, listBeganMs - settleMs + 1]]) },
      {},
      [],
    ],
    [
      'a booting VM of an earlier process, three times',
      vmIn({ state: 'Booting', ref }),
      { missing },
      { watchedSinceMs: listBeganMs - 1 },
      [],
    ],
    ['an active VM once', vmIn(active), {}, {}, []],
    ['an active VM twice', vmIn(active), { missing: new Map([[id, { lists: 1, sinceMs }]]) }, {}, []],
    ['an active VM three times', vmIn(active), { missing }, {}, ['absent']],
    ['an active VM that has changed since', vmIn(active, { changedMs: listBeganMs }), { missing }, {}, []],
    ['an active VM that spoke since the first of them', vmIn(active, { beat: heartbeatAt(sinceMs) }), { missing }, {}, []],
    ['an active VM that spoke before', vmIn(active, { beat: heartbeatAt(sinceMs - 1) }), { missing }, {}, ['absent']],
    ['a stopping VM, not gone yet', vmIn(stopping), {}, {}, []],
    ['a stopping VM that is gone', vmIn(stopping), { gone: new Set([id]) }, {}, ['absent']],
    ['a young stopping VM that is gone', vmIn(stopping, young), { gone: new Set([id]) }, {}, []],
    ['a stopping VM that was never seen', vmIn(unnamed), {}, {}, ['absent']],
    ['a stopping VM that may still show itself', vmIn(unnamed, young), {}, {}, []],
    ['a VM of another cloud', vmIn(active, { cloud: 'away' }), { missing }, {}, []],
  ])('%s', (_, vm, memory, changes, expected) => {
    expect(textsOf(compared({ vms: [vm] }, changes, memory))).toEqual(expected)
  })

  it('counts a machine that vanished against its image only if it was there, and never offered anything', () => {
    const faultsOf = (found: Reconciled) =>
      found.events.map((event) => (event.kind === 'absent' ? event.faultUnless : event.kind))
    expect(faultsOf(compared({ vms: [vmIn({ state: 'Booting', ref })] }, {}, { missing }))).toEqual(['offered'])
    expect(faultsOf(compared({ vms: [vmIn(active)] }, {}, { missing }))).toEqual(['offered'])
    expect(faultsOf(compared({ vms: [vmIn(intended)] }))).toEqual([undefined])
  })
})

describe('a machine without a live record', () => {
  it.each<[string, Case, Partial<Comparison['memory']>, readonly string[]]>([
    [
      'its record is over',
      { list: [shown()], ended: [vmIn({ state: 'Lost', ref, why: '' })] },
      {},
      ['destroy: its record is over: Lost'],
    ],
    ['a stranger at first sight', { list: [shown()] }, {}, []],
    [
      'a stranger',
      { list: [shown()] },
      { strangers: new Map([[ref, listBeganMs - strangerMs]]) },
      ['destroy: no record knows it'],
    ],
    [
      'a second machine',
      { vms: [vmIn(active)], list: [shown(), shown({ ref: 'q' })] },
      {},
      [`destroy: a second machine for ${id}`],
    ],
    [
      'another cloud has it',
      { vms: [vmIn(active, { cloud: 'away' })], list: [shown()] },
      {},
      [`destroy: ${id} belongs to cloud away`],
    ],
  ])('%s', (_, given, memory, expected) => {
    expect(textsOf(compared(given, {}, memory))).toEqual(expected)
  })

  it('counts against the limits until it is gone', () => {
    const over = vmIn({ state: 'Lost', ref, why: '' }, { cores: 3, memoryBytes: 5 })
    expect(compared({ list: [shown()], ended: [over] }).strays).toEqual({ vms: 1, cores: 3, memoryBytes: 5 })
    expect(compared({ list: [shown()] }).strays).toMatchObject({ vms: 1, cores: 8 })
  })

  it('keeps one of two machines where the record knows none yet', () => {
    const both = [shown({ ref: 'b' }), shown({ ref: 'a' })]
    const { events, orphans } = compared({ vms: [vmIn(intended)], list: both })
    expect(events).toEqual([{ kind: 'seen', vmId: id, ref: 'a', running: true }])
    expect(orphans.map((orphan) => orphan.ref)).toEqual(['b'])
  })
})

it('counts a machine without a live record until three lists in a row do not show it', () => {
  const over = vmIn({ state: 'Gone', ref, why: 'idle' })
  const first = compared({ list: [shown()], ended: [over] })
  expect(first.strays).toEqual({ vms: 1, cores: over.cores, memoryBytes: over.memoryBytes })
  const second = compared({}, {}, first)
  const third = compared({}, {}, second)
  expect([second, third].map(({ strays }) => strays)).toEqual([first.strays, first.strays])
  expect(compared({ list: [shown()], ended: [over] }, {}, third).strayMachines).toEqual(first.strayMachines)
  expect(compared({}, {}, third).strays).toEqual({ vms: 0, cores: 0, memoryBytes: 0 })
  const stoodFor = compared({ vms: [vmIn(active)], list: [shown()] }, {}, third)
  expect(stoodFor.strays.vms, 'a record stands for it').toBe(0)
})

describe('a list that lacks too much', () => {
  const vms = ['a', 'b', 'c', 'd'].map((name) => ({ ...vmIn(active), id: sampleVm(name).id }))
  const listOf = (count: number): readonly CloudVm[] => vms.slice(0, count).map((vm) => shown({ vmId: vm.id }))
  const missing = new Map(vms.map((vm) => [vm.id, { lists: 2, sinceMs: listBeganMs - 20 }]))

  it.each([
    // shown of 4, implausible lists before, doubted now
    [4, 0, false],
    [2, 0, false],
    [1, 0, true],
    [0, 1, true],
    [0, 2, false],
  ])('%d of 4 shown, after %d such lists: doubted %s', (count, implausible, doubted) => {
    const { doubt, events } = compared({ vms, list: listOf(count) }, {}, { implausible, missing })
    expect(doubt !== '').toBe(doubted)
    expect(events).toHaveLength(doubted ? 0 : 4 - count)
  })

  it('believes a small fleet at once', () => {
    expect(compared({ vms: vms.slice(0, 3) }, {}, { missing }).doubt).toBe('')
  })
})

function heartbeatAt(atMs: number): NonNullable<Vm['beat']> {
  const load = { load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes: 1 }
  return { atMs, ...load, pilotState: 'idle', payloads: 0, idleMs: 0, unhealthy: '' }
}
