/**
 * Moves facts from the store to the stream, in order and at least once. Whatever was not published yet is still in the
 * store, so that a stream that was unreachable misses nothing, if it comes back before the facts are forgotten with age.
 *
 * The cursor is a note of the installation and follows the stream: it is kept after the stream has the facts. A process that
 * is cut short, or works beside another for a while, publishes some of them again, and the stream knows them by their `seq`.
 */

import { assert } from '../../core/kernel/assert.ts'
import type { FactStream } from '../../core/ports/fact-stream.ts'
import type { FactStore } from '../../core/ports/store.ts'

export type PublishPorts = {
  readonly store: Pick<FactStore, 'facts' | 'note' | 'keepNote'>
  readonly stream: FactStream
}

/** The `seq` of the last fact that the stream is known to have. */
const cursorNote = 'facts:published'

/** Facts are small: half a MiB or so. */
const maxBatch = 1000

/**
 * One step: resolves when nothing is left, or at the end of a batch after the signal was aborted, with how many it
 * published. Throws what the ports throw; what was published by then is not published again by the next step.
 */
export async function publishFacts({ store, stream }: PublishPorts, signal?: AbortSignal): Promise<number> {
  let cursor = readCursor(await store.note(cursorNote))
  let published = 0
  while (!signal?.aborted) {
    const facts = await store.facts(cursor, maxBatch)
    const last = facts.at(-1)
    if (!last) break
    assert(last.seq > cursor, 'facts come after the one that was asked for')
    await stream.publish(facts)
    cursor = last.seq
    published += facts.length
    await store.keepNote(cursorNote, String(cursor))
  }
  return published
}

/** A first start begins before the first fact: -1 would be the last ones only. */
function readCursor(text: string | undefined): number {
  const cursor = text === undefined ? 0 : Number(text)
  assert(Number.isSafeInteger(cursor) && cursor >= 0, 'the cursor of the published facts is a seq')
  return cursor
}
