/**
 * What the task queues of one owner cost the others: the time of a match for others' jobs, with and without 10 000 task
 * queues of an owner who is served before them, as ratios of one run. The same for as many owners with a queue each. And
 * what one plan of the director costs with as many.
 *
 * `node bench/queues.ts [QUEUES]`. The owner's queues fit no room (every offer is searched for them in vain), fit only just
 * (one of the last does), or all fit.
 */

import { type UsageLedger, openLedger } from '../core/share/ledger.ts'
import { systemClock } from '../core/kernel/clock.ts'
import type { Offering } from '../core/model/cloud.ts'
import { planFleet } from '../core/plan/plan-fleet.ts'
import type { JobId } from '../core/kernel/ids.ts'
import type { Owner } from '../core/model/owner.ts'
import type { QueueCount, TaskQueue } from '../core/model/task-queue.ts'
import { seededRandom } from '../core/kernel/random.ts'
import { requirementClass, noSizes } from '../core/language/requirement-class.ts'
import type { Requirements } from '../core/model/requirements.ts'
import { noAmounts, type Room } from '../core/model/resources.ts'
import { placeOf } from '../core/model/vm-place.ts'
import { directorDefaults } from '../services/director/options.ts'
import type { Search } from '../services/matcher/pick.ts'
import { waitingIndex, type WaitingIndex } from '../services/matcher/waiting-index.ts'
import { activeVm, alice, sampleQueue, sampleRequirements } from '../sim/samples.ts'

const clock = systemClock()
const gib = 1024 ** 3
const many = Number(process.argv[2] ?? 10_000)
const offers = 20_000
const matchesOfOwners = 4000
const place = placeOf(activeVm('shape'))

type Kind = 'one queue' | 'misfits' | 'one of the last fits' | 'all fit'

/** Different classes, as many as asked for: combinations of memory, disk and tags. */
function different(count: number, kind: Kind): readonly Requirements[] {
  return Array.from({ length: count }, (_, at) => {
    const isFit = kind === 'all fit' || kind === 'one queue' || (kind === 'one of the last fits' && at === count - 10)
    const exact = sampleRequirements({
      cores: isFit ? { min: 1, max: 1 } : { min: 16, max: 16 },
      ...noAmounts,
      memoryBytes: (1 + (at % 50) / 25) * gib,
      diskBytes: 64 * 1024 * 1024 * (1 + (Math.floor(at / 50) % 8)),
      sites: { allowed: [], banned: [`site-${Math.floor(at / 100)}`] },
    })
    return requirementClass(exact, noSizes)
  })
}

function openIndex(ledger: UsageLedger): WaitingIndex {
  const onError = (error: unknown): void => {
    throw error
  }
  return waitingIndex({ readNext: async () => [], onError, ledger })
}

const used = (coreMs: number) => ({ attempt: '', cores: 1, ranMs: coreMs })

let lastId = 0
const jobOf = () => ({ id: ++lastId as JobId, priority: 0, submittedMs: 0 })

/** Microseconds of each match of another owner's job. The flooder is the least served: it is asked first each time. */
function matches(kind: Kind): { readonly us: readonly number[] } {
  const ledger = openLedger(0)
  const index = openIndex(ledger)
  const random = seededRandom(1)
  const others = Array.from({ length: 20 }, (_, at): Owner => ({ vo: `vo${at % 4}`, group: 'g', owner: `other${at}` }))
  const queues = others.map((owner) => sampleQueue(owner))
  for (const owner of others) ledger.charge(owner, used(1e9), 1)
  for (const requirements of different(kind === 'one queue' ? 1 : many, kind)) {
    index.arrived(sampleQueue(alice, requirements), [jobOf(), jobOf(), jobOf()])
  }
  // It is served in its turn: its use grows with what it gets, as others' does.
  if (kind !== 'misfits') ledger.charge(alice, used(1e9), 1)
  for (const queue of queues) index.arrived(queue, Array.from({ length: 200 }, jobOf))
  const us: number[] = []
  for (let offer = 0; offer < offers; offer += 1) {
    const cores = 1 + Math.floor(random.next() * 8)
    const search: Search = new Set()
    let room: Room = {
      cores,
      ...noAmounts,
      memoryBytes: cores * 4 * gib,
      diskBytes: 100 * gib,
      remainingMs: 1e9 * random.next() + 1e7,
    }
    // From the offer, or from the last job of another owner, to the next: with what the owner's own picks take in between.
    let beganMs = clock.monotonicMs()
    while (room.cores > 0) {
      const pick = index.take(place, room, search)
      const nowMs = clock.monotonicMs()
      if (!pick) break
      ledger.charge(pick.queue, used(60_000), 1)
      const { cores: own, memoryBytes, diskBytes } = pick.queue.requirements
      room = {
        ...room,
        cores: room.cores - own.min,
        ...noAmounts,
        memoryBytes: room.memoryBytes - memoryBytes,
        diskBytes: room.diskBytes - diskBytes,
      }
      index.arrived(pick.queue, [jobOf()])
      if (pick.queue.owner === alice.owner) continue
      us.push((nowMs - beganMs) * 1000)
      beganMs = clock.monotonicMs()
    }
  }
  return { us }
}

type Misfit = 'too many cores' | 'another site' | 'too many cores or too much memory'

