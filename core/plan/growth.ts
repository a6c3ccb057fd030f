/**
 * Which VMs to make for the work that found no room: the cheapest that fit, within the headroom, fair between owners.
 *
 * The rule of fairness: owners take turns, and a turn is one VM for one of the owner's queues (which take turns as well), so
 * that one owner's flood gets no more of a step's ramp than another's single job. What is left of that VM is packed with
 * whatever else fits. The rule of choice: the lowest price an hour for each core that gets work; then the least room left
 * idle, then the fewest VMs, then the name.
 */

import type { Offering } from '../model/cloud.ts'
import { fill, fits as fitsIn, type OpenQueue } from './placement.ts'
import type { CloudView, CreateLine } from './fleet.ts'
import type { Block, Headroom } from './headroom.ts'
import { suits } from '../language/rules.ts'
import { offeredBy } from '../model/cloud.ts'
import { placeOf, roomOf } from '../model/vm-place.ts'

export type Growth = {
  readonly creates: readonly CreateLine[]
  /** For each queue with jobs left over: what stood in the way; nothing: no offering fits. */
  readonly blocked: ReadonlyMap<OpenQueue, readonly Block[]>
  /** An order that failed last was kept from a probe, and may have it now if it is left. */
  readonly mayRepeat: boolean
}

/** One offering while the plan is made. `fits` is kept for each queue: 0 not asked yet, 1 no, 2 yes. */
type Candidate = {
  readonly name: string
  readonly offering: Offering
  readonly headroom: Headroom
  readonly remainingMs: number
  readonly fits: Map<OpenQueue, boolean>
  readonly queues: Map<OpenQueue, number>
  count: number
}

type Load = { readonly jobs: readonly (readonly [OpenQueue, number])[]; readonly cores: number }

/** Estimates of what a candidate would run look at this number of queues; the chosen candidate is packed from all. */
const lookahead = 32

export function grow(
  queues: readonly OpenQueue[],
  clouds: readonly CloudView[],
  headrooms: ReadonlyMap<string, Headroom>,
): Growth {
  const candidates = candidatesOf(clouds, headrooms)
  const blocked = new Map<OpenQueue, readonly Block[]>()
  takeTurns(queues, candidates, blocked)
  // What is left may repeat the order that failed last: nothing else wanted the probe.
  const mayRepeat = [...headrooms.values()].filter((headroom) => headroom.allowRepeats()).length > 0
  if (mayRepeat) takeTurns(queues, candidates, blocked)
  return { creates: candidates.filter(({ count }) => count > 0).map(createLine), blocked, mayRepeat }
}

function takeTurns(
  queues: readonly OpenQueue[],
  candidates: readonly Candidate[],
  blocked: Map<OpenQueue, readonly Block[]>,
): void {
  const owners = ownersOf(queues)
  const order = interleaved(owners)
  let turns = owners
  while (turns.length > 0) {
    const next: OpenQueue[][] = []
    for (const own of turns) {
      const open = nextOpen(own)
      if (!open) continue
      const blocks = makeOne(open, order, candidates)
      if (blocks) blocked.set(open, blocks)
      else own.push(open)
      next.push(own)
    }
    turns = next
  }
}

/** Takes one more VM for the queue and packs it; or answers what blocks every offering that fits. */
function makeOne(
  open: OpenQueue,
  order: readonly OpenQueue[],
  candidates: readonly Candidate[],
): readonly Block[] | undefined {
  const blocks: Block[] = []
  let best: { readonly candidate: Candidate; readonly load: Load } | undefined
  for (const candidate of candidates) {
    if (!fitsOn(open, candidate)) continue
    const block = candidate.headroom.blockOf(candidate.offering)
    if (block) {
      blocks.push(block)
      continue
    }
    const load = pack(candidate, open, order, lookahead)
    if (!best || isBetter(candidate, load, best.candidate, best.load)) best = { candidate, load }
  }
  if (!best) return blocks
  const { candidate } = best
  candidate.headroom.take(candidate.offering)
  candidate.count += 1
  for (const [queue, jobs] of pack(candidate, open, order, order.length).jobs) {
    queue.left -= jobs
    candidate.queues.set(queue, (candidate.queues.get(queue) ?? 0) + jobs)
  }
  return undefined
}

