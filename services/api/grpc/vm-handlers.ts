/**
 * The methods of VmService: a VM's way to the service. Every one but activation is bound to the VM that the credential
 * names.
 */

import type { ServerDuplexStream, ServerReadableStream } from '@grpc/grpc-js'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { loadLimits, outputBytes, outputChunkBytes } from '../../../core/kernel/limits.ts'
import type { Log } from '../../../core/ports/log.ts'
import type { Tokens } from '../../../core/ports/tokens.ts'
import { activationOf, heartbeatRequestOf, heartbeatTermsToWire } from '../../../proto/codec/monitor.ts'
import { attemptOf, outputNameOf, pilotMessageOf, serviceMessageToWire } from '../../../proto/codec/pilot.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/vm.ts'
import { keepLiveOutput, type LivePorts, type LiveUpload } from '../../jobs/keep-live-output.ts'
import { type KeepPorts, type OutputKeeper, outputKeeper } from '../../jobs/keep-output.ts'
import { activate } from '../../vms/activate.ts'
import { recordHeartbeat } from '../../vms/heartbeat.ts'
import type { VmPorts } from '../../vms/ports.ts'
import type { Clock } from '../../../core/kernel/clock.ts'
import type { Matching } from '../../matcher/matching.ts'
import { openPilotStream, type PilotStream } from '../../matcher/pilot-stream.ts'
import { type ActivationKeys, guessesPerAddress } from './activation-keys.ts'
import { type Edge, vmOf } from './edge.ts'
import type { Load } from './load.ts'
import { goneSignal, received } from './stream.ts'

/**
 * Messages that a pilot has not read yet, and messages of its own that are not answered yet: beyond, it is no pilot of ours.
 */
const maxUnread = 1000
const maxUnderWay = 100

type Duplex = ServerDuplexStream<wire.PilotMessage, wire.ServiceMessage>

export type VmHandlerOptions = {
  readonly ports: VmPorts & KeepPorts & LivePorts
  readonly matching: Matching
  readonly heartbeatIntervalMs: number
  readonly tokens: Tokens
  readonly keys: ActivationKeys
  readonly edge: Edge
  readonly log: Log
}

/** Files are moved by sandbox-handlers.ts. */
export function vmHandlers(
  options: VmHandlerOptions,
): Pick<wire.VmServiceServer, 'activate' | 'session' | 'putOutput' | 'putLiveOutput' | 'beat'> {
  const { ports, matching, heartbeatIntervalMs, tokens, keys, edge, log } = options
  const guesses = guessesPerAddress(ports.clock, keys, log)
  const keeper = outputKeeper(ports)
  return {
    activate: edge.unary('activate', async (request: wire.ActivateRequest, caller) => {
      const activation = activationOf(request)
      const { vmId, activationKey } = activation
      await guesses.check(vmId, activationKey, caller)
      const expiresMs = await activate(ports, activation)
      log.info({ vmId }, 'VM activated')
      return { credential: await tokens.issue({ kind: 'vm', vmId }, expiresMs), expiresMs }
    }),

    session: edge.duplex('session', (call: Duplex, caller) => converse(matching, vmOf(caller), caller.load, call)),

    putOutput: edge.clientStream(
      'putOutput',
      (pieces: ServerReadableStream<wire.PutOutputRequest, wire.PutOutputResponse>, caller) =>
        putOutput(keeper, ports.clock, vmOf(caller), pieces),
    ),

    putLiveOutput: edge.unary('putLiveOutput', async (request: wire.PutLiveOutputRequest, caller) => {
      const { bytes, isWanted } = await keepLiveOutput(ports, vmOf(caller), liveUploadOf(request))
      return { bytes, wanted: isWanted }
    }),

    beat: edge.unary('beat', async (request: wire.BeatRequest, caller) => {
      const answer = await recordHeartbeat(ports, vmOf(caller), heartbeatRequestOf(request))
      return heartbeatTermsToWire({ ...answer, heartbeatIntervalMs })
    }),
  }
}

