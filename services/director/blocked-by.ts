/** Why the last plans make no VM for a task queue, per cloud: from the plan notes of the directors. */

import { planNote, planOf } from '../../core/plan/cloud-note.ts'
import type { BlockedReason, BlockingReason } from '../../core/plan/fleet.ts'
import type { ClassId } from '../../core/kernel/ids.ts'
import type { FactStore } from '../../core/ports/store.ts'

export type BlockedBy = { readonly cloud: string; readonly why: BlockingReason; readonly reason: string }

const blocking: ReadonlySet<BlockedReason> = new Set<BlockingReason>([
  'image',
  'limit',
  'quota',
  'ramp',
  'breaker',
  'unread',
])

function isBlocking(why: BlockedReason): why is BlockingReason {
  return blocking.has(why)
}

export async function blockedBy(
  store: Pick<FactStore, 'note'>,
  clouds: readonly string[],
  classId: ClassId,
): Promise<readonly BlockedBy[]> {
  const notes = await Promise.all(clouds.map((name) => store.note(planNote(name))))
  return clouds.flatMap((name, at) => {
    const lines = planOf(notes[at])?.lines ?? []
    return lines.flatMap((line): readonly BlockedBy[] => {
      if (line.kind !== 'hold' || line.cloud !== name || !isBlocking(line.why)) return []
      return line.queues.includes(classId) ? [{ cloud: name, why: line.why, reason: line.reason }] : []
    })
  })
}
