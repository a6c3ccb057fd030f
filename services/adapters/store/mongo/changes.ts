/**
 * Changes of jobs: gathered, decided by core on the pages as they lie here, and written by compare-and-set, a statement a
 * page. Any number of processes may do so at once: of two that change a page one wins, and the other reads and decides
 * again.
 *
 * What stays true: an answer speaks of a page whose write succeeded, or that was read for this answer. A claim holds only if
 * its VM is still Active, and has room for it, after the claim is in the store; otherwise it is taken back before its pilot
 * hears of it. A write whose answer was lost is looked for by its name in the page, never repeated blindly.
 */

import { takenWith } from '../../../../core/model/resources.ts'
import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { JobId } from '../../../../core/kernel/ids.ts'
import type { JobEvent, JobRefusal } from '../../../../core/model/job-event.ts'
import type { JobOutcome } from '../../../../core/ports/store.ts'
import type { Random } from '../../../../core/kernel/random.ts'
import { exactly } from '../../../../core/language/requirement-class.ts'
import type { Claim, ClaimRoom } from './claim-room.ts'
import { type Database, errorOf } from './database.ts'
import { type Draft, drawUp, type Item, nextOf } from './draft.ts'
import { inGroups } from './group.ts'
import type { KnownQueues } from './known-queues.ts'
import { removeDescriptions } from './removal.ts'
import type { PageCache } from './page-cache.ts'
import type { SpecCache } from './specs.ts'
import type { ClaimGate } from './claim-gate.ts'

export type Changes = {
  change(events: readonly JobEvent[], nowMs: number): Promise<readonly JobOutcome[]>
  /** Jobs whose claim by this process is not answered yet. A reading that passes such a claim must not report them again. */
  readonly claiming: ReadonlySet<JobId>
  idle(): Promise<void>
}

export type ChangesOptions = {
  readonly database: Database
  readonly cache: PageCache
  readonly specs: SpecCache
  readonly queues: KnownQueues
  readonly gate: ClaimGate
  readonly room: ClaimRoom
  readonly clock: Clock
  readonly random: Random
}

type Call = { readonly events: readonly JobEvent[]; readonly nowMs: number }
/** A claim that is in the store, and is not confirmed yet. */
type GrantedClaim = Claim & { readonly item: Item; readonly attempt: number }

/** Events in one group: bounds how long an answer waits for its neighbours. */
const maxEvents = 4000
/** A group that was not settled by then is given up: the caller may ask again. */
const settleWithinMs = 20_000

export function openChanges(options: ChangesOptions): Changes {
  const { gate, clock } = options

  /** Claims hold only now: their VMs are looked at once more, after the write. */
  async function confirm(items: readonly Item[]): Promise<void> {
    const claims = items.flatMap((item) => claimIn(item, options))
    if (claims.length === 0) return
    const [beyond] = await Promise.all([
      options.room.beyond(claims, Math.max(...claims.map(({ item }) => item.nowMs))),
      gate.confirm(claims.map(({ event }) => event.vmId)),
    ])
    const late = claims.filter(({ event }) => !gate.mayTakeJobs(event.vmId))
    await takeBack(late, 'vm-not-active', 'its VM stopped taking jobs at the same moment')
    const full = beyond.filter(({ event }) => gate.mayTakeJobs(event.vmId))
    await takeBack(full, 'vm-full', 'the record of its VM has no room for it')
    const specs = await options.specs.all(claims.map(({ event }) => event.jobId))
    for (const { item, event } of claims) {
      const spec = specs.get(event.jobId)
      if (item.outcome?.ok && spec) item.outcome = { ...item.outcome, spec }
    }
  }

  async function takeBack(claims: readonly GrantedClaim[], refusal: JobRefusal, why: string): Promise<void> {
    if (claims.length === 0) return
    const events = claims.map(({ event: { jobId, vmId }, attempt }): JobEvent => {
      return { kind: 'withdraw', jobId, attempt, vmId, why }
    })
    await group.ask({ events, nowMs: clock.nowMs() })
    for (const { item } of claims) item.outcome = { ok: false, why: refusal }
  }

  const group = inGroups<Call, readonly JobOutcome[]>(
    async (calls) => {
      const items = calls.map(({ events, nowMs }) => events.map((event): Item => ({ event, nowMs })))
      await settle(options, items.flat())
      // Reports are answered now; the next group does not wait for the confirmation of this one's claims.
      const confirmed = confirm(items.flat())
      return items.map(async (ofCall) => {
        if (ofCall.some(({ event }) => event.kind === 'claim')) await confirmed
        return ofCall.map(({ outcome }) => outcome ?? { ok: false, why: 'not-found' })
      })
    },
    { maxWeight: maxEvents, weigh: ({ events }) => events.length, soon: (run) => clock.soon(run) },
  )

  const claiming = new Set<JobId>()

  async function change(events: readonly JobEvent[], nowMs: number): Promise<readonly JobOutcome[]> {
    if (events.length === 0) return []
    const claimed = events.flatMap((event) => (event.kind === 'claim' ? [event.jobId] : []))
    for (const id of claimed) claiming.add(id)
    try {
      return await group.ask({ events, nowMs })
    } finally {
      for (const id of claimed) claiming.delete(id)
    }
  }

  return {
    change,
    claiming,
    idle: () => group.idle(),
  }
}

