/**
 * VMs: one document each, changed by compare-and-set as core decides. How many leases a VM holds is counted from the pages,
 * where the leases are; a stop that needs none closes the VM's gate to claims before it counts.
 */

import { fromList } from '../../../../core/model/resources.ts'
import { type Clock, sleep } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { applyToVm } from '../../../../core/model/apply.ts'
import type { FactData, NewFact } from '../../../../core/model/fact-shapes.ts'
import { vmFact } from '../../../../core/model/facts.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import { type Job, leaseOf } from '../../../../core/model/job.ts'
import type { Fence, VmOutcome, VmStore } from '../../../../core/ports/store.ts'
import { type KeptVm, isOver, isUp, type Vm, type VmEvent } from '../../../../core/model/vm.ts'
import { jitter, type Random } from '../../../../core/kernel/random.ts'
import { type Database, guarded, isDuplicate, type VmDocument } from './database.ts'
import { inGroups } from './group.ts'
import type { StoryEntry } from './job-text.ts'
import { type Use, noUse, usedOn } from './page.ts'
import type { PageCache } from './page-cache.ts'

type VmsOptions = { readonly database: Database; readonly cache: PageCache; readonly clock: Clock; readonly random: Random }
type Call = { readonly events: readonly VmEvent[]; readonly nowMs: number }
type Item = { readonly event: VmEvent; readonly nowMs: number; outcome?: VmOutcome }

const maxEvents = 1000
const settleWithinMs = 20_000
const maxStoryEntries = 100
const writesKept = 8
const againMs = 10
/** A gate that is closed for longer was left by a process that died; a slow one's last write fails on the version. */
const closedMostMs = 10_000

export function openVms(options: VmsOptions): VmStore {
  const { database, cache } = options
  const { vms, pages, roles } = database
  const group = inGroups<Call, readonly VmOutcome[]>(
    async (calls) => {
      const items = calls.map(({ events, nowMs }) => events.map((event): Item => ({ event, nowMs })))
      await settle(options, items.flat())
      return items.map((ofCall) => ofCall.map(({ outcome }) => outcome ?? { ok: false, why: 'not-found' }))
    },
    { maxWeight: maxEvents, weigh: ({ events }) => events.length, soon: (run) => options.clock.soon(run) },
  )

  async function isStale(under: Fence): Promise<boolean> {
    const role = await guarded('reading a role', () => roles.findOne({ _id: under.role }))
    return role?.fence !== under.fence
  }

  return {
    async intend(vm, nowMs, under) {
      if (under && (await isStale(under))) return false
      try {
        await guarded('keeping an intent', () => vms.insertOne(newVm(vm, nowMs)).catch(rethrowUnlessTaken))
      } catch (error) {
        if (error === taken) return false
        throw error
      }
      // A process that took the role over since sees this record, or we see them.
      if (!under || !(await isStale(under))) return true
      await guarded('taking an intent back', () => vms.deleteOne({ _id: vm.id, cv: 1 }))
      return false
    },
    changeVms: (events, nowMs) => (events.length === 0 ? Promise.resolve([]) : group.ask({ events, nowMs })),
    async vm(id) {
      const [found, used] = await Promise.all([
        guarded('reading a VM', () => vms.findOne({ _id: id })),
        usedBy(database, { lv: id }),
      ])
      return found ? keptVm(found, used.get(id)) : undefined
    },
    async liveVms() {
      const [found, used] = await Promise.all([
        guarded('reading VMs', () => vms.find({ over: false }).toArray()),
        usedBy(database, { un: { $gte: 0 } }),
      ])
      return found.map((document) => keptVm(document, used.get(document._id)))
    },
    async endedVms(limit) {
      const found = await guarded('reading VMs', () => vms.find({ over: true }).sort({ at: -1 }).limit(limit).toArray())
      return found.map(({ doc }) => JSON.parse(doc) as Vm)
    },
    async leasesOn(id) {
      const found = await guarded('reading leases', () => pages.find({ lv: id }, { projection: { _id: 1 } }).toArray())
      const read = await cache.read(found.map(({ _id }) => _id as Job['id']))
      return read
        .flatMap(({ jobs }) => [...jobs.values()].map(({ job }) => job))
        .filter(({ phase }) => leaseOf(phase)?.vmId === id)
        .sort((a, b) => a.id - b.id)
    },
  }
}

const taken = new Error('the id is taken')

function rethrowUnlessTaken(error: unknown): never {
  throw isDuplicate(error) ? taken : error
}

function newVm(vm: Vm, nowMs: number): VmDocument {
  const story = [JSON.stringify(entryOf(vmFact(vm), 1, nowMs))]
  return {
    _id: vm.id,
    cv: 1,
    wr: [],
    st: vm.phase.state,
    site: vm.site,
    cloud: vm.cloud,
    over: false,
    at: vm.intendedMs,
    doc: JSON.stringify(vm),
    story,
  }
}

function entryOf({ kind, data }: NewFact, version: number, nowMs: number): StoryEntry {
  return [version, nowMs, kind, data satisfies FactData]
}

function keptVm({ doc }: VmDocument, use: Use | undefined): KeptVm {
  const [leases, ...used] = use ?? [0]
  return { vm: JSON.parse(doc) as Vm, leases, used: fromList(used) }
}

/** What the live leases hold, by VM. */
export async function usedBy({ pages }: Database, filter: object): Promise<ReadonlyMap<string, Use>> {
  const found = await guarded('counting leases', () => pages.find(filter, { projection: { use: 1 } }).toArray())
  const sums = new Map<string, Use>()
  for (const { use = {} } of found) {
    for (const id of Object.keys(use)) {
      const more = usedOn(use, id as VmId)
      sums.set(id, (sums.get(id) ?? noUse).map((value, at) => value + (more[at] ?? 0)) as Use)
    }
  }
  return sums
}

