/**
 * The usage of owners, shared by all processes that charge it: each keeps what it charged itself as the note of its seat,
 * and reads the notes of the others.
 *
 * Policy, not truth: if a process dies, the last half minute of what it charged is lost, and shares are a little less fair
 * for a while. The note of a seat outlives its holder: the next holder of the seat goes on with it.
 */

import { type Clock, inTurns } from '../../core/kernel/clock.ts'
import { apiSeats, chargerSeats, type Seats } from '../../core/model/roles.ts'
import type { FactStore, Fence } from '../../core/ports/store.ts'
import { epochOf, type UsageChange, type UsageLedger, type Uses } from '../../core/share/ledger.ts'
import { decayedUsage } from '../../core/share/usage.ts'

/** Notes are read in batches, up to the first batch without any: seats are taken from the first on. */
const batchSize = 8

export type UsageExchange = {
  /** Takes over the note of a new seat, keeps what this process charged, and reads what the others charged. */
  exchange(seat: Fence | undefined, nowMs: number): Promise<void>
  isNew(seat: Fence | undefined): boolean
}

export function exchangeUsage(
  store: Pick<FactStore, 'note' | 'keepNote'>,
  ledger: UsageLedger,
  clock: Clock,
): UsageExchange {
  /** The seat whose note is ours to write; its fence shows whether another process had the seat in between. */
  let current: Fence | undefined

  const isNew = (seat: Fence | undefined): boolean =>
    seat !== undefined && (current?.role !== seat.role || current.fence !== seat.fence)

  return {
    isNew,
    async exchange(seat, nowMs) {
      const notes = await readNotes(store)
      const own = seat && noteName(seat.role)
      const others = sum(
        [...notes].flatMap(([name, uses]) => (name === own ? [] : [uses])),
        nowMs,
      )
      if (seat && own && isNew(seat)) {
        // What was charged on an earlier seat stays in the note of that seat.
        const uses = sum([ownedOf(notes.get(own))], nowMs)
        ledger.hear(others, nowMs, { uses, isInstead: current !== undefined })
        current = seat
      } else await publishInTurns(clock, ledger, ledger.hear(others, nowMs))
      if (own) await store.keepNote(own, JSON.stringify(ledger.own(nowMs)))
    },
  }
}

/** Owners whose turns are moved in one turn of the event loop: a millisecond or two. */
const ownersPerTurn = 100

export function publishInTurns(
  clock: Clock,
  ledger: Pick<UsageLedger, 'publish'>,
  changes: readonly UsageChange[],
): Promise<void> {
  return inTurns(clock, changes, ownersPerTurn, (slice) => ledger.publish(slice))
}

/** What all processes charged: what a start begins with. */
export async function readUsage(store: Pick<FactStore, 'note'>, nowMs: number): Promise<Uses> {
  return sum([...(await readNotes(store)).values()], nowMs)
}

/** `api:03` keeps `uses:03`, `charger:03` keeps `uses:charger:03`. */
function noteName(seatRole: string): string {
  return `uses:${seatRole.startsWith(apiSeats.prefix) ? seatRole.slice(apiSeats.prefix.length) : seatRole}`
}

async function readNotes(store: Pick<FactStore, 'note'>): Promise<ReadonlyMap<string, Uses>> {
  const notes = new Map<string, Uses>()
  for (const seats of [apiSeats, chargerSeats]) await readSeats(store, seats, notes)
  return notes
}

async function readSeats(store: Pick<FactStore, 'note'>, { prefix, max }: Seats, notes: Map<string, Uses>): Promise<void> {
  const digits = String(max - 1).length
  for (let from = 0; from < max; from += batchSize) {
    const names = Array.from({ length: batchSize }, (_, at) =>
      noteName(`${prefix}${String(from + at).padStart(digits, '0')}`),
    )
    const texts = await Promise.all(names.map((name) => store.note(name)))
    for (const [at, text] of texts.entries()) {
      const name = names[at]
      if (name !== undefined && text !== undefined) notes.set(name, JSON.parse(text) as Uses)
    }
    if (texts.every((text) => text === undefined)) break
  }
}

/** Without what ran on VMs that its holder served: their new streams count that. */
function ownedOf(uses: Uses | undefined): Uses | undefined {
  return uses && { ...uses, running: [] }
}

/** In units of `nowMs`, with what is running. */
function sum(all: readonly (Uses | undefined)[], nowMs: number): Uses {
  const owners = new Map<string, number>()
  let sinceMs = Infinity
  for (const uses of all) {
    if (!uses) continue
    if (uses.owners.length > 0) sinceMs = Math.min(sinceMs, uses.sinceMs ?? 0)
    for (const [key, use] of [...uses.owners, ...(uses.running ?? [])]) {
      owners.set(key, (owners.get(key) ?? 0) + decayedUsage(use, nowMs, epochOf(uses)))
    }
  }
  return { epochMs: nowMs, ...(sinceMs < Infinity ? { sinceMs } : {}), owners: [...owners] }
}
