/**
 * Whether a VM may be given jobs: known from its last reading before a claim is written, and asked for once more after it.
 *
 * A stop that wants the VM empty first closes its door, then counts leases, then stops it or opens it again. So either the
 * stop sees the claim, or the claim sees the door: both write before they look. A door that stays closed was left by a
 * process that died, and is opened by whoever waited for it.
 */

import type { VmId } from '../../../../core/kernel/ids.ts'
import { type Clock, sleep } from '../../../../core/kernel/clock.ts'
import { type Database, guarded, type VmDocument } from './database.ts'

type Seen = { readonly isOpen: boolean; readonly site: string }

export type VmDoor = {
  /** Reads those that are not known to be open. */
  look(ids: readonly VmId[]): Promise<void>
  /** Reads all of them, and waits for closed doors to be decided. */
  confirm(ids: readonly VmId[]): Promise<void>
  isOpen(id: VmId): boolean
  siteOf(id: VmId): string
}

const knownMost = 20_000
const closedMostMs = 5000
const lookEveryMs = 20

const doorFields = { _id: 1, st: 1, site: 1, closing: 1 } as const
type Door = Pick<VmDocument, keyof typeof doorFields>

export function openDoor({ vms }: Database, clock: Clock): VmDoor {
  const known = new Map<string, Seen>()

  async function read(ids: readonly VmId[]): Promise<readonly Door[]> {
    const found = await guarded('reading VMs', () =>
      vms.find({ _id: { $in: [...new Set(ids)] } }, { projection: doorFields }).toArray(),
    )
    for (const { _id, st, site, closing } of found) {
      known.delete(_id)
      known.set(_id, { isOpen: st === 'Active' && !closing, site })
      if (known.size > knownMost) known.delete(known.keys().next().value as string)
    }
    return found.filter(({ closing }) => closing)
  }

  async function decided(ids: readonly VmId[]): Promise<void> {
    const sinceMs = clock.monotonicMs()
    let closed = await read(ids)
    while (closed.length > 0) {
      await sleep(clock, lookEveryMs)
      if (clock.monotonicMs() - sinceMs > closedMostMs) await open(closed)
      closed = await read(closed.map(({ _id }) => _id as VmId))
    }
  }

  /** With a new version: whoever closed it and is only slow can not stop the VM any more. */
  async function open(doors: readonly Door[]): Promise<void> {
    for (const { _id, closing } of doors) {
      await guarded('opening a VM again', () =>
        vms.updateOne({ _id, 'closing.by': closing?.by }, { $unset: { closing: '' }, $inc: { cv: 1 } }),
      )
    }
  }

  return {
    async look(ids) {
      const unsure = [...new Set(ids)].filter((id) => !known.get(id)?.isOpen)
      if (unsure.length > 0) await decided(unsure)
    },
    confirm: decided,
    isOpen: (id) => known.get(id)?.isOpen ?? false,
    siteOf: (id) => known.get(id)?.site ?? '',
  }
}
