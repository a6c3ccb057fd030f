/** VmService as a script in a test's hand: it records what agents say, and says what the test asks. */

import { type ServerDuplexStream, Server, ServerCredentials, status } from '@grpc/grpc-js'
import { systemClock } from '../../../core/kernel/clock.ts'
import type { Task } from '../../../agents/pilot/held.ts'
import { specToWire } from '../../../proto/codec/specs.ts'
import {
  type Assignment,
  type BeatRequest,
  type BeatResponse,
  type PilotMessage,
  type Report,
  type ServiceMessage,
  type VmServiceServer,
  VmServiceService,
} from '../../../proto/gen/pilotage/v1/vm.ts'

const clock = systemClock()

type Stream = ServerDuplexStream<PilotMessage, ServiceMessage>

export type FakeService = {
  readonly port: number
  /** Everything that came up, of all streams, in order. */
  readonly messages: PilotMessage[]
  readonly outputs: Map<string, string>
  readonly nonces: string[]
  readonly credentials: string[]
  readonly heartbeats: BeatRequest[]
  /** Acknowledge reports as they come; off: they stay unacknowledged. */
  acking: boolean
  answer: (heartbeat: BeatRequest) => Partial<BeatResponse>
  /** What it says that its clock is. */
  timeMs: () => number
  reports(phase: string): readonly Report[]
  send(message: Partial<ServiceMessage>): void
  /** Ends the stream, as a service does that goes away. */
  cut(): void
  /** Also drops the port; `startFakeService(port)` is the next service there. */
  stop(): Promise<void>
}

export const key = 'the-activation-key'
export const credential = 'the-credential-of-this-vm'

/** `secrets`: for a test that looks for them where they must not be. */
export async function startFakeService(
  port = 0,
  leaseMs = 90_000,
  secrets: { readonly key: string; readonly credential: string } = { key, credential },
): Promise<FakeService> {
  let stream: Stream | undefined
  const server = new Server()
  const service: FakeService = {
    port: 0,
    messages: [],
    outputs: new Map(),
    nonces: [],
    credentials: [],
    heartbeats: [],
    acking: true,
    answer: () => ({}),
    timeMs: () => clock.nowMs(),
    reports: (phase) => service.messages.flatMap(({ reports }) => reports.filter((one) => one.phase === phase)),
    send: (message) =>
      void stream?.write({ welcome: undefined, acks: [], assignments: [], commands: [], renewedMs: 0, ...message }),
    cut: () => stream?.end(),
    stop: async () => server.forceShutdown(),
  }

  server.addService(VmServiceService, {
    activate(call, done) {
      service.nonces.push(call.request.nonce)
      if (call.request.activationKey !== secrets.key) return done({ code: status.UNAUTHENTICATED, details: 'wrong key' })
      done(null, { credential: secrets.credential, expiresMs: 0 })
    },
    session(call) {
      stream = call
      service.credentials.push(String(call.metadata.get('authorization')[0]))
      call.on('error', () => undefined)
      call.on('data', (message: PilotMessage) => {
        service.messages.push(message)
        if (message.hello) service.send({ welcome: { leaseMs, renewEveryMs: leaseMs / 4, serviceTimeMs: service.timeMs() } })
        const acks = message.reports.map(({ reportId, jobId, attempt }) => ({ reportId, jobId, attempt, refusal: '' }))
        if (service.acking && acks.length > 0) service.send({ acks })
        if (message.renew.length > 0) service.send({ renewedMs: 1 })
      })
    },
    putOutput(call, done) {
      let name = ''
      let text = ''
      call.on('data', ({ attempt, name: of, data }) => {
        if (attempt) name = `${attempt.jobId}.${attempt.attempt} ${of}`
        text += data.toString()
      })
      call.on('end', () => {
        service.outputs.set(name, text)
        done(null, { bytes: text.length })
      })
    },
    beat(call, done) {
      service.heartbeats.push(call.request)
      service.credentials.push(String(call.metadata.get('authorization')[0]))
      const calm = { order: 'go-on', reason: '', beatEveryMs: 60_000, serviceTimeMs: service.timeMs() }
      done(null, { ...calm, ...service.answer(call.request) })
    },
  } as VmServiceServer)

  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error ? reject(error) : resolve(at),
    )
  })
  return Object.assign(service, { port: bound })
}

export function assignment({ jobId, attempt, spec, cores, leaseMs, vo, owner, gpus = 0, wallMs = 0 }: Task): Assignment {
  return { jobId, attempt, spec: specToWire(spec), cores, leaseMs, vo, owner, gpus, wallMs }
}
