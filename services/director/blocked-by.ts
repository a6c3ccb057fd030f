/** What the last plans hold a task queue up for, cloud by cloud: read from what the directors keep, to explain why jobs wait. */

import { planNote, planOf } from '../../core/plan/cloud-note.ts'
import type { HoldWhy } from '../../core/plan/fleet.ts'
import type { ClassId } from '../../core/kernel/ids.ts'
import type { FactStore } from '../../core/ports/store.ts'

export type BlockedBy = { readonly cloud: string; readonly why: string; readonly reason: string }

/** What keeps VMs from being made. What makes none needed, or ends none, blocks no job. */
const hinders: ReadonlySet<HoldWhy> = new Set(['image', 'limit', 'quota', 'ramp', 'breaker', 'unread'])

export async function blockedBy(
  store: Pick<FactStore, 'note'>,
  clouds: readonly string[],
  classId: ClassId,
): Promise<readonly BlockedBy[]> {
  const notes = await Promise.all(clouds.map((name) => store.note(planNote(name))))
  return clouds.flatMap((name, at) => {
    const lines = planOf(notes[at])?.lines ?? []
    return lines.flatMap((line): readonly BlockedBy[] => {
      if (line.kind !== 'hold' || line.cloud !== name || !hinders.has(line.why)) return []
      return line.queues.includes(classId) ? [{ cloud: name, why: line.why, reason: line.reason }] : []
    })
  })
}
