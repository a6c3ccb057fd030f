/**
 * The waiting index and the plan over every requirement that there is, against a look at every job: the index remembers
 * searches and answers, the plan remembers refusals, and neither may hide a job that fits.
 */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { ClassId, JobId } from '../../../core/kernel/ids.ts'
import { packed, takenFrom } from '../../../core/language/packing.ts'
import { exactly, needsOf, noSizes, requirementClass } from '../../../core/language/requirement-class.ts'
import { hasRoom, suits } from '../../../core/language/rules.ts'
import type { Requirements } from '../../../core/model/requirements.ts'
import { type Place, resourcesOf, type Room, roomLess } from '../../../core/model/resources.ts'
import type { WaitingJob } from '../../../core/model/task-queue.ts'
import type { KeptVm } from '../../../core/model/vm.ts'
import { placeOf, roomOf } from '../../../core/model/vm-place.ts'
import { openQueues, placeOnFleet } from '../../../core/plan/placement.ts'
import { openLedger } from '../../../core/share/ledger.ts'
import type { Search } from '../../../services/matcher/pick.ts'
import { waitingIndex } from '../../../services/matcher/waiting-index.ts'
import { activeVm, alice, sampleQueue, sampleRequirements } from '../../../sim/samples.ts'
import { anyFound, anyLaterWishes, anyPlace, anyRoom, anyRoomWishes } from '../../support/any-requirements.ts'

const mib = 1024 * 1024

const anyWish: fc.Arbitrary<Requirements> = fc
  .record({
    cores: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(3)).map(([min, more]) => ({ min, max: min + more })),
    memoryBytes: fc.integer({ min: 1, max: 8 }).map((each) => each * 13 * mib),
    wallMs: fc.integer({ min: 1000, max: 100_000 }),
    later: fc.oneof(fc.constant({}), anyRoomWishes, anyRoomWishes, anyLaterWishes),
  })
  .map(({ later, ...first }) => sampleRequirements({ ...first, diskBytes: mib, ...later }))

type Arrival = { readonly wish: Requirements; readonly priority: number }
type Offer = { readonly at: number; readonly room: Room }

it('the index finds a job wherever one fits', () => {
  const arrival = fc.record({ wish: anyWish, priority: fc.nat(2) })
  const offer = fc.record({ at: fc.nat(3), room: anyRoom })
  const act = fc.oneof({ weight: 3, arbitrary: arrival }, { weight: 2, arbitrary: offer })
  const run = (places: readonly Place[], acts: readonly (Arrival | Offer)[]): void => {
    const onError = (error: unknown): void => {
      throw error
    }
    const index = waitingIndex({ readNext: async () => [], onError, ledger: openLedger(0) })
    const waiting = new Map<JobId, Requirements>()
    for (const [number, one] of acts.entries()) {
      if ('wish' in one) {
        const of = requirementClass(one.wish, noSizes)
        const job: WaitingJob = {
          id: (number + 1) as JobId,
          priority: one.priority,
          submittedMs: 0,
          needs: needsOf(one.wish, of),
        }
        index.arrived(sampleQueue(alice, of), [job])
        waiting.set(job.id, one.wish)
        continue
      }
      const place = places[one.at % places.length] as Place
      let room = one.room
      const search: Search = new Set()
      while (room.cores > 0) {
        const fitting = [...waiting].filter(([, requirements]) => {
          const demand = { vo: alice.vo, requirements }
          return suits(demand, place) && hasRoom(demand, room)
        })
        const pick = index.take(place, room, search)
        expect(pick === undefined, `whether one of ${fitting.length} is found`).toBe(fitting.length === 0)
        if (!pick) break
        expect(fitting.map(([id]) => id)).toContain(pick.job.id)
        waiting.delete(pick.job.id)
        room = roomLess(room, takenFrom(room, exactly(pick.queue.requirements, pick.job.needs)))
      }
    }
  }
  const places = fc.array(anyPlace, { minLength: 1, maxLength: 3 })
  // Above 16 task queues a search is remembered.
  fc.assert(fc.property(places, fc.array(act, { minLength: 60, maxLength: 200 }), run), { numRuns: 150 })
})

const anyVm: fc.Arbitrary<KeptVm> = fc
  .record({
    place: anyPlace,
    found: fc.oneof(fc.constant(undefined), fc.constant(undefined), anyFound),
    room: anyRoom,
    used: fc.constantFrom(0, 0, 1, 2),
  })
  .map(({ place: { vmId: _, ...place }, found, room, used }) => {
    const size = resourcesOf({ ...room, cores: Math.max(1, room.cores) })
    // Mostly as promised: what is rare on both sides never meets.
    const traits = { ...place.traits, power: room.power ?? 1 }
    const endByMs = Math.min(room.remainingMs, 10 ** 6) + 5000
    const vm = activeVm('one', { ...place, ...size, vos: [], traits, found, endByMs })
    return { vm, leases: used, used: { cores: Math.min(used, size.cores), memoryBytes: used * mib, diskBytes: 0 } }
  })

it('the plan places as many jobs as a look at every VM', () => {
  const run = (vms: readonly KeptVm[], wishes: readonly (readonly [Requirements, number])[]): void => {
    const nowMs = 5000
    // Each VM is a place of its own: then rooms are tried in the order of the VMs.
    const apart = vms.map(({ vm, ...rest }, at) => ({ ...rest, vm: { ...vm, platform: `${vm.platform}${at}` } }))
    const wanted = wishes.map(([wish, count], at) => {
      const platforms = wish.platforms.flatMap((one) => apart.map((_, number) => `${one}${number}`))
      const queue = { ...sampleQueue(alice, { ...wish, platforms }), id: `q${String(at).padStart(3, '0')}` as ClassId }
      return { queue, waiting: count, topPriority: 0, oldestMs: 0 }
    })
    const open = openQueues(wanted)
    const policy = { heartbeatTimeoutMs: 10 ** 9, listStaleMs: 1, drainedMs: 1, softWaitMs: 0 }
    placeOnFleet(open, apart, { policy, clouds: [], nowMs })
    const rooms = apart.map(({ vm, used }) => roomLess(roomOf(vm, vm.endByMs - nowMs), used))
    for (const { queue, free, waiting } of open.map((one, at) => ({ ...one, waiting: wanted[at]?.waiting ?? 0 }))) {
      let placed = 0
      for (const [at, { vm }] of apart.entries()) {
        if (!suits(queue, placeOf(vm))) continue
        for (let room = rooms[at]; room && placed < waiting; ) {
          const next = packed(room, queue)
          if (!next) break
          rooms[at] = next
          room = next
          placed += 1
        }
      }
      expect(free).toBe(placed)
    }
  }
  const vms = fc.array(anyVm, { minLength: 1, maxLength: 5 })
  const wishes = fc.array(fc.tuple(anyWish, fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 12 })
  fc.assert(fc.property(vms, wishes, run), { numRuns: 400 })
})
