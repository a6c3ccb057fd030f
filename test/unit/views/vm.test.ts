/** A VM and what a task queue wants, as every edge shows them. */

import { describe, expect, it } from 'vitest'
import type { VmPhase } from '../../../core/model/vm.ts'
import { wantedText } from '../../../services/views/task-queue.ts'
import { vmView } from '../../../services/views/vm.ts'
import { sampleRequirements, sampleVm } from '../../../sim/samples.ts'

describe('a VM', () => {
  it.each<[VmPhase, object]>([
    [{ state: 'Intended' }, { ref: '', why: '', activeMs: undefined, endedMs: undefined }],
    [
      { state: 'Booting', ref: 'r1' },
      { ref: 'r1', why: '', activeMs: undefined, endedMs: undefined },
    ],
    [
      { state: 'Active', ref: 'r1', activeMs: 5 },
      { ref: 'r1', why: '', activeMs: 5, endedMs: undefined },
    ],
    [
      { state: 'Draining', ref: 'r1', activeMs: 5, why: 'idle' },
      { ref: 'r1', why: 'idle', activeMs: 5, endedMs: undefined },
    ],
    [
      { state: 'Stopping', ref: 'r1', why: 'idle' },
      { ref: 'r1', why: 'idle', activeMs: undefined, endedMs: undefined },
    ],
    [
      { state: 'Gone', ref: 'r1', activeMs: 5, why: 'idle' },
      { ref: 'r1', why: 'idle', activeMs: 5, endedMs: 77 },
    ],
    [
      { state: 'Failed', ref: '', why: 'no room' },
      { ref: '', why: 'no room', activeMs: undefined, endedMs: 77 },
    ],
  ])('that is %j is shown with what its state knows', (phase, seen) => {
    const vm = sampleVm('aaaaaaaaaa', { phase, changedMs: 77 })
    expect(vmView(vm)).toMatchObject({ state: phase.state, id: vm.id, leases: 0, ...seen })
  })

  it('shows no activation key, and what its leases hold', () => {
    const used = { cores: 2, memoryBytes: 3, diskBytes: 4 }
    const view = vmView(sampleVm('aaaaaaaaaa'), {
      leases: 2,
      used: { ...vmView(sampleVm('aaaaaaaaaa')).used, ...used },
    })
    expect(view).toMatchObject({ leases: 2, used })
    expect(view).not.toHaveProperty('activation')
    expect(view).not.toHaveProperty('phase')
  })
})

describe('what is wanted', () => {
  const none = { allowed: [], banned: [] }
  const least = {
    cores: { min: 1, max: 1 },
    memoryBytes: 0,
    diskBytes: 0,
    wallMs: 60_000,
    platforms: [],
    sites: none,
    clouds: none,
    tags: [],
  }

  it.each([
    [{}, '1 core, 1 min wall time'],
    [{ cores: { min: 2, max: 2 } }, '2 cores, 1 min wall time'],
    [{ cores: { min: 1, max: 4 } }, '1 to 4 cores, 1 min wall time'],
    [{ memoryBytes: 2 ** 30, diskBytes: 2 ** 20 }, '1 core, 1 GiB memory, 1 MiB disk, 1 min wall time'],
    [{ platforms: ['el9', 'el10'] }, '1 core, 1 min wall time, platform el9 or el10'],
    [{ sites: { allowed: ['A', 'B'], banned: ['C'] } }, '1 core, 1 min wall time, at A or B, not at C'],
    [{ clouds: { allowed: ['a'], banned: ['b', 'c'] } }, '1 core, 1 min wall time, on a, not on b, c'],
    [{ tags: ['gpu', 'ssd'] }, '1 core, 1 min wall time, tags gpu, ssd'],
  ])('%j is said without what is not asked for', (changes, text) => {
    expect(wantedText(sampleRequirements({ ...least, ...changes }))).toBe(text)
  })
})
