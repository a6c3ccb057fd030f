/** Why the last plans make no VM for a task queue, per cloud: from the plan notes of the directors. */

import { planNote, planOf } from '../../core/plan/cloud-note.ts'
import type { BlockedReason } from '../../core/plan/fleet.ts'
import type { ClassId } from '../../core/kernel/ids.ts'
import type { FactStore } from '../../core/ports/store.ts'

export type BlockedBy = { readonly cloud: string; readonly why: string; readonly reason: string }

/** Reasons that keep VMs from being made. A reason why none is needed, or none is ended, blocks no job. */
const blocking: ReadonlySet<BlockedReason> = new Set(['image', 'limit', 'quota', 'ramp', 'breaker', 'unread'])

export async function blockedBy(
  store: Pick<FactStore, 'note'>,
  clouds: readonly string[],
  classId: ClassId,
): Promise<readonly BlockedBy[]> {
  const notes = await Promise.all(clouds.map((name) => store.note(planNote(name))))
  return clouds.flatMap((name, at) => {
    const lines = planOf(notes[at])?.lines ?? []
    return lines.flatMap((line): readonly BlockedBy[] => {
      if (line.kind !== 'hold' || line.cloud !== name || !blocking.has(line.why)) return []
      return line.queues.includes(classId) ? [{ cloud: name, why: line.why, reason: line.reason }] : []
    })
  })
}
