/**
 * An archive whose store is unreachable for a while: each call is repeated until the store answers, or the patience is over.
 * Every call of the port may be made any number of times.
 */

import { type Clock, sleep } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Archive } from '../../core/ports/archive.ts'

/** An election takes some seconds, a restart a minute. */
const patienceMs = 120_000
const againMs = 1000

/** `onUnreachable` is called once each time that it stops answering. */
export function patient(archive: Archive, clock: Clock, onUnreachable: (error: PilotageError) => void): Archive {
  async function asked<T>(ask: () => Promise<T>): Promise<T> {
    const endMs = clock.monotonicMs() + patienceMs
    for (let tries = 1; ; tries += 1) {
      try {
        return await ask()
      } catch (error) {
        const isUnreachable = error instanceof PilotageError && error.code === 'unavailable'
        if (!isUnreachable || clock.monotonicMs() > endMs) throw error
        if (tries === 1) onUnreachable(error)
        await sleep(clock, error.retryAfterMs || againMs)
      }
    }
  }
  return {
    ...archive,
    settle: () => asked(() => archive.settle()),
    read: (section, after, limit) => asked(() => archive.read(section, after, limit)),
    assertUntouched: () => asked(() => archive.assertUntouched()),
    begin: (header) => asked(() => archive.begin(header)),
    write: (batch, place) => asked(() => archive.write(batch, place)),
    counts: () => asked(() => archive.counts()),
    finish: () => asked(() => archive.finish()),
  }
}
