/**
 * One open stream of server-sent events: what its viewer may hear, written as fast as the reader takes it and no faster.
 *
 * A reader that has not taken the last batch gets no other: it is caught up when it has, and dropped if that takes too long.
 * Ends with the viewer's session. `id` moves on with every heartbeat too, so that a resume does not begin with what was
 * never for this viewer.
 */

import type { ServerResponse } from 'node:http'
import type { Caller } from '../../core/access/caller.ts'
import type { Clock, Timer } from '../../core/kernel/clock.ts'
import { jsonText } from '../../core/kernel/text.ts'
import type { Listener } from './fact-feed.ts'
import type { Hearing } from '../access/hearing.ts'
import { factView } from '../views/fact.ts'

export const heartbeatMs = 15_000
/** Two heartbeats: a network that carries nothing in this time is down. */
const slowMs = 2 * heartbeatMs
/** How long the browser waits before it connects again. */
const retryMs = 2000

export type StreamOptions = {
  readonly response: ServerResponse
  readonly clock: Clock
  readonly hearing: Hearing
  readonly viewer: Caller
  /** The last fact that this reader has; undefined: from now on. */
  readonly after: number | undefined
  /** Whether the viewer's session or token still counts. */
  readonly stillSignedIn: () => Promise<boolean>
  readonly onEnd: () => void
}

export type EventStream = Listener & { end(): void }

/** The response's head has been written already. */
export function eventStream({ response, clock, hearing, viewer, after, stillSignedIn, onEnd }: StreamOptions): EventStream {
  let blockedMs: number | undefined
  let isOver = false
  let timer: Timer

  const over = (): void => {
    if (isOver) return
    isOver = true
    timer.cancel()
    onEnd()
  }
  const end = (): void => {
    over()
    response.end()
  }
  const write = (text: string): void => {
    if (!isOver && !response.write(text)) blockedMs ??= clock.monotonicMs()
  }

  async function heartbeat(): Promise<void> {
    if (blockedMs !== undefined && clock.monotonicMs() - blockedMs >= slowMs) {
      over()
      response.destroy()
      return
    }
    if (!(await stillSignedIn())) return end()
    if (blockedMs === undefined) write(`: still here\n${stream.after === undefined ? '' : `id: ${stream.after}\n`}\n`)
    schedule()
  }
  function schedule(): void {
    if (!isOver) timer = clock.after(heartbeatMs, () => void heartbeat().catch(end))
  }

  const stream: EventStream = {
    after,
    isReady: () => !isOver && blockedMs === undefined,
    async send({ facts, lastSeq, skipped }) {
      const heard = await hearing.heard(viewer, facts)
      stream.after = lastSeq
      const events = heard.map((fact) => `id: ${fact.seq}\nevent: fact\ndata: ${jsonText(factView(fact))}\n\n`)
      if (skipped) events.unshift(`event: skipped\ndata: {}\n\n`)
      if (events.length > 0) write(events.join(''))
    },
    end,
  }

  response.on('drain', () => {
    blockedMs = undefined
  })
  response.on('close', over)
  response.on('error', over)
  schedule()
  write(`retry: ${retryMs}\n\n`)
  return stream
}
