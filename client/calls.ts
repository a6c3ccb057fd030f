/**
 * Calls: one unary call or one stream of the service, with its deadline, its credential, and its second tries.
 *
 * A call is repeated only where its caller says that repeating is harmless, only while the service is not there or asks to
 * come again, at once at an endpoint that was not tried yet and else after a jittered pause that grows, and never beyond the
 * caller's patience. Whatever fails comes out as a PilotageError.
 */

import {
  type CallOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js'
import { type Clock, sleep } from '../core/kernel/clock.ts'
import type { Turns } from '../core/kernel/endpoints.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import { jitter, type Random } from '../core/kernel/random.ts'
import { refusal, worthRepeating } from './refusals.ts'

export type Caller = {
  readonly clock: Clock
  readonly random: Random
  readonly token: string
  /** The service's endpoints: which one calls go to. */
  readonly turns: Turns
  /** How long a call that may be repeated keeps trying while the service is not there. */
  readonly patienceMs: number
  /** How long one try of a call may take; absent: what its kind needs. */
  readonly callMs?: number
  /** Ends every call and every pause. */
  readonly signal?: AbortSignal
}

export type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall

export type CallPolicy = { readonly doing: string; readonly deadlineMs: number; readonly repeatable: boolean }

const firstPauseMs = 100
/** A service that restarts is back within seconds: a longer pause would only add to the wait. */
const longestPauseMs = 3000

export function credential({ token }: Caller): Metadata {
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${token}`)
  return metadata
}

export async function callUnary<Request, Response>(
  caller: Caller,
  /** On the endpoint that is current. */
  method: () => Unary<Request, Response>,
  request: Request,
  { doing, deadlineMs, repeatable }: CallPolicy,
): Promise<Response> {
  const once = (): Promise<Response> =>
    new Promise((resolve, reject) => {
      const abort = (): void => call.cancel()
      const deadline = caller.clock.nowMs() + Math.min(deadlineMs, caller.callMs ?? Infinity)
      const call = method()(request, credential(caller), { deadline }, (error, response) => {
        caller.signal?.removeEventListener('abort', abort)
        if (error) reject(error)
        else resolve(response)
      })
      if (caller.signal?.aborted) abort()
      else caller.signal?.addEventListener('abort', abort, { once: true })
    })
  if (repeatable) return patiently(caller, doing, once)
  const endpoint = caller.turns.current()
  try {
    return await once()
  } catch (thrown) {
    const error = refusal(thrown, doing, caller.signal)
    // Not again, but the next call need not go the same way.
    if (error.code === 'unavailable') caller.turns.failed(endpoint)
    throw error
  }
}

/** Tries again while that can help and patience lasts. `attempt` must be harmless to repeat, and begin with its call. */
export async function patiently<Answer>(caller: Caller, doing: string, attempt: () => Promise<Answer>): Promise<Answer> {
  const pauses = newPauses(caller, doing)
  for (;;) {
    const endpoint = caller.turns.current()
    try {
      const answer = await attempt()
      caller.turns.worked(endpoint)
      return answer
    } catch (thrown) {
      await pauses.after(thrown, endpoint)
    }
  }
}

export type Pauses = {
  /** Waits before the next try, or throws what was thrown when there should be none. */
  after(thrown: unknown, endpoint: string): Promise<void>
  /** Something came: patience starts anew. */
  reset(endpoint: string): void
}

export function newPauses({ clock, random, turns, patienceMs, signal }: Caller, doing: string): Pauses {
  let pauseMs = firstPauseMs
  let sinceMs = clock.monotonicMs()
  let atOnce = 0
  return {
    async after(thrown, endpoint) {
      const error = refusal(thrown, doing, signal)
      if (signal?.aborted || !worthRepeating(error)) throw error
      const isNextFresh = error.code === 'unavailable' && turns.failed(endpoint) && atOnce < turns.count - 1
      if (isNextFresh && error.retryAfterMs === 0 && clock.monotonicMs() < sinceMs + patienceMs) {
        atOnce += 1
        return
      }
      atOnce = 0
      const leftMs = sinceMs + patienceMs - clock.monotonicMs()
      if (leftMs <= 0 || error.retryAfterMs > leftMs) throw error
      // The last try is made when patience ends, not before.
      const delayMs = Math.min(leftMs, Math.max(error.retryAfterMs, jitter(pauseMs, random)))
      if ((await sleep(clock, delayMs, signal)) === 'aborted') throw new PilotageError('cancelled', `${doing}: stopped`)
      pauseMs = Math.min(pauseMs * 2, longestPauseMs)
    },
    reset(endpoint) {
      turns.worked(endpoint)
      atOnce = 0
      pauseMs = firstPauseMs
      sinceMs = clock.monotonicMs()
    },
  }
}

/** The messages of a server's stream. Leaving the loop early hangs up. Throws what gRPC throws. */
export async function* messages<Message>(
  { signal }: Caller,
  stream: ClientReadableStream<Message>,
): AsyncGenerator<Message, void, undefined> {
  // After a cancel, gRPC still emits an error for the cancellation; no caller waits for it then.
  stream.on('error', () => {})
  const abort = (): void => stream.cancel()
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort, { once: true })
  try {
    for await (const message of stream) yield message as Message
  } finally {
    signal?.removeEventListener('abort', abort)
    stream.cancel()
  }
}
