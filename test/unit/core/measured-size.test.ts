/** What VMs were found to have corrects the size of their offering: the latest one decides, for a day. */

import { describe, expect, it } from 'vitest'
import { measuredSizeKeepMs } from '../../../core/kernel/limits.ts'
import type { Heartbeat, Vm } from '../../../core/model/vm.ts'
import { expecting, learnSizes, type MeasuredSize } from '../../../core/plan/measured-size.ts'
import { activeVm } from '../../../sim/samples.ts'

const gib = 1024 ** 3
const nowMs = 10 ** 9
const promised = { cores: 8, memoryBytes: 24 * gib, diskBytes: 100 * gib }
const smaller = { ...promised, memoryBytes: 23 * gib }
const offering = activeVm('offering', promised)

function found(name: string, activeMs: number, size = smaller, changes: Partial<Vm> = {}): Vm {
  const load = { load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes: 1, idleMs: 0, payloads: 0 }
  const beat: Heartbeat = { ...load, atMs: activeMs + 5, pilotState: 'idle', unhealthy: '', size }
  return activeVm(name, { ...promised, beat, phase: { state: 'Active', ref: 'r', activeMs }, ...changes })
}

const learnt = (vms: readonly Vm[], known: readonly MeasuredSize[] = [], atMs = nowMs) =>
  learnSizes(known, vms, 'here', atMs)
const expectedOf = (sizes: readonly MeasuredSize[], atMs = nowMs, of = offering) => expecting(of, sizes, atMs).expected

describe('the size of an offering', () => {
  it('is what a VM of it was found to have', () => {
    expect(expectedOf(learnt([]))).toBeUndefined()
    expect(expectedOf(learnt([found('a', nowMs - 50)]))).toEqual(smaller)
    expect(learnt([found('a', nowMs - 50)])).toMatchObject([{ vmId: found('a', 1).id, atMs: nowMs - 50, promised }])
  })

  it('is what the latest VM had, for worse and for better', () => {
    const least = { ...promised, memoryBytes: gib }
    const older = learnt([found('a', nowMs - 50)])
    expect(expectedOf(learnt([found('a', nowMs - 50), found('b', nowMs - 40, least)]))).toEqual(least)
    expect(expectedOf(learnt([found('b', nowMs - 40, promised)], older))).toBeUndefined()
    // The older one lives on when the later one has ended.
    expect(expectedOf(learnt([found('a', nowMs - 50)], learnt([found('b', nowMs - 40, promised)], older)))).toBeUndefined()
  })

  it('follows what the same VM says later', () => {
    const known = learnt([found('a', nowMs - 50)])
    expect(expectedOf(learnt([found('a', nowMs - 50, promised)], known))).toBeUndefined()
  })

  it('is never more than was promised', () => {
    expect(learnt([found('a', 5, { ...smaller, cores: 64 })], [], 9)[0]?.size).toEqual(smaller)
  })

  it('is known also of a VM that stops, and kept when it is gone', () => {
    const stopping = found('a', nowMs - 50, smaller, {
      phase: { state: 'Stopping', ref: 'r', activeMs: nowMs - 50, why: '' },
    })
    expect(expectedOf(learnt([], learnt([stopping])))).toEqual(smaller)
  })

  it.each<[string, Partial<Vm>]>([
    ['another cloud', { cloud: 'away' }],
    ['another flavor', { flavor: 'large' }],
    ['another image', { image: 'other' }],
    ['another promise', { memoryBytes: 23.5 * gib }],
    ['no pilot that measured it', { beat: undefined }],
  ])('says nothing of %s', (_, changes) => {
    expect(expectedOf(learnt([found('a', nowMs - 50, smaller, changes)]))).toBeUndefined()
  })

  it('is forgotten after a day, also while that VM lives', () => {
    const vm = found('a', nowMs)
    const sizes = learnt([vm])
    expect(expectedOf(sizes, nowMs + measuredSizeKeepMs - 1)).toEqual(smaller)
    expect(expectedOf(sizes, nowMs + measuredSizeKeepMs)).toBeUndefined()
    expect(learnt([vm], sizes, nowMs + measuredSizeKeepMs)).toEqual([])
  })

  it('does not last longer because the clock was put back', () => {
    expect(learnt([found('a', nowMs + 10 ** 8)])[0]?.atMs).toBe(nowMs)
  })
})
