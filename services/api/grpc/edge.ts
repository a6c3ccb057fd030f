/**
 * The gRPC edge's one way in and out: call a handler for who was let in (admission.ts), and map what went wrong, once for
 * all methods.
 *
 * A handler behind it gets a caller and how far that caller reaches, and throws PilotageErrors. Knows nothing of jobs and
 * VMs.
 */

import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerReadableStream,
  ServerWritableStream,
} from '@grpc/grpc-js'
import { reachOf } from '../../../core/access/actions.ts'
import type { Caller as UserCaller } from '../../../core/access/caller.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { User } from '../../../core/model/owner.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import type { Log } from '../../../core/ports/log.ts'
import type { Admission, Caller } from './admission.ts'
import type { MethodName } from './authorization.ts'
import { decoderOf } from './readable.ts'
import { refusalOf } from './refusal.ts'

export type Edge = {
  unary<Ask, Answer>(method: MethodName, handle: (ask: Ask, caller: Caller) => Promise<Answer>): handleUnaryCall<Ask, Answer>
  clientStream<Ask, Answer>(
    method: MethodName,
    handle: (asks: ServerReadableStream<Ask, Answer>, caller: Caller) => Promise<Answer>,
  ): handleClientStreamingCall<Ask, Answer>
  serverStream<Ask, Answer>(
    method: MethodName,
    handle: (call: ServerWritableStream<Ask, Answer>, caller: Caller) => Promise<void>,
  ): handleServerStreamingCall<Ask, Answer>
  duplex<Ask, Answer>(
    method: MethodName,
    handle: (call: ServerDuplexStream<Ask, Answer>, caller: Caller) => Promise<void>,
  ): handleBidiStreamingCall<Ask, Answer>
}

export function edge({ callerOf }: Pick<Admission, 'callerOf'>, log: Log): Edge {
  const run = async <Answer>(metadata: Metadata, handle: (caller: Caller) => Promise<Answer>): Promise<Answer> =>
    handle(callerOf(metadata))

  return {
    unary: (method, handle) => (call, callback) => {
      run(call.metadata, (caller) => inTurn(call, caller, () => handle(call.request, caller))).then(
        (answer) => callback(null, answer),
        (error: unknown) => callback(refusalOf(log, method, error)),
      )
    },
    clientStream: (method, handle) => (call, callback) => {
      // A client that hangs up is no error of ours; without a listener it would end the process.
      call.on('error', () => {})
      run(call.metadata, (caller) => handle(call, caller)).then(
        (answer) => callback(null, answer),
        (error: unknown) => callback(refusalOf(log, method, error)),
      )
    },
    serverStream: (method, handle) => (call) => {
      run(call.metadata, (caller) => inTurn(call, caller, () => handle(call, caller))).then(
        () => call.end(),
        (error: unknown) => call.emit('error', refusalOf(log, method, error)),
      )
    },
    duplex: (method, handle) => (call) => {
      call.on('error', () => {})
      run(call.metadata, (caller) => handle(call, caller)).then(
        () => call.end(),
        (error: unknown) => call.emit('error', refusalOf(log, method, error)),
      )
    },
  }
}

type Asked<Ask> = { request: Ask; readonly cancelled: boolean }

/**
 * Handles a call whose request is decoded already at once; decodes a large one when no other large call of its caller
 * begins. Only the beginning, up to the handler's first wait, keeps the next one from its turn: it is what occupies the
 * service's thread.
 */
async function inTurn<Ask, Answer>(call: Asked<Ask>, { load }: Caller, handle: () => Promise<Answer>): Promise<Answer> {
  const decode = decoderOf(call.request)
  if (!decode) return handle()
  const { answer } = await load.read(async () => {
    if (call.cancelled) throw new PilotageError('cancelled', 'the caller disconnected')
    call.request = decode() as Ask
    return { answer: handle() }
  })
  return answer
}

/** The caller as a user; the table has let no other kind through where this is asked. */
export function userOf({ identity }: Caller): User {
  if (identity?.kind === 'user') return identity
  throw new PilotageError('forbidden', 'this is for users')
}

/** The caller as use cases know it: a user, and how far the method's action lets it reach. */
export function asUser(caller: Caller): UserCaller {
  const user = userOf(caller)
  return { owner: user.owner, reach: caller.reach, sight: reachOf('job.read', user) }
}

export function vmOf({ identity }: Caller): VmId {
  if (identity?.kind === 'vm') return identity.vmId
  throw new PilotageError('forbidden', 'this is for VMs')
}
