/**
 * Every wait of a streaming method, in one place: on a reader that is slow, on a sender that is silent, on a caller as a
 * whole.
 *
 * What stays true: each of them ends when the caller cancels, when the connection closes, on an error, and after a time
 * limit. So what a method opened for a caller (a file, a listener, a session) is closed again, however the caller
 * disconnected.
 */

import type { Clock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { streamLimits } from '../../../core/kernel/limits.ts'

/** What the calls of grpc-js have in common, whichever way their messages go. */
export type StreamCall = {
  readonly cancelled: boolean
  readonly destroyed: boolean
  on(event: 'cancelled' | 'close' | 'error' | 'drain', hear: () => void): unknown
  off(event: 'cancelled' | 'close' | 'error' | 'drain', hear: () => void): unknown
}

export type WritableCall<Message> = StreamCall & { write(message: Message, then?: () => void): boolean }

/** Aborted once the caller is gone, also where it went before this was asked. */
export function goneSignal(call: StreamCall): AbortSignal {
  const gone = new AbortController()
  const leave = (): void => gone.abort('the caller is gone')
  for (const event of ['cancelled', 'close', 'error'] as const) call.on(event, leave)
  if (call.cancelled || call.destroyed) leave()
  return gone.signal
}

/**
 * Writes one message and waits until the caller has room for the next one. False: the caller is gone, nothing more is to be
 * written. Throws `unavailable` for a caller that reads nothing for `streamLimits.stallMs`.
 */
export async function written<Message>(
  clock: Clock,
  call: WritableCall<Message>,
  gone: AbortSignal,
  message: Message,
): Promise<boolean> {
  if (gone.aborted) return false
  if (call.write(message)) return true
  return roomFor(clock, gone, (room) => {
    call.on('drain', room)
    return () => call.off('drain', room)
  })
}

/**
 * As `written`, but waits until nothing of the message is here any more: what has many messages keeps one of them in memory,
 * and may use the memory of this one for the next.
 */
export async function sent<Message>(
  clock: Clock,
  call: WritableCall<Message>,
  gone: AbortSignal,
  message: Message,
): Promise<boolean> {
  if (gone.aborted) return false
  return roomFor(clock, gone, (room) => {
    call.write(message, room)
    return () => {}
  })
}

async function roomFor(clock: Clock, gone: AbortSignal, listen: (room: () => void) => () => void): Promise<boolean> {
  const how = await oneOf<'room' | 'gone' | 'stalled'>((settle) => {
    const left = (): void => settle('gone')
    const timer = clock.after(streamLimits.stallMs, () => settle('stalled'))
    gone.addEventListener('abort', left)
    const deafen = listen(() => settle('room'))
    return () => {
      timer.cancel()
      deafen()
      gone.removeEventListener('abort', left)
    }
  })
  if (how === 'stalled') {
    throw new PilotageError('unavailable', `the caller read nothing for ${streamLimits.stallMs} ms`)
  }
  return how === 'room' && !gone.aborted
}

/**
 * The caller's messages, to the end of its stream. Throws `cancelled` for a caller that disconnected before that end, and
 * `unavailable` for one that sends nothing for `streamLimits.stallMs`.
 */
export async function* received<Message>(
  clock: Clock,
  call: StreamCall & AsyncIterable<unknown>,
  gone: AbortSignal,
): AsyncGenerator<Message, void, undefined> {
  const messages = call[Symbol.asyncIterator]() as AsyncIterator<Message>
  try {
    for (;;) {
      const next = await within(clock, gone, messages.next())
      if (next.done) return
      yield next.value
    }
  } finally {
    // Not waited for: it ends the call, and a call that hangs must not keep us.
    messages.return?.().catch(() => {})
  }
}

function within<Value>(clock: Clock, gone: AbortSignal, value: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const left = (): void => end(() => reject(new PilotageError('cancelled', 'the caller disconnected')))
    const stalled = (): void =>
      end(() => reject(new PilotageError('unavailable', `the caller sent nothing for ${streamLimits.stallMs} ms`)))
    const timer = clock.after(streamLimits.stallMs, stalled)
    const end = (how: () => void): void => {
      timer.cancel()
      gone.removeEventListener('abort', left)
      how()
    }
    gone.addEventListener('abort', left)
    value.then(
      (got) => end(() => resolve(got)),
      (error: unknown) =>
        end(() => reject(gone.aborted ? new PilotageError('cancelled', 'the caller disconnected') : error)),
    )
    if (gone.aborted) left()
  })
}

/** The first of several events; the listeners to all of them go with it. */
async function oneOf<How>(listen: (settle: (how: How) => void) => () => void): Promise<How> {
  const { promise, resolve } = Promise.withResolvers<How>()
  const deafen = listen(resolve)
  try {
    return await promise
  } finally {
    deafen()
  }
}
