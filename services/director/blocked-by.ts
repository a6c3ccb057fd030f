/** Why the last plans make no VM for a task queue, per cloud: from the plan notes of the directors. */

import type { BlockedReason, BlockingReason, Cause } from '../../core/plan/cause.ts'
import { planNote, planOf } from '../../core/plan/cloud-note.ts'
import type { ClassId } from '../../core/kernel/ids.ts'
import type { FactStore } from '../../core/ports/store.ts'

export type BlockedBy = { readonly cloud: string; readonly cause: BlockingCause }

type BlockingCause = Cause & { readonly why: BlockingReason }

const blocking: ReadonlySet<BlockedReason> = new Set<BlockingReason>([
  'image',
  'limit',
  'quota',
  'ramp',
  'breaker',
  'unread',
])

function isBlocking(cause: Cause): cause is BlockingCause {
  return blocking.has(cause.why)
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
      if (line.kind !== 'hold' || line.cloud !== name || !isBlocking(line.cause)) return []
      return line.queues.includes(classId) ? [{ cloud: name, cause: line.cause }] : []
    })
  })
}