function pack(candidate: Candidate, first: OpenQueue, order: readonly OpenQueue[], most: number): Load {
  const whole = roomOf(candidate.offering, candidate.remainingMs)
  const jobs: [OpenQueue, number][] = []
  let room = whole
  const put = (open: OpenQueue): void => {
    const filled = fill(open, room, open.left)
    if (filled.jobs === 0) return
    jobs.push([open, filled.jobs])
    room = filled.room
  }
  put(first)
  let looked = 0
  for (const open of order) {
    if (room.cores < 1 || looked >= most) break
    if (open === first || open.left === 0) continue
    looked += 1
    if (fitsOn(open, candidate)) put(open)
  }
  return { jobs, cores: whole.cores - room.cores }
}

function isBetter(candidate: Candidate, load: Load, best: Candidate, bestLoad: Load): boolean {
  const price = candidate.offering.pricePerHour / load.cores - best.offering.pricePerHour / bestLoad.cores
  if (price !== 0) return price < 0
  const idle = candidate.offering.cores - load.cores - (best.offering.cores - bestLoad.cores)
  if (idle !== 0) return idle < 0
  if (load.cores !== bestLoad.cores) return load.cores > bestLoad.cores
  return candidate.name < best.name
}

function fitsOn(open: OpenQueue, { fits, offering, remainingMs }: Candidate): boolean {
  let answer = fits.get(open)
  if (answer === undefined) {
    answer = suits(open.queue, placeOf(offering)) && fitsIn(open, roomOf(offering, remainingMs))
    fits.set(open, answer)
  }
  return answer
}

function candidatesOf(clouds: readonly CloudView[], headrooms: ReadonlyMap<string, Headroom>): readonly Candidate[] {
  return clouds.flatMap(({ name, offerings, lifeMs, bootMs }) => {
    const headroom = headrooms.get(name)
    if (!headroom) return []
    return offerings.map((offering) => ({
      name: `${name}/${offering.flavor}/${offering.image}`,
      offering,
      headroom,
      remainingMs: offeredBy(offering, { lifeMs, bootMs }).usableMs,
      fits: new Map(),
      queues: new Map(),
      count: 0,
    }))
  })
}

/** Owners in the order of their most urgent queue, each with its own queues in order. */
function ownersOf(queues: readonly OpenQueue[]): OpenQueue[][] {
  const owners = new Map<string, OpenQueue[]>()
  for (const open of queues) {
    if (open.left === 0) continue
    const { vo, group, owner } = open.queue
    const key = JSON.stringify([vo, group, owner])
    const own = owners.get(key)
    if (own) own.push(open)
    else owners.set(key, [open])
  }
  return [...owners.values()]
}

function interleaved(owners: readonly (readonly OpenQueue[])[]): readonly OpenQueue[] {
  const longest = Math.max(0, ...owners.map((own) => own.length))
  return Array.from({ length: longest }, (_, at) => owners.flatMap((own) => own[at] ?? [])).flat()
}

/** The owner's next queue with something left; the others keep their order. */
function nextOpen(own: OpenQueue[]): OpenQueue | undefined {
  let open = own.shift()
  while (open && open.left === 0) open = own.shift()
  return open
}

function createLine({ offering, count, queues }: Candidate): CreateLine {
  const jobs = [...queues.values()].reduce((sum, more) => sum + more, 0)
  const price = offering.pricePerHour === 0 ? 'at no price' : `at ${offering.pricePerHour} an hour each`
  const byVo: Record<string, number> = {}
  for (const [{ queue }, more] of queues) byVo[queue.vo] = (byVo[queue.vo] ?? 0) + more
  return {
    kind: 'create',
    cloud: offering.cloud,
    offering,
    count,
    queues: [...queues.keys()].map(({ queue }) => queue.id),
    jobs,
    byVo,
    reason: `waiting jobs found no room; the cheapest that fits, ${price}`,
  }
}
