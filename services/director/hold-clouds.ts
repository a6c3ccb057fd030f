/**
 * Which clouds this process directs: a role for each cloud, spread over all directors, with facts of the cloud.
 *
 * The facts are for people and for checks that no cloud was ever held twice: a fence belongs to one holder for ever, and
 * a holder that crashed emits none. They decide nothing.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { processSkewMs } from '../../core/kernel/limits.ts'
import { newFact } from '../../core/model/fact-shapes.ts'
import type { RoleTurn } from '../coordination/role-lease.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Fence, Store } from '../../core/ports/store.ts'
import { type Spread, spreadRoles } from '../coordination/spread.ts'

export type HoldCloudsOptions = {
  readonly store: Store
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly holder: string
  readonly clouds: readonly string[]
  /** A cloud is ours from now on. */
  readonly onTaken: () => void
}

const prefix = 'cloud:'
/** More directors than clouds are of no use. */
const maxDirectors = 64

const turnTexts: Readonly<Record<RoleTurn, string>> = {
  taken: 'this process directs a cloud from now on',
  unsure: 'the store did not answer in time: nothing is done on a cloud until it does',
  sure: 'this process still directs a cloud',
  lost: 'this process does not direct a cloud any more',
}

export function cloudRole(cloud: string): string {
  return `${prefix}${cloud}`
}

export function holdClouds({ store, bus, clock, log, holder, clouds, onTaken }: HoldCloudsOptions): Spread {
  function emit(turn: 'taken' | 'lost', { role, fence }: Fence): void {
    const cloud = role.slice(prefix.length)
    store
      .emit([newFact('role', `cloud:${cloud}`, `role ${turn}`, { holder, fence })], clock.nowMs())
      .then(() => bus.hint({ kind: 'clouds', ids: [cloud] }))
      .catch((error: unknown) => log.warn({ err: error, role }, 'a change of a role could not be recorded'))
  }

  function onTurn(turn: RoleTurn, fenced: Fence): void {
    const { role, fence } = fenced
    if (turn === 'unsure') log.warn({ role, fence }, turnTexts[turn])
    else log.info({ role, fence }, turnTexts[turn])
    if (turn === 'taken' || turn === 'lost') emit(turn, fenced)
    if (turn === 'taken' || turn === 'sure') onTaken()
  }

  return spreadRoles({
    store,
    clock,
    holder,
    roles: clouds.map(cloudRole),
    prefix,
    seats: 'director:',
    max: maxDirectors,
    maxSkewMs: processSkewMs,
    onTurn,
    onError: (error) => log.warn({ err: error }, 'the roles of the clouds could not be renewed'),
  })
}
