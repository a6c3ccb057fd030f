/**
 * What owners used, shared by the processes that serve pilots: each keeps what it charged itself as the note of its seat, and
 * reads the others'.
 *
 * Policy, not truth: a process that dies takes the last half minute of it along, and shares are a little less fair for a while.
 * A seat's note outlives its holder: the next one on the seat goes on with it.
 */

import type { FactStore } from '../../core/ports/store.ts'
import type { ProcessSeat } from '../coordination/seat.ts'
import { shownUse } from '../../core/share/usage.ts'
import type { Uses } from './owner-shares.ts'
import type { WaitingIndex } from './waiting-index.ts'

export const apiSeats = { prefix: 'api:', most: 64 } as const

/** Notes are read so many at a time, up to the first part without one: seats are taken from the first on. */
const atOnce = 8

export type SharedUses = {
  /** Takes the seat's note over where the seat is new, keeps what this process charged, and hears what the others did. */
  exchange(seat: ProcessSeat | undefined, nowMs: number): Promise<void>
  isNew(seat: ProcessSeat | undefined): boolean
}

export function shareUses(store: FactStore, waiting: WaitingIndex): SharedUses {
  /** The seat whose note is ours to write; its fence tells whether somebody else sat there meanwhile. */
  let sat: ProcessSeat | undefined

  const isNew = (seat: ProcessSeat | undefined): boolean =>
    seat !== undefined && (sat?.role !== seat.role || sat.fence !== seat.fence)

  return {
    isNew,
    async exchange(seat, nowMs) {
      const notes = await readNotes(store)
      const own = seat && noteName(seat.role)
      if (seat && own && isNew(seat)) {
        // What was charged on an earlier seat went with its note.
        waiting.inherit(sum([notes.get(own)], nowMs), nowMs, sat !== undefined)
        sat = seat
      }
      if (own) await store.keepNote(own, JSON.stringify(waiting.uses(nowMs)))
      const others = [...notes].flatMap(([name, uses]) => (name === own ? [] : [uses]))
      waiting.hear(sum(others, nowMs), nowMs)
    },
  }
}

/** What all of them used: what a start begins with. */
export async function readUses(store: FactStore, nowMs: number): Promise<Uses> {
  return sum([...(await readNotes(store)).values()], nowMs)
}

function noteName(seatRole: string): string {
  return `uses:${seatRole.slice(apiSeats.prefix.length)}`
}

async function readNotes(store: FactStore): Promise<ReadonlyMap<string, Uses>> {
  const notes = new Map<string, Uses>()
  const digits = String(apiSeats.most - 1).length
  for (let from = 0; from < apiSeats.most; from += atOnce) {
    const names = Array.from({ length: atOnce }, (_, at) => `uses:${String(from + at).padStart(digits, '0')}`)
    const texts = await Promise.all(names.map((name) => store.note(name)))
    for (const [at, text] of texts.entries()) {
      const name = names[at]
      if (name !== undefined && text !== undefined) notes.set(name, JSON.parse(text) as Uses)
    }
    if (texts.every((text) => text === undefined)) break
  }
  return notes
}

/** In the money of `nowMs`. */
function sum(all: readonly (Uses | undefined)[], nowMs: number): Uses {
  const owners = new Map<string, number>()
  for (const uses of all) {
    for (const [key, use] of uses?.owners ?? []) {
      owners.set(key, (owners.get(key) ?? 0) + shownUse(use, nowMs, uses?.epochMs ?? nowMs))
    }
  }
  return { epochMs: nowMs, owners: [...owners] }
}
