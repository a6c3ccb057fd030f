/**
 * The way to the service: one gRPC channel with the VM's credential, and the calls of VmService.
 *
 * The only file of the agents that knows gRPC. A channel is cheap and has no memory: a caller that lost one opens another,
 * when the caller chooses. What stays true: every unary call has a deadline; keepalive notices within 15 s that the peer of
 * a stream is gone; every failure is a PilotageError without a secret in it.
 */

import { ChannelCredentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import type { Clock } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { AttemptRef } from '../../core/kernel/ids.ts'
import type { Activation, HeartbeatRequest, HeartbeatTerms, VmCredential } from '../../core/model/monitor.ts'
import type { OutputRef } from '../../core/model/live-output.ts'
import type { PilotMessage, ServiceMessage } from '../../core/model/pilot.ts'
import { heartbeatRequestToWire, heartbeatTermsOf } from '../../proto/codec/monitor.ts'
import { pilotMessageToWire, serviceMessageOf } from '../../proto/codec/pilot.ts'
import { outputChunkBytes } from '../../core/kernel/limits.ts'
import type { Kept } from '../../core/ports/live-output.ts'
import {
  type BeatResponse,
  type PutLiveOutputResponse,
  type ServiceMessage as WireMessage,
  VmServiceClient,
} from '../../proto/gen/pilotage/v1/vm.ts'
import { type FileCalls, fileCalls } from './file-calls.ts'
import { asUplinkError } from './uplink-errors.ts'

export const agentVersion = '0.1.0'

export type UplinkOptions = {
  readonly clock: Clock
  /** One of the context's. */
  readonly endpoint: string
  /** Absent: plain, on loopback. */
  readonly caPem?: string
  /** Absent for the one call that gets it. */
  readonly credential?: string
}

export type SessionHandlers = {
  onMessage(message: ServiceMessage): void
  /** Once, however it ended. */
  onEnd(error: PilotageError): void
}

export type Session = { send(message: PilotMessage): void; close(): void }

export type Uplink = FileCalls & {
  activate(activation: Activation): Promise<VmCredential>
  heartbeat(request: HeartbeatRequest): Promise<HeartbeatTerms>
  /** Resolves when the service keeps all of it. Repeating it replaces it. */
  putOutput(attempt: AttemptRef, name: 'stdout' | 'stderr', data: Uint8Array): Promise<void>
  /** A piece of an output that is still being written. */
  putLiveOutput(output: OutputRef, offset: number, data: Uint8Array, isCaughtUp: boolean): Promise<Kept>
  session(handlers: SessionHandlers): Session
  close(): void
}

const callMs = 10_000
const outputMs = 60_000

const channelOptions = {
  // The environment of the machine may name a web proxy, for payloads and the package manager: it does not lead to the
  // service.
  'grpc.enable_http_proxy': 0,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.keepalive_permit_without_calls': 1,
  // A new channel must not inherit an old one's back-off: we have our own.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 1000,
  // 256 assignments of 64 KiB each are the most that one message may bring.
  'grpc.max_receive_message_length': 32 * 1024 * 1024,
  'grpc.max_send_message_length': 32 * 1024 * 1024,
} as const

export function openUplink({ clock, endpoint, caPem, credential }: UplinkOptions): Uplink {
  const secured =
    caPem === undefined ? ChannelCredentials.createInsecure() : ChannelCredentials.createSsl(Buffer.from(caPem))
  const client = new VmServiceClient(endpoint, secured, channelOptions)
  // A connection of its own: a transfer that the service holds back would hold back everything beside it, since what is not
  // read of one stream fills the window of the whole connection.
  const files = onceAsked(() => new VmServiceClient(endpoint, secured, channelOptions))
  const metadata = new Metadata()
  if (credential !== undefined) metadata.set('authorization', `Bearer ${credential}`)
  const within = (ms: number): { deadline: number } => ({ deadline: clock.nowMs() + ms })

  return {
    activate: (request) => answered('activating', (done) => client.activate(request, metadata, within(callMs), done)),
    async heartbeat(request) {
      const said = heartbeatRequestToWire(request)
      const send = (done: Done<BeatResponse>): void => void client.beat(said, metadata, within(callMs), done)
      return heartbeatTermsOf(await answered('sending a heartbeat', send))
    },
    async putOutput(attempt, name, data) {
      await answered('keeping output', (done) => {
        const stream = client.putOutput(metadata, within(outputMs), done)
        // The call's answer carries the failure. Without a listener the stream's own error would end the process.
        stream.on('error', () => undefined)
        for (let at = 0; at < Math.max(1, data.length); at += outputChunkBytes) {
          const first = at === 0
          const chunk = data.subarray(at, at + outputChunkBytes)
          const head = first ? { attempt, name, totalBytes: data.length } : { attempt: undefined, name: '', totalBytes: 0 }
          stream.write({ ...head, data: Buffer.from(chunk) })
        }
        stream.end()
      })
    },
    async putLiveOutput({ name, ...ref }, offset, data, isCaughtUp) {
      const { jobId, attempt } = ref
      const request = { attempt: { jobId, attempt }, name, offset, data: Buffer.from(data), caughtUp: isCaughtUp }
      const send = (done: Done<PutLiveOutputResponse>): void =>
        void client.putLiveOutput(request, metadata, within(callMs), done)
      const { bytes, wanted } = await answered('sending a live output', send)
      return { bytes, isWanted: wanted }
    },
    ...fileCalls(files.get, metadata, clock),
    session(handlers) {
      const stream = client.session(metadata)
      let over = false
      const end = (error: PilotageError): void => {
        if (over) return
        over = true
        stream.cancel()
        handlers.onEnd(error)
      }
      stream.on('data', (message: WireMessage) => {
        if (!over) handlers.onMessage(serviceMessageOf(message))
      })
      stream.on('error', (error: ServiceError) => end(asUplinkError(error, 'in session')))
      stream.on('end', () => end(new PilotageError('unavailable', 'in session: the service ended the stream')))
      return {
        send(message) {
          if (!over) stream.write(pilotMessageToWire(message))
        },
        close: () => end(new PilotageError('cancelled', 'in session: closed by us')),
      }
    },
    close() {
      client.close()
      files.made()?.close()
    },
  }
}

type Done<Answer> = (error: ServiceError | null, answer: Answer) => void

function answered<Answer>(doing: string, call: (done: Done<Answer>) => void): Promise<Answer> {
  return new Promise((resolve, reject) => {
    call((error, answer) => (error ? reject(asUplinkError(error, doing)) : resolve(answer)))
  })
}

function onceAsked<Thing>(make: () => Thing): { get(): Thing; made(): Thing | undefined } {
  let thing: Thing | undefined
  return {
    get() {
      thing ??= make()
      return thing
    },
    made: () => thing,
  }
}
