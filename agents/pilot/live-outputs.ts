/**
 * Sends the service what payloads have written so far, for users who read it: from its beginning, then as it grows, until
 * the service says that no user reads it any more or the payload is done with.
 *
 * Reads only what the pilot itself has captured. What cannot be sent now is sent later; what the service has lost is sent
 * again, since each answer says how much it has.
 */

import { type Clock, sleep } from '../../core/kernel/clock.ts'
import { asPilotageError } from '../../core/kernel/errors.ts'
import { liveOutputLimits } from '../../core/kernel/limits.ts'
import { outputKey, type OutputRef } from '../../core/model/live-output.ts'
import type { Uplink } from '../kit/uplink.ts'
import type { Payload } from './payload.ts'

export type LiveOutputs = {
  /** A user reads it. Without effect where it is being sent, or where there are too many. */
  send(output: OutputRef): void
}

export type LiveOutputsOptions = {
  readonly clock: Clock
  readonly uplink: () => Uplink | undefined
  /** Undefined: it is done with. */
  readonly payload: (output: OutputRef) => Pick<Payload, 'written'> | undefined
  readonly signal: AbortSignal
}

export function openLiveOutputs(options: LiveOutputsOptions): LiveOutputs {
  const sending = new Set<string>()
  return {
    send(output) {
      const key = outputKey(output)
      if (sending.has(key) || sending.size >= liveOutputLimits.perPilot) return
      sending.add(key)
      sendWhileWanted(options, output)
        // Refused: a user who still reads makes the service ask again.
        .catch(() => undefined)
        .finally(() => sending.delete(key))
    },
  }
}

async function sendWhileWanted({ clock, uplink, payload, signal }: LiveOutputsOptions, output: OutputRef): Promise<void> {
  let sentBytes = 0
  let askedMs = -Infinity
  let isCaughtUp = false
  while (!signal.aborted) {
    const running = payload(output)
    if (!running) return
    const { data, isAll } = running.written(output.name, sentBytes)
    const now = uplink()
    const isDue = data.length > 0 || !isCaughtUp || clock.monotonicMs() - askedMs >= liveOutputLimits.askEveryMs
    if (now && isDue) {
      askedMs = clock.monotonicMs()
      const kept = await now.putLiveOutput(output, sentBytes, data, isAll).catch(orLater)
      if (kept?.isWanted === false) return
      if (kept) sentBytes = kept.bytes
      isCaughtUp = kept !== undefined && isAll
      if (kept && !isAll) continue
    }
    await sleep(clock, liveOutputLimits.tailEveryMs, signal)
  }
}

/** Undefined: the service is not there now. */
function orLater(thrown: unknown): undefined {
  const error = asPilotageError(thrown, 'sending a live output')
  if (error.code !== 'unavailable' && error.code !== 'overloaded') throw error
}
