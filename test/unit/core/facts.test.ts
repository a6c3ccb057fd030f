/** Facts of VMs, reservations, sizes and images: what each says, and when there is nothing to say. */

import { describe, expect, it } from 'vitest'
import type { ClassId, JobId } from '../../../core/kernel/ids.ts'
import {
  attemptText,
  factText,
  imageFact,
  jobSubject,
  reservationFact,
  sizeFact,
  submittedFact,
  vmFact,
  vmSubject,
} from '../../../core/model/facts.ts'
import { knownFact } from '../../../core/model/fact-shapes.ts'
import type { Image, ImageEvent } from '../../../core/model/image.ts'
import type { Job } from '../../../core/model/job.ts'
import type { Heartbeat, Vm, VmEvent } from '../../../core/model/vm.ts'
import { activeVm, alice, sampleVm } from '../../../sim/samples.ts'

const gib = 2 ** 30

it('name jobs, VMs and attempts in one way', () => {
  const vm = sampleVm('a')
  expect([jobSubject(7 as JobId), vmSubject(vm.id)]).toEqual(['job:7', `vm:${vm.id}`])
  expect(attemptText({ jobId: 7 as JobId, attempt: 3 })).toBe('7.3')
  const job = { ...alice, id: 7 as JobId, submittedMs: 5 } as Job
  const data = { owner: alice.owner, group: alice.group, vo: alice.vo }
  expect(submittedFact(job)).toEqual({ seq: 0, atMs: 5, subject: 'job:7', kind: 'Submitted', data })
})

describe('the fact of a VM', () => {
  const shape = { cloud: 'here', flavor: 'small' }

  it.each<[string, Vm, object]>([
    ['that is intended', sampleVm('a', { reason: 'jobs wait' }), { why: 'jobs wait' }],
    ['of which its cloud says something', sampleVm('a', { reason: 'r', said: 'BUILD' }), { why: 'r', said: 'BUILD' }],
    ['that is up, whatever was said before', activeVm('a', { reason: 'r', said: 'BUILD' }), { ref: 'r', why: 'r' }],
    [
      'that drains',
      activeVm('a', { reason: 'r', phase: { state: 'Draining', ref: 'x1', activeMs: 1, why: 'by hand' } }),
      { ref: 'x1', why: 'by hand' },
    ],
    [
      'with the isolation that its pilot found',
      activeVm('a', { reason: 'r', beat: { isolation: 'cgroup' } as Heartbeat }),
      { ref: 'r', why: 'r', isolation: 'cgroup' },
    ],
  ])('%s', (_, vm, data) => {
    const phase = vm.phase.state === 'Active' ? { ...vm.phase, ref: 'r' } : vm.phase
    const fact = vmFact({ ...vm, phase, ...shape })
    expect(fact).toEqual({ subject: `vm:${vm.id}`, kind: vm.phase.state, data: { ...shape, ...data } })
    expect(knownFact({ ...fact, seq: 1, atMs: 1 }).group).toBe('vm')
  })

  it.each([
    [{ cores: 1, memoryBytes: 2, diskBytes: 3 }, [1, 2, 3]],
    [undefined, [0, 0, 0]],
  ])('that has less than was promised has both: %o', (size, [cores, memoryBytes, diskBytes]) => {
    const vm = activeVm('a', { cores: 4, memoryBytes: 5, diskBytes: 6, beat: size && ({ size } as Heartbeat) })
    const data = { cores, promisedCores: 4, memoryBytes, promisedMemoryBytes: 5, diskBytes, promisedDiskBytes: 6 }
    const fact = sizeFact(vm)
    expect(fact).toEqual({ subject: `vm:${vm.id}`, kind: 'less than promised', data })
    expect(knownFact({ ...fact, seq: 1, atMs: 1 }).group).toBe('size')
  })
})

describe('the fact of a reservation', () => {
  const reserved = (queue: string, sinceMs: number) => {
    return activeVm('a', { reserved: { classId: queue as ClassId, jobId: 7 as JobId, sinceMs, untilMs: 99 } })
  }
  const free = activeVm('a')
  const unreserve = { kind: 'unreserve', vmId: free.id, why: 'the job ended' } as unknown as VmEvent
  const other = { kind: 'drain', vmId: free.id, why: 'by hand' } as VmEvent
  const front = 'a job at the front of the task queue waits for more room than is free'

  it.each<[string, Vm, Vm, VmEvent, string, string, string]>([
    ['that begins', free, reserved('q', 1), other, 'room reserved', 'q', front],
    ['that begins anew', reserved('q', 1), reserved('q', 2), other, 'room reserved', 'q', front],
    ['of another task queue', reserved('q', 1), reserved('p', 1), other, 'room reserved', 'p', front],
    ['that is given up', reserved('q', 1), free, unreserve, 'room released', 'q', 'the job ended'],
    ['that ends with the VM', reserved('q', 1), free, other, 'room released', 'q', 'the VM is Active'],
  ])('%s', (_, before, after, event, kind, queue, why) => {
    const fact = reservationFact(before, after, event)
    expect(fact).toEqual({ subject: `vm:${free.id}`, kind, data: { queue, job: 7, why } })
    expect(fact && knownFact({ ...fact, seq: 1, atMs: 1 }).group).toBe('reservation')
  })

  it('is none where the reservation stays, or there is none', () => {
    expect(reservationFact(free, free, other)).toBeUndefined()
    expect(reservationFact(reserved('q', 1), reserved('q', 1), other)).toBeUndefined()
  })
})

describe('the fact of an image', () => {
  const image = { entry: { name: 'alma', endorsedBy: 'eve', digest: 'd1' } } as Image

  it.each<[object, string, object]>([
    [{ kind: 'add', by: 'ada' }, 'Added', { by: 'ada', endorsedBy: 'eve', digest: 'd1' }],
    [{ kind: 'approve', by: 'ada', site: 'home' }, 'Approved', { by: 'ada', site: 'home' }],
    [{ kind: 'disapprove', by: 'ada', site: 'home', why: '' }, 'Disapproved', { by: 'ada', site: 'home' }],
    [{ kind: 'revoke', by: 'ada', why: 'a hole' }, 'Revoked', { by: 'ada', why: 'a hole' }],
  ])('%o', (event, kind, data) => {
    const fact = imageFact(image, event as ImageEvent)
    expect(fact).toEqual({ subject: 'image:alma', kind, data })
    expect(knownFact({ ...fact, seq: 1, atMs: 1 }).group).toBe('image')
  })
})

it.each([
  [{}, 'Done'],
  [{ why: 'gone' }, 'Done: why gone'],
  [
    { memoryBytes: 8 * gib, forMs: 60_000, cores: 4, done: true },
    'Done: memoryBytes 8 GiB, forMs 1 min, cores 4, done true',
  ],
])('%o is one readable line', (data, text) => {
  expect(factText({ subject: 'job:1', kind: 'Done', data })).toBe(text)
})
