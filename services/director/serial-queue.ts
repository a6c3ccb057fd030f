/**
 * A serial queue: the calls to one cloud run one after the other, and no caller waits for a slow cloud forever.
 *
 * What stays true: a piece of work begins only after the one before has ended, however long that took. So a list that has
 * begun shows the result of every call that was made before it.
 */

import { type Clock, sleep } from '../../core/kernel/clock.ts'

export type SerialQueue = { busy?: Promise<void> }

export type SerialOutcome<Value> =
  | { readonly kind: 'done'; readonly value: Value }
  /** Older work is still under way; this work was not begun. */
  | { readonly kind: 'busy' }
  /** The work goes on, and its value is lost. */
  | { readonly kind: 'late' }

/** Throws what the work throws. Failures of work that is late go to `onLateError`. */
export async function runSerially<Value>(
  serialQueue: SerialQueue,
  work: () => Promise<Value>,
  { clock, waitMs, onLateError }: { clock: Clock; waitMs: number; onLateError: (error: unknown) => void },
): Promise<SerialOutcome<Value>> {
  if (serialQueue.busy) return { kind: 'busy' }
  const waiting = new AbortController()
  let late = false
  const value = work()
  const ended = value.then(
    () => {},
    (error: unknown) => {
      if (late) onLateError(error)
    },
  )
  const busy = ended.then(() => {
    serialQueue.busy = undefined
  })
  serialQueue.busy = busy
  const timeOut = sleep(clock, waitMs, waiting.signal)
  // `busy` and not `value`: the serial queue is free again before the caller goes on.
  await Promise.race([busy, timeOut])
  if (serialQueue.busy === busy) {
    late = true
    return { kind: 'late' }
  }
  waiting.abort()
  return { kind: 'done', value: await value }
}

/** Runs over all items, `atOnce` at a time. Every one is tried; then the first error is thrown. */
export async function eachOf<Item>(
  items: readonly Item[],
  atOnce: number,
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = []
  const queue = items.values()
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      await run(item).catch((error: unknown) => errors.push(error))
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker))
  if (errors.length > 0) throw errors[0]
}
