/**
 * The gRPC server: the three services, health and reflection on one port, with TLS where it is given a certificate. Bounds what
 * is taken in before it is parsed; stops by letting calls end for a moment and then cutting them.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Server } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import { hostPort } from '../../core/endpoints.ts'
import { PilotageError } from '../../core/errors.ts'
import { requestBytes } from '../../core/limits.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Tokens } from '../../core/ports/tokens.ts'
import { JobServiceService } from '../../proto/gen/pilotage/v1/job.ts'
import { OperateServiceService } from '../../proto/gen/pilotage/v1/operate.ts'
import { VmServiceService } from '../../proto/gen/pilotage/v1/vm.ts'
import type { CloudStatus } from '../director/status.ts'
import type { Catalogue } from '../images/catalogue.ts'
import type { Queue } from '../queue/queue.ts'
import type { ServedTls } from '../../core/ports/served-tls.ts'
import { serverCredentials } from './credentials.ts'
import { edge } from './edge.ts'
import { jobHandlers } from './job-handlers.ts'
import { operateHandlers } from './operate-handlers.ts'
import { readable } from './readable.ts'
import { vmHandlers } from './vm-handlers.ts'

export type ApiOptions = {
  readonly queue: Queue
  readonly images: Catalogue
  readonly tokens: Tokens
  readonly log: Log
  readonly host: string
  readonly port: number
  /** Absent: plain. */
  readonly tls?: ServedTls
  /** Tells whether the store answers: now, and with every change. Returns how to stop. */
  readonly watchReady: (hear: (ready: boolean) => void) => () => void
  readonly version: string
  readonly startedMs: number
  readonly cloudStatus: () => Promise<CloudStatus>
}

export type Api = { readonly port: number; stop(): Promise<void> }

/** Calls under way may end by themselves for so long. Streams of pilots do not: they come back elsewhere. */
const stopGraceMs = 500

const protoDir = join(import.meta.dirname, '../../proto')

export async function startApi({
  queue,
  images,
  tokens,
  log,
  host,
  port,
  tls,
  watchReady,
  version,
  startedMs,
  cloudStatus,
}: ApiOptions): Promise<Api> {
  const server = new Server({
    'grpc.max_receive_message_length': requestBytes + 64 * 1024,
    'grpc.max_send_message_length': 64 * 1024 * 1024,
    'grpc.max_concurrent_streams': 1000,
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
  })
  const door = edge(tokens, log)
  server.addService(readable(JobServiceService), jobHandlers(queue, door))
  server.addService(readable(VmServiceService), vmHandlers(queue, tokens, door, log))
  server.addService(
    readable(OperateServiceService),
    operateHandlers({ queue, images, tokens, edge: door, version, startedMs, cloudStatus }),
  )
  const services = ['', ...[JobServiceService, VmServiceService, OperateServiceService].map(nameOf)]
  const health = new HealthImplementation(Object.fromEntries(services.map((name) => [name, 'NOT_SERVING' as const])))
  const tellHealth = (ready: boolean): void => {
    for (const name of services) health.setStatus(name, ready ? 'SERVING' : 'NOT_SERVING')
  }
  health.addToServer(server)
  const files = readdirSync(join(protoDir, 'pilotage/v1')).map((file) => `pilotage/v1/${file}`)
  new ReflectionService(loadSync(files, { includeDirs: [protoDir] })).addToServer(server)

  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(hostPort(host, port), serverCredentials(tls), (error, got) => (error ? reject(error) : resolve(got)))
  }).catch((cause: unknown) => {
    throw new PilotageError('unavailable', `the gRPC port ${host}:${port} cannot be had`, { cause })
  })
  const stopWatching = watchReady(tellHealth)

  return {
    port: bound,
    stop() {
      stopWatching()
      tellHealth(false)
      return new Promise((resolve) => {
        const cut = queue.clock.after(stopGraceMs, () => {
          server.forceShutdown()
          resolve()
        })
        server.tryShutdown(() => {
          cut.cancel()
          resolve()
        })
      })
    },
  }
}

function nameOf(service: Readonly<Record<string, { readonly path: string }>>): string {
  return Object.values(service)[0]?.path.split('/')[1] ?? ''
}
