/**
 * The gRPC edge's one way in and out: authenticate, authorize, call, and map what went wrong, once for all methods.
 *
 * A handler behind it gets a caller and how far that caller reaches, and throws PilotageErrors. Knows nothing of jobs and VMs.
 */

import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerWritableStream,
  status,
} from '@grpc/grpc-js'
import { asPilotageError, type ErrorCode, PilotageError } from '../../core/errors.ts'
import type { Identity, Reach, User } from '../../core/identity.ts'
import type { VmId } from '../../core/ids.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Tokens } from '../../core/ports/tokens.ts'
import { ErrorDetail } from '../../proto/gen/pilotage/v1/job.ts'
import { type MethodName, reachOf } from './authorization.ts'

export type Caller = { readonly identity: Identity | undefined; readonly reach: Exclude<Reach, 'none'> }

const statusOf: Readonly<Record<ErrorCode, status>> = {
  'invalid-argument': status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  conflict: status.ALREADY_EXISTS,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  'too-large': status.RESOURCE_EXHAUSTED,
  overloaded: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  cancelled: status.CANCELLED,
  'cloud-auth': status.FAILED_PRECONDITION,
  'cloud-quota': status.FAILED_PRECONDITION,
  'cloud-capacity': status.FAILED_PRECONDITION,
  'cloud-refused': status.FAILED_PRECONDITION,
  'cloud-gone': status.NOT_FOUND,
  'cloud-transient': status.UNAVAILABLE,
  'store-locked': status.UNAVAILABLE,
  'store-newer': status.FAILED_PRECONDITION,
  'store-failed': status.UNAVAILABLE,
  internal: status.INTERNAL,
}

/** Violations that travel: the trailing metadata of a refusal stays below 8 KiB or so. */
const violationsMost = 100
const detailBytesMost = 6000

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

export function edge(tokens: Tokens, log: Log): Edge {
  async function admit(method: MethodName, metadata: Metadata): Promise<Caller> {
    const identity = await identify(tokens, metadata)
    const reach = reachOf(method, identity)
    if (reach !== 'none') return { identity, reach }
    if (!identity) throw new PilotageError('unauthenticated', 'a bearer token is needed in the metadata key authorization')
    throw new PilotageError('forbidden', `${method} is not for this caller`)
  }

  function refusal(method: MethodName, thrown: unknown) {
    const error = asPilotageError(thrown, method)
    const told = { method, code: error.code, err: error }
    if (error.code === 'internal') log.error(told, 'a call failed')
    else log.debug(told, 'a call was refused')
    return { code: statusOf[error.code], details: detailsOf(error), metadata: trailer(error) }
  }

  return {
    unary: (method, handle) => (call, callback) => {
      admit(method, call.metadata)
        .then((caller) => handle(call.request, caller))
        .then(
          (answer) => callback(null, answer),
          (error: unknown) => callback(refusal(method, error)),
        )
    },
    clientStream: (method, handle) => (call, callback) => {
      admit(method, call.metadata)
        .then((caller) => handle(call, caller))
        .then(
          (answer) => callback(null, answer),
          (error: unknown) => callback(refusal(method, error)),
        )
    },
    serverStream: (method, handle) => (call) => {
      admit(method, call.metadata)
        .then((caller) => handle(call, caller))
        .then(
          () => call.end(),
          (error: unknown) => call.emit('error', refusal(method, error)),
        )
    },
    duplex: (method, handle) => (call) => {
      // A client that hangs up is no error of ours; without a listener it would end the process.
      call.on('error', () => {})
      admit(method, call.metadata)
        .then((caller) => handle(call, caller))
        .then(
          () => call.end(),
          (error: unknown) => call.emit('error', refusal(method, error)),
        )
    },
  }
}

/** The caller as a user; the table has let no other kind through where this is asked. */
export function userOf({ identity }: Caller): User {
  if (identity?.kind === 'user') return identity
  throw new PilotageError('forbidden', 'this is for users')
}

export function vmOf({ identity }: Caller): VmId {
  if (identity?.kind === 'vm') return identity.vmId
  throw new PilotageError('forbidden', 'this is for VMs')
}

async function identify(tokens: Tokens, metadata: Metadata): Promise<Identity | undefined> {
  const [header] = metadata.get('authorization')
  if (header === undefined) return undefined
  const text = String(header)
  if (!text.startsWith('Bearer '))
    throw new PilotageError('unauthenticated', 'the metadata key authorization must be: Bearer TOKEN')
  return tokens.verify(text.slice('Bearer '.length))
}

/** What is told of an error of ours: an `internal` one stays inside, the log has it. */
function detailsOf(error: PilotageError): string {
  return error.code === 'internal' ? 'an error of the service; its log has the reason' : error.message
}

function trailer(error: PilotageError): Metadata {
  const detail = ErrorDetail.create({
    code: error.code,
    text: detailsOf(error),
    violations: error.violations.slice(0, violationsMost).map((violation) => ({ ...violation })),
    violationCount: error.violations.length,
    retryAfterMs: error.retryAfterMs,
  })
  let bytes = ErrorDetail.encode(detail).finish()
  while (bytes.length > detailBytesMost && detail.violations.length > 1) {
    detail.violations.length = Math.ceil(detail.violations.length / 2)
    bytes = ErrorDetail.encode(detail).finish()
  }
  const metadata = new Metadata()
  metadata.set('pilotage-error-bin', Buffer.from(bytes))
  return metadata
}