/** Microseconds of each match, where nothing fits of this many owners who are served before. */
function matchesBehind(owners: number, misfit: Misfit): readonly number[] {
  const ledger = openLedger(0)
  const index = openIndex(ledger)
  for (let at = 0; at < owners; at += 1) {
    const isWide = misfit === 'too many cores' || (misfit !== 'another site' && at % 2 === 0)
    const requirements = sampleRequirements({
      cores: isWide ? { min: 16, max: 16 } : { min: 1, max: 1 },
      memoryBytes: isWide || misfit === 'another site' ? gib : 256 * gib,
      sites: { allowed: misfit === 'another site' ? [`site-${at % 50}`] : [], banned: [] },
    })
    const owner: Owner = { vo: `vo${at % 50}`, group: 'g', owner: `before${at}` }
    index.arrived(sampleQueue(owner, requirementClass(requirements, noSizes)), [jobOf()])
  }
  const other: Owner = { vo: 'other', group: 'g', owner: 'last' }
  ledger.charge(other, used(1e9), 1)
  index.arrived(sampleQueue(other), Array.from({ length: 200 }, jobOf))
  const us: number[] = []
  for (let match = 0; match < matchesOfOwners; match += 1) {
    const room: Room = { cores: 8, memoryBytes: 32 * gib, diskBytes: 100 * gib, remainingMs: 1e12 - match }
    const beganMs = clock.monotonicMs()
    const pick = index.take(place, room)
    us.push((clock.monotonicMs() - beganMs) * 1000)
    if (!pick) break
    ledger.charge(pick.queue, used(60_000), 1)
    index.arrived(pick.queue, [jobOf()])
  }
  return us
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}

const offering: Offering = {
  ...activeVm('offering'),
  cloud: 'here',
  cores: 8,
  ...noAmounts,
  memoryBytes: 32 * gib,
  diskBytes: 500 * gib,
}

function plan(queues: readonly TaskQueue[], vms: number): { readonly ms: number; readonly lines: number } {
  const counts = queues.map((queue, at): QueueCount => ({ queue, waiting: 5, topPriority: 0, oldestMs: at }))
  const limits = { maxVms: 2000, maxCores: 20_000, maxMemoryBytes: 1e15, rampVms: 50 } as never
  const view = {
    queues: counts,
    vms: Array.from({ length: vms }, (_, at) => {
      const vm = activeVm(`v${at}`, { endByMs: 1e12, beat: { atMs: 1e6 } as never, cores: 8, memoryBytes: 32 * gib })
      return { vm, leases: 7, used: { cores: 7, ...noAmounts, memoryBytes: 14 * gib, diskBytes: gib } }
    }),
    services: [],
    clouds: [
      {
        name: 'here',
        offerings: [offering, { ...offering, flavor: 'big', cores: 16, memoryBytes: 64 * gib }],
        limits,
        quota: {},
        bootMs: 1000,
        lifeMs: 1e9,
        reading: { listBeganMs: 1e6, failure: '', implausible: '' },
        watchedSinceMs: 0,
        blocked: '',
        barred: new Map(),
        revoked: new Map(),
        listed: new Map(),
        strays: { vms: 0, cores: 0, memoryBytes: 0 },
      },
    ],
    breakers: new Map(),
  }
  const beganMs = clock.monotonicMs()
  const { lines } = planFleet(view as never, directorDefaults, 1e6)
  return { ms: clock.monotonicMs() - beganMs, lines: lines.length }
}

matches('one queue')
const kinds: readonly Kind[] = ['one queue', 'misfits', 'one of the last fits', 'all fit']
// Twice, the second time backwards: a machine that gets slower in between favours no kind.
const rounds = [...kinds, ...kinds.toReversed()].map((kind) => ({ kind, us: matches(kind).us }))
const alone = rounds.filter(({ kind }) => kind === 'one queue').flatMap(({ us }) => us)
for (const kind of kinds) {
  const us = rounds.filter((round) => round.kind === kind).flatMap((round) => round.us)
  const [p50, p99] = [quantile(us, 0.5), quantile(us, 0.99)]
  const ratio = (p99 / quantile(alone, 0.99)).toFixed(2)
  console.log(
    `match of others, ${many} queues of one owner (${kind}): p50 ${p50.toFixed(1)} us, p99 ${p99.toFixed(1)} us, ratio ${ratio}`,
  )
}
for (const misfit of ['too many cores', 'another site', 'too many cores or too much memory'] as const) {
  const [few, all] = [matchesBehind(10, misfit), matchesBehind(many, misfit)]
  const texts = [few, all].map((us) => `p50 ${quantile(us, 0.5).toFixed(1)} us, p99 ${quantile(us, 0.99).toFixed(1)} us`)
  const ratio = (quantile(all, 0.5) / quantile(few, 0.5)).toFixed(2)
  console.log(`match behind owners (${misfit}): 10 owners ${texts[0]}; ${many} owners ${texts[1]}; ratio of p50 ${ratio}`)
}
for (const kind of ['all fit', 'misfits'] as const) {
  const queues = (count: number) => different(count, kind).map((requirements) => sampleQueue(alice, requirements))
  plan(queues(100), 1000)
  const [few, all] = [plan(queues(many / 10), 1000), plan(queues(many), 1000)]
  console.log(
    `plan, 1000 VMs (${kind}): ${many / 10} queues ${few.ms.toFixed(0)} ms, ${many} queues ${all.ms.toFixed(0)} ms, ${all.lines} lines`,
  )
}