function claimIn(item: Item, { queues }: ChangesOptions): readonly GrantedClaim[] {
  const { event, outcome } = item
  if (event.kind !== 'claim' || !outcome?.ok) return []
  const requirements = exactly(queues.known(outcome.job.classId).requirements, outcome.job.needs)
  return [{ item, event, taken: takenWith(event, requirements), attempt: outcome.job.attempt }]
}

/** Until every event has an outcome that holds. Throws `unavailable` where others change the same pages for too long. */
async function settle(options: ChangesOptions, items: readonly Item[]): Promise<void> {
  const { cache, queues, gate, clock } = options
  const endMs = clock.monotonicMs() + settleWithinMs
  let open = items
  let fresh: ReadonlySet<JobId> = new Set()
  while (open.length > 0) {
    if (clock.monotonicMs() > endMs) throw new PilotageError('unavailable', 'changing jobs: too many others do')
    const pages = await cache.ofJobs(new Set(open.map(({ event }) => event.jobId)))
    await queues.byIds([...pages.values()].map(({ classId }) => classId))
    await gate.look(open.flatMap(({ event }) => (event.kind === 'claim' ? [event.vmId] : [])))
    const drafts = drawUp(open, pages, gate)
    const written = await write(options, drafts, endMs)
    const again: Draft[] = []
    for (const draft of drafts) {
      const holds = draft.changed.size > 0 ? written.has(draft.page.first) : fresh.has(draft.page.first)
      if (!holds) again.push(draft)
      else for (const [at, item] of draft.items.entries()) item.outcome = draft.outcomes[at]
    }
    open = again.flatMap((draft) => draft.items)
    fresh = new Set(again.map(({ page }) => page.first))
    if (again.length > 0) await cache.read([...fresh])
  }
}

/** The pages whose write is in the store. What was not written is not there. */
async function write(options: ChangesOptions, drafts: readonly Draft[], endMs: number): Promise<ReadonlySet<JobId>> {
  const changing = drafts.filter(({ changed }) => changed.size > 0)
  if (changing.length === 0) return new Set()
  const { database, cache, queues, random, clock } = options
  const name = random.letters(12)
  const nexts = changing.map((draft) => nextOf(draft, name, queues))
  const statements = nexts.map(({ filter, update }) => ({ updateOne: { filter, update } }))
  let isWhole = false
  try {
    const { matchedCount } = await database.pages.bulkWrite(statements, { ordered: false })
    isWhole = matchedCount === nexts.length
  } catch (error) {
    const known = errorOf(error, 'changing jobs')
    if (!(known instanceof PilotageError) || known.code !== 'unavailable' || clock.monotonicMs() > endMs) throw known
  }
  const firsts = nexts.map(({ page }) => page.first)
  const made = isWhole ? new Set(firsts) : await madeBy(options, firsts, name, endMs)
  for (const { page, removed } of nexts) {
    if (made.has(page.first) && page.jobs.size > 0) cache.put(page)
    else cache.drop(page.first)
    if (made.has(page.first) && removed.size > 0) await removeDescriptions(options, page, removed)
  }
  return made
}

/** Which of these pages bear the name of a write: asked until the store answers, or time is up. */
async function madeBy(
  { database, clock }: ChangesOptions,
  firsts: readonly JobId[],
  name: string,
  endMs: number,
): Promise<Set<JobId>> {
  for (;;) {
    try {
      const found = await database.pages.find({ _id: { $in: firsts }, wr: name }, { projection: { _id: 1 } }).toArray()
      return new Set(found.map(({ _id }) => _id as JobId))
    } catch (error) {
      const known = errorOf(error, 'looking for a write')
      if (!(known instanceof PilotageError) || known.code !== 'unavailable' || clock.monotonicMs() > endMs) throw known
    }
  }
}