/** Reads the stream as fast as it comes; resolves when the pilot hangs up, throws what ends it from our side. */
async function converse(matching: Matching, vmId: VmId, load: Load, call: Duplex): Promise<void> {
  const ending = Promise.withResolvers<void>()
  const over = (): void => ending.resolve()
  const gone = goneSignal(call)
  const stream: PilotStream = await openPilotStream(matching, vmId, {
    send(message) {
      if (call.destroyed || call.cancelled) return
      if (call.writableLength > maxUnread) ending.reject(new PilotageError('overloaded', 'the pilot does not read'))
      else call.write(serviceMessageToWire(message))
    },
    end: over,
  })
  takeIn(matching.clock, stream, load, call, ending.reject)
  call.on('end', over)
  gone.addEventListener('abort', over)
  // It may have gone while the stream was opened.
  if (gone.aborted) over()
  try {
    await ending.promise
  } finally {
    stream.close()
  }
}

/** Messages are taken in as they come, without waiting for the last one's commit: that is what fills a group. */
function takeIn(clock: Clock, stream: PilotStream, load: Load, call: Duplex, fail: (error: unknown) => void): void {
  let underWay = 0
  let slowed = false
  const goOn = (): void => {
    if (!slowed && underWay < maxUnderWay) call.resume()
  }
  const slowDown = (waitMs: number): void => {
    slowed = true
    call.pause()
    clock.after(waitMs, () => {
      slowed = false
      goOn()
    })
  }
  call.on('data', (message: wire.PilotMessage) => {
    underWay += 1
    if (underWay >= maxUnderWay) call.pause()
    load.charge(loadLimits.pilotEventCost * (1 + message.reports.length + message.renew.length))
    const debtMs = load.debtMs()
    if (debtMs > 0) slowDown(debtMs)
    const taken = (): void => {
      underWay -= 1
      goOn()
    }
    try {
      stream.receive(pilotMessageOf(message)).then(taken, fail)
    } catch (error) {
      fail(error)
    }
  })
}

async function putOutput(
  keeper: OutputKeeper,
  clock: Clock,
  vmId: VmId,
  requests: ServerReadableStream<wire.PutOutputRequest, wire.PutOutputResponse>,
): Promise<wire.PutOutputResponse> {
  const stream = received<wire.PutOutputRequest>(clock, requests, goneSignal(requests))
  try {
    const first = await stream.next()
    if (first.done || !first.value.attempt) {
      throw new PilotageError('invalid-argument', 'the first piece of an output names its attempt')
    }
    const { attempt, name } = first.value
    const upload = {
      attempt: attemptOf(attempt, 'attempt'),
      name: outputNameOf(name),
      pieces: piecesOf(first.value, stream),
    }
    return { bytes: await keeper.keep(vmId, upload) }
  } finally {
    await stream.return()
  }
}

/** Throws `invalid-argument`, and `too-large` for more than one piece. */
function liveUploadOf({ attempt, name, offset, data, caughtUp }: wire.PutLiveOutputRequest): LiveUpload {
  if (!attempt) throw new PilotageError('invalid-argument', 'a piece of an output names its attempt')
  if (data.length > outputChunkBytes || offset > outputBytes)
    throw new PilotageError('too-large', `an output of more than ${outputBytes} bytes`)
  const output = { ...attemptOf(attempt, 'attempt'), name: outputNameOf(name) }
  return { output, offset, data, isCaughtUp: caughtUp }
}

/** A stream that broke off can look like a complete one: only the length that its first message announced shows which. */
async function* piecesOf(
  first: wire.PutOutputRequest,
  rest: AsyncIterator<wire.PutOutputRequest>,
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for (
    let piece: IteratorResult<wire.PutOutputRequest, void> = { done: false, value: first };
    !piece.done;
    piece = await rest.next()
  ) {
    const { data } = piece.value
    bytes += data.length
    if (data.length > outputChunkBytes || bytes > outputBytes)
      throw new PilotageError('too-large', `an output of more than ${outputBytes} bytes`)
    yield data
  }
  if (bytes !== first.totalBytes) {
    throw new PilotageError('invalid-argument', `an output of ${bytes} bytes where ${first.totalBytes} were announced`)
  }
}
