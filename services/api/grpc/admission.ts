/**
 * Before the first byte of a message is read: who calls, whether the method is theirs, whether they may ask now, and how
 * large a message of it may be. Everything that is refused here costs the service one look at a call's metadata.
 *
 * Runs as an interceptor of grpc-js, whose calls are paused until their metadata are handed on. grpc-js has one message
 * limit for all methods, and no other place for one: the reader of the call is replaced by ours (message-reader.ts). That
 * touches a part of grpc-js that is not its interface, so its version is pinned and a test holds the two together (ADR
 * 0022).
 */

import { constants } from 'node:http2'
import {
  type Metadata,
  type ServerInterceptingCallInterface,
  ServerInterceptingCall,
  type ServerInterceptor,
} from '@grpc/grpc-js'
import { bearerToken } from '../../../core/access/bearer.ts'
import { addressOf } from '../../../core/kernel/caller-address.ts'
import { assert } from '../../../core/kernel/assert.ts'
import type { Clock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { Identity } from '../../../core/model/owner.ts'
import type { Reach } from '../../../core/access/reach.ts'
import {
  anonymousMessageWithinMs,
  connectionLimits,
  loadLimits,
  messageWithinMs,
  uncountedBytes,
} from '../../../core/kernel/limits.ts'
import type { Log } from '../../../core/ports/log.ts'
import type { Tokens } from '../../../core/ports/tokens.ts'
import { methodReach } from './authorization.ts'
import type { Connections } from './connections.ts'
import { keyOf, type Load, type Loads } from './load.ts'
import { pieceFields, pieceFrames } from './file-messages.ts'
import { type MessageReader, messageReader } from './message-reader.ts'
import { type MethodRule, ruleOf } from './methods.ts'
import type { PieceBuffers } from './piece-buffers.ts'
import { refusalOf } from './refusal.ts'

export type Caller = {
  readonly identity: Identity | undefined
  readonly reach: Exclude<Reach, 'none'>
  readonly load: Load
  /** Where it calls from: an IPv4 address, or a network of IPv6. */
  readonly address: string
  /** Counts the call as refused for what it is: above a rate its connection is cut. */
  blame(): void
}

export type AdmissionOptions = {
  readonly tokens: Tokens
  readonly loads: Loads
  readonly clock: Clock
  readonly log: Log
  /** For the messages of methods that take files. */
  readonly buffers: PieceBuffers
  readonly connections: () => Pick<Connections, 'known' | 'refused'>
}

export type Admission = {
  readonly interceptor: ServerInterceptor
  /** Who was let in with these metadata. */
  callerOf(metadata: Metadata): Caller
}

/** The parts of a call of grpc-js that are not its interface. */
type Inside = {
  decoder: { write(bytes: Buffer): Buffer[] }
  serializeMessage(message: unknown): Buffer
  readonly stream: { close(code: number): void; once(event: 'close', hear: () => void): void }
}

/** The encodings that callers may send, as the answer lists them. */
const noEncodings = 'identity'

export function newAdmission(given: AdmissionOptions): Admission {
  const admitted = new WeakMap<Metadata, Caller>()
  const options: Inner = { ...given, checking: new Map() }
  return {
    interceptor: (method, call) => intercepted(options, admitted, method, call),
    callerOf(metadata) {
      const caller = admitted.get(metadata)
      assert(caller !== undefined, 'a handler runs only for a call that was let in')
      return caller
    },
  }
}

/** `checking`: tokens whose signatures are being checked. */
type Inner = AdmissionOptions & { readonly checking: Map<string, Promise<Identity>> }

/** One call on its way in. */
type Entry = {
  readonly options: Inner
  readonly rule: MethodRule
  /** Whether one message is all that comes. */
  readonly single: boolean
  readonly peer: string
  readonly address: string
  readonly gone: AbortController
  identity?: Identity
  reader?: MessageReader
  leave(): void
  refuse(thrown: unknown): void
}

function intercepted(
  options: Inner,
  admitted: WeakMap<Metadata, Caller>,
  method: Parameters<ServerInterceptor>[0],
  call: ServerInterceptingCallInterface,
): ServerInterceptingCall {
  const inside = insideOf(call)
  const peer = call.getPeer()
  const entry: Entry = {
    options,
    rule: ruleOf(method.path),
    single: !method.requestStream,
    peer,
    address: addressOf(peer.slice(0, peer.lastIndexOf(':'))),
    gone: new AbortController(),
    leave: () => {},
    refuse(thrown) {
      const refusal = refusalOf(options.log, entry.rule.name ?? method.path, thrown)
      refusal.metadata.set('grpc-accept-encoding', noEncodings)
      call.sendStatus(refusal)
      // The caller need not send the rest of its message: nothing reads it.
      inside.stream.close(constants.NGHTTP2_NO_ERROR)
      over(entry)
      blame(entry)
    },
  }
  inside.stream.once('close', () => over(entry))
  return new ServerInterceptingCall(call, {
    start(next) {
      next({
        onReceiveMetadata(metadata, proceed) {
          admit(entry, metadata).then(({ caller, reader }) => {
            if (entry.gone.signal.aborted) return
            inside.decoder = reader
            const frames = pieceFrames(entry.rule.name ?? '', inside.serializeMessage.bind(inside))
            if (frames) inside.serializeMessage = frames
            admitted.set(metadata, caller)
            proceed(metadata)
          }, entry.refuse)
        },
        onReceiveHalfClose(proceed) {
          entry.reader?.ended()
          proceed()
        },
      })
    },
    sendMetadata(metadata, proceed) {
      metadata.set('grpc-accept-encoding', noEncodings)
      proceed(metadata)
    },
  })
}

async function admit(entry: Entry, metadata: Metadata): Promise<{ caller: Caller; reader: MessageReader }> {
  const { options, rule, single, peer, address, gone, refuse } = entry
  const { loads, clock } = options
  const identity = await identified(options, metadata, address)
  entry.identity = identity
  const reach = checkReach(rule, identity)
  checkConnections(options, peer, address, identity)
  const load = loads.of(identity, address)
  const leave = await load.enter(rule.cost, gone.signal)
  const withinMs = identity ? messageWithinMs : anonymousMessageWithinMs
  const reader = messageReader({
    clock,
    maxBytes: rule.maxBytes,
    withinMs,
    single,
    freeBytes: uncountedBytes,
    meter: load.meter,
    buffers: rule.name !== undefined && Object.hasOwn(pieceFields.requests, rule.name) ? options.buffers : undefined,
    onMessage: (bytes) => load.charge(bytes / loadLimits.bytesPerUnit),
    refuse,
  })
  Object.assign(entry, { leave, reader })
  if (gone.signal.aborted) over(entry)
  return { caller: { identity, reach, load, address, blame: () => blame(entry) }, reader }
}

/** A reason that is there already: Node makes an error with a stack for each that is not given. */
const isOver = 'the call is over'

function over({ gone, reader, leave }: Entry): void {
  gone.abort(isOver)
  reader?.close()
  leave()
}

function blame({ options, peer, identity, address }: Entry): void {
  options.connections().refused(peer, identity && keyOf(identity, address))
}

/**
 * Throws `unauthenticated`. A token that was accepted before costs one look-up. The signature of another one is checked for
 * few callers of an address at a time: until it is, they are strangers, and take nothing from those who were accepted.
 */
async function identified(
  { loads, tokens, checking }: Inner,
  metadata: Metadata,
  address: string,
): Promise<Identity | undefined> {
  const token = tokenIn(metadata)
  if (token === undefined) return undefined
  const known = tokens.remembered(token)
  if (known) return known
  const sameToken = checking.get(token)
  if (sameToken) return sameToken
  const leave = await loads.of(undefined, `${address} checks`).enter(1)
  const verified = tokens.verify(token).finally(() => {
    checking.delete(token)
    leave()
  })
  checking.set(token, verified)
  return verified
}

function checkReach({ name }: MethodRule, identity: Identity | undefined): Exclude<Reach, 'none'> {
  const reach = name === undefined ? 'any' : methodReach(name, identity)
  if (reach !== 'none') return reach
  if (identity) throw new PilotageError('forbidden', `${name} is not for this caller`)
  throw new PilotageError('unauthenticated', 'a bearer token is needed in the metadata key authorization')
}

function checkConnections(
  { connections }: AdmissionOptions,
  peer: string,
  address: string,
  identity: Identity | undefined,
): void {
  const max = identity?.kind === 'vm' ? connectionLimits.perVm : connectionLimits.perUser
  if (!identity || connections().known(peer, keyOf(identity, address), max)) return
  throw new PilotageError('overloaded', `more than ${max} connections of this caller`, { retryAfterMs: 1000 })
}

function insideOf(call: ServerInterceptingCallInterface): Inside {
  const inside = call as unknown as Partial<Inside>
  assert(
    inside.decoder !== undefined && inside.serializeMessage !== undefined && inside.stream !== undefined,
    'grpc-js reads and writes its messages by another way than this version of it is known to',
  )
  return inside as Inside
}

function tokenIn(metadata: Metadata): string | undefined {
  const headers = metadata.get('authorization')
  if (headers.length === 0) return undefined
  const token = headers.length === 1 ? bearerToken(String(headers[0])) : undefined
  if (token !== undefined) return token
  throw new PilotageError('unauthenticated', 'the metadata key authorization must be: Bearer TOKEN')
}
