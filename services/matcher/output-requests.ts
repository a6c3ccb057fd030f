/**
 * Asks the pilots of this process for the outputs that users read. A step reads all interests, which are few, and sends a
 * command to each pilot whose stream is open here; the pilot goes on by itself until it hears that no user reads any more.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { liveOutputLimits } from '../../core/kernel/limits.ts'
import { outputKey } from '../../core/model/live-output.ts'
import type { LiveOutput } from '../../core/ports/live-output.ts'
import type { OpenStreams } from './pilot-streams.ts'

export type OutputRequests = { step(): Promise<void> }

export function outputRequests(live: Pick<LiveOutput, 'wanted'>, streams: OpenStreams, clock: Clock): OutputRequests {
  /** When each was said, and on which stream. A pilot that was started anew on the same stream cannot be. */
  const said = new Map<string, { readonly stream: object; readonly atMs: number }>()
  return {
    async step() {
      const wanted = await live.wanted(clock.nowMs())
      const nowMs = clock.monotonicMs()
      const keys = new Set(wanted.map(outputKey))
      for (const key of said.keys()) if (!keys.has(key)) said.delete(key)
      for (const interest of wanted) {
        const stream = streams.of(interest.vmId)
        const key = outputKey(interest)
        const before = said.get(key)
        const isSaid = before !== undefined && before.stream === stream && nowMs - before.atMs < liveOutputLimits.askEveryMs
        if (!stream || isSaid) continue
        stream.peek(interest)
        said.set(key, { stream, atMs: nowMs })
      }
    },
  }
}
