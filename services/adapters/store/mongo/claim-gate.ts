/**
 * Whether a VM may be given jobs: known from its last reading before a claim is written, and asked for once more after it.
 *
 * A stop that wants the VM empty first closes its gate, then counts leases, then stops it or opens it again. So either the
 * stop sees the claim, or the claim sees the gate: both write before they look. A gate that stays closed was left by a
 * process that died, and is opened by a process that waited for it.
 */

import { mayTakeJobs } from '../../../../core/model/apply.ts'
import { type LeasePlace, nowhere } from '../../../../core/model/job-filter.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import { type Clock, sleep } from '../../../../core/kernel/clock.ts'
import { type Database, guarded, type VmDocument } from './database.ts'

type Seen = { readonly isTaking: boolean; readonly place: LeasePlace }

export type ClaimGate = {
  /** Reads those that are not known to be open. */
  look(ids: readonly VmId[]): Promise<void>
  /** Reads all of them, and waits for closed gates to be decided. */
  confirm(ids: readonly VmId[]): Promise<void>
  mayTakeJobs(id: VmId): boolean
  placeOf(id: VmId): LeasePlace
}

const maxKnown = 20_000
const closedMostMs = 5000
const lookEveryMs = 20

const gateFields = { _id: 1, st: 1, site: 1, cloud: 1, closing: 1 } as const
type Gate = Pick<VmDocument, keyof typeof gateFields>

export function openClaimGate({ vms }: Database, clock: Clock): ClaimGate {
  const known = new Map<string, Seen>()

  async function read(ids: readonly VmId[]): Promise<readonly Gate[]> {
    const found = await guarded('reading VMs', () =>
      vms.find({ _id: { $in: [...new Set(ids)] } }, { projection: gateFields }).toArray(),
    )
    for (const { _id, st, site, cloud = '', closing } of found) {
      known.delete(_id)
      known.set(_id, { isTaking: !closing && mayTakeJobs(st), place: { site, cloud } })
      if (known.size > maxKnown) known.delete(known.keys().next().value as string)
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

  /** With a new version: a process that closed it and is only slow can not stop the VM any more. */
  async function open(gates: readonly Gate[]): Promise<void> {
    for (const { _id, closing } of gates) {
      await guarded('opening a VM again', () =>
        vms.updateOne({ _id, 'closing.by': closing?.by }, { $unset: { closing: '' }, $inc: { cv: 1 } }),
      )
    }
  }

  return {
    async look(ids) {
      const unsure = [...new Set(ids)].filter((id) => !known.get(id)?.isTaking)
      if (unsure.length > 0) await decided(unsure)
    },
    confirm: decided,
    mayTakeJobs: (id) => known.get(id)?.isTaking ?? mayTakeJobs(undefined),
    placeOf: (id) => known.get(id)?.place ?? nowhere,
  }
}
