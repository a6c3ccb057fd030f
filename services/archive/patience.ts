/**
 * An archive's store that is away for a while: what is asked of it is asked again until it answers, or for too long. Each
 * question of the port may be asked any number of times.
 */

import { type Clock, sleep } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Archive } from '../../core/ports/archive.ts'

/** An election takes some seconds, a restart a minute. */
const patienceMs = 120_000
const againMs = 1000

/** `onAway` is called once each time that it stops answering. */
export function patient(archive: Archive, clock: Clock, onAway: (error: PilotageError) => void): Archive {
  async function asked<T>(ask: () => Promise<T>): Promise<T> {
    const endMs = clock.monotonicMs() + patienceMs
    for (let tries = 1; ; tries += 1) {
      try {
        return await ask()
      } catch (error) {
        const isAway = error instanceof PilotageError && error.code === 'unavailable'
        if (!isAway || clock.monotonicMs() > endMs) throw error
        if (tries === 1) onAway(error)
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
