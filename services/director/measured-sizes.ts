/**
 * What VMs were found to have, for the processes that direct no cloud: from the notes of the directors, read again after a
 * few seconds.
 *
 * Every submission asks. What cannot be read now is what was read last: a warning or an explanation is no reason to fail.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { cloudNote, noteOf } from '../../core/plan/cloud-note.ts'
import type { MeasuredSize } from '../../core/plan/measured-size.ts'
import type { FactStore } from '../../core/ports/store.ts'

const readEveryMs = 5000

export function measuredSizes(
  store: Pick<FactStore, 'note'>,
  clouds: readonly string[],
  clock: Pick<Clock, 'monotonicMs'>,
): () => Promise<readonly MeasuredSize[]> {
  let last: readonly MeasuredSize[] = []
  let reading: Promise<readonly MeasuredSize[]> | undefined
  let againMs = -Infinity

  async function read(): Promise<readonly MeasuredSize[]> {
    try {
      const notes = await Promise.all(clouds.map((name) => store.note(cloudNote(name))))
      last = notes.flatMap((text) => noteOf(text)?.sizes ?? [])
    } catch {
      // Asked again a few seconds later.
    }
    reading = undefined
    return last
  }

  return () => {
    if (reading) return reading
    if (clock.monotonicMs() < againMs) return Promise.resolve(last)
    againMs = clock.monotonicMs() + readEveryMs
    reading = read()
    return reading
  }
}