async function settle(options: VmsOptions, items: readonly Item[]): Promise<void> {
  const { clock, random } = options
  const endMs = clock.monotonicMs() + settleWithinMs
  const name = random.letters(12)
  let open = await round(options, items, name)
  while (open.length > 0) {
    if (clock.monotonicMs() > endMs) throw new PilotageError('unavailable', 'changing VMs: too many others do')
    await sleep(clock, jitter(againMs, random))
    open = await round(options, open, name)
  }
}

/** One try at each; answers those whose VM another process changed in between. */
async function round({ database }: VmsOptions, items: readonly Item[], name: string): Promise<readonly Item[]> {
  const { vms } = database
  const byVm = Map.groupBy(items, ({ event }) => event.vmId)
  const ids = [...byVm.keys()]
  const [found, used] = await Promise.all([
    guarded('reading VMs', () => vms.find({ _id: { $in: ids } }).toArray()),
    usedBy(database, { lv: { $in: ids } }),
  ])
  const documents = new Map(found.map((document) => [document._id, document]))
  const again: Item[] = []
  const drafts: Draft[] = []
  for (const [id, ofVm] of byVm) {
    const document = documents.get(id)
    if (!document) for (const item of ofVm) item.outcome = applyToVm(undefined, item.event, 0, item.nowMs).outcome
    else drafts.push(await drawUp(database, document, usedOn(Object.fromEntries(used), id)[0], ofVm, name))
  }
  const changing = drafts.filter(({ update }) => update !== undefined)
  const made = await write(database, changing, name)
  for (const { id, items: ofVm, outcomes, update } of drafts) {
    if (update !== undefined && !made.has(id)) again.push(...ofVm)
    else for (const [at, item] of ofVm.entries()) item.outcome = outcomes[at]
  }
  return again
}

type Draft = {
  readonly id: string
  readonly version: number
  readonly items: readonly Item[]
  readonly outcomes: readonly VmOutcome[]
  /** Undefined: nothing to write, what was read is the answer. */
  readonly update: { readonly $set: object; readonly $unset: object } | undefined
}

/** Where a stop wants the VM empty and finds it so, the gate is closed first and the leases are counted once more. */
async function drawUp(
  database: Database,
  found: VmDocument,
  leases: number,
  items: readonly Item[],
  name: string,
): Promise<Draft> {
  const draft = decide(found, leases, items, name)
  const before = JSON.parse(found.doc) as Vm
  const isRace = items.some(({ event }, at) => event.kind === 'retire' && draft.outcomes[at]?.ok) && isUp(before.phase)
  if (!isRace) return draft
  const atMs = items[0]?.nowMs ?? 0
  const stale = { $lt: new Date(atMs - closedMostMs) }
  const closed = await guarded('closing a VM', () =>
    database.vms.findOneAndUpdate(
      {
        _id: found._id,
        cv: found.cv,
        $or: [{ closing: { $exists: false } }, { 'closing.by': name }, { 'closing.at': stale }],
      },
      { $set: { closing: { by: name, at: new Date(atMs) } }, $inc: { cv: 1 } },
      { returnDocument: 'after' },
    ),
  )
  // Another process changes it or stops it: looked at again in the next round.
  if (!closed) return { ...draft, update: { $set: {}, $unset: {} }, version: -1 }
  const now = usedOn(Object.fromEntries(await usedBy(database, { lv: found._id })), found._id as VmId)[0]
  return decide(closed, now, items, name)
}

function decide(found: VmDocument, leases: number, items: readonly Item[], name: string): Draft {
  const first = JSON.parse(found.doc) as Vm
  const story = [...found.story]
  const version = found.cv + 1
  let vm = first
  let isTelling = false
  const outcomes = items.map(({ event, nowMs }): VmOutcome => {
    const { outcome, changed, facts } = applyToVm(vm, event, leases, nowMs)
    vm = changed ?? vm
    for (const fact of facts) {
      isTelling = true
      story.push(JSON.stringify(entryOf(fact, version, nowMs)))
    }
    return outcome
  })
  const common = { id: found._id, version: found.cv, items, outcomes }
  if (vm === first && !isTelling && found.closing?.by !== name) return { ...common, update: undefined }
  const set = {
    cv: version,
    wr: [...found.wr.slice(1 - writesKept), name],
    st: vm.phase.state,
    over: isOver(vm.phase),
    doc: JSON.stringify(vm),
    ...(isTelling ? { story: story.slice(-maxStoryEntries), mv: version } : {}),
  }
  // Only who closed the gate opens it; what others write leaves it as it is.
  return { ...common, update: { $set: set, $unset: found.closing?.by === name ? { closing: '' } : {} } }
}

async function write({ vms }: Database, drafts: readonly Draft[], name: string): Promise<ReadonlySet<string>> {
  const sure = drafts.filter(({ version }) => version >= 0)
  if (sure.length === 0) return new Set()
  const statements = sure.map(({ id, version, update }) => ({
    updateOne: { filter: { _id: id, cv: version }, update: update ?? {} },
  }))
  const ids = sure.map(({ id }) => id)
  const { matchedCount } = await guarded('changing VMs', () => vms.bulkWrite(statements, { ordered: false }))
  if (matchedCount === sure.length) return new Set(ids)
  const found = await guarded('looking for a write', () =>
    vms.find({ _id: { $in: ids }, wr: name }, { projection: { _id: 1 } }).toArray(),
  )
  return new Set(found.map(({ _id }) => _id))
}
