/**
 * The caller of a use case: a user, and how far one action lets this user reach. An edge makes it from a credential and from
 * the permission table; a use case asks it what is visible.
 *
 * What the caller may not read is as unknown as what does not exist. What the caller may read and not touch is refused by
 * name.
 */

import { PilotageError } from '../kernel/errors.ts'
import type { Identity, Owner } from '../model/owner.ts'
import { concerns, type Vm } from '../model/vm.ts'
import { type Action, reachOf } from './actions.ts'
import { type Reach, reaches } from './reach.ts'

export type Caller = {
  readonly owner: Owner
  /** Of the action that is asked for. */
  readonly reach: Exclude<Reach, 'none'>
  /** How far the caller may read jobs, where that is farther; absent: no farther. */
  readonly sight?: Reach
}

/** Throws `unauthenticated` without a credential, `forbidden` for a VM and for a user whom no role lets do it. */
export function callerFor(action: Action, identity: Identity | undefined): Caller {
  if (!identity) throw new PilotageError('unauthenticated', `${action} needs a token`)
  const reach = reachOf(action, identity)
  if (identity.kind !== 'user' || reach === 'none') throw new PilotageError('forbidden', `${action} is not for this caller`)
  return { owner: identity.owner, reach, sight: reachOf('job.read', identity) }
}

/** The only VO whose things are visible; undefined: those of every VO. */
export function visibleVo({ owner, reach }: Caller): string | undefined {
  return reach === 'any' ? undefined : owner.vo
}

export function sees({ owner, reach }: Caller, subject: Owner): boolean {
  return reaches(reach, owner, subject)
}

/** `forbidden`: the caller may know of it, and may not do this to it. */
export type Standing = 'reached' | 'forbidden' | 'unknown'

export function standingOf({ owner, reach, sight = 'none' }: Caller, subject: Owner): Standing {
  if (reaches(reach, owner, subject)) return 'reached'
  return reaches(sight, owner, subject) ? 'forbidden' : 'unknown'
}

export function seesVm(caller: Caller, vm: Pick<Vm, 'vos'>): boolean {
  const vo = visibleVo(caller)
  return vo === undefined || concerns(vm, vo)
}
