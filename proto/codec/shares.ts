/** The share tree on the wire, and back. A node is a VO, a group or an owner by which of its names are there. */

import { PilotageError } from '../../core/kernel/errors.ts'
import type { ShareState } from '../../core/share/share-tree.ts'
import type { SharePath } from '../../core/share/weights.ts'
import type * as wire from '../gen/pilotage/v1/operate.ts'
import { durationMs, durationOf } from './times.ts'

export function shareToWire({ path: [vo, group = '', owner = ''], ...state }: ShareState): wire.Share {
  const { weight, waiting, usedCoreMs, used, target, factor } = state
  return { vo, group, owner, weight, waiting, used: durationOf(usedCoreMs), usedPart: used, targetPart: target, factor }
}

export function shareOfWire({ used, usedPart, targetPart, ...share }: wire.Share) {
  return { ...share, usedCoreMs: durationMs(used), used: usedPart, target: targetPart }
}

export function sharesOfWire({ version, halfLife }: wire.ListSharesResponse) {
  return { version, halfLifeMs: durationMs(halfLife) }
}

/** Throws `invalid-argument` for an owner without a group. */
export function sharePathOf({ vo, group, owner }: Pick<wire.Share, 'vo' | 'group' | 'owner'>): SharePath {
  if (owner !== '' && group === '') {
    const violation = { path: 'group', value: '', rule: 'missing', accepted: 'the group of the owner' }
    throw new PilotageError('invalid-argument', 'an owner is named with a group', { violations: [violation] })
  }
  if (group === '') return [vo]
  return owner === '' ? [vo, group] : [vo, group, owner]
}
