/**
 * The gRPC server: the four services, health and reflection on one port, with TLS where it is given a certificate. Bounds
 * what is taken in before it is parsed; stops by letting calls end for a moment and then cutting them.
 */

import type { Socket } from 'node:net'
import { logVerbosity, Server, type ServerOptions, setLogVerbosity } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import { connectionLimits, loadLimits, messageBytes } from '../../../core/kernel/limits.ts'
import { sandboxLimits } from '../../../core/kernel/sandbox-limits.ts'
import type { Log } from '../../../core/ports/log.ts'
import type { Tokens } from '../../../core/ports/tokens.ts'
import { JobServiceService } from '../../../proto/gen/pilotage/v1/job.ts'
import { OperateServiceService } from '../../../proto/gen/pilotage/v1/operate.ts'
import { AccountingServiceService } from '../../../proto/gen/pilotage/v1/accounting.ts'
import { SandboxServiceService } from '../../../proto/gen/pilotage/v1/sandbox.ts'
import { VmServiceService } from '../../../proto/gen/pilotage/v1/vm.ts'
import type { CloudStatus } from '../../vms/list-clouds.ts'
import type { Catalogue } from '../../images/catalogue.ts'
import type { Matching } from '../../matcher/matching.ts'
import type { JobPorts } from '../../jobs/ports.ts'
import type { ServedTls } from '../../../core/ports/served-tls.ts'
import { serverCredentials } from './credentials.ts'
import { activationKeys } from './activation-keys.ts'
import { type Admission, newAdmission } from './admission.ts'
import { type ConnectionBounds, openConnections } from './connections.ts'
import { readDescriptors } from './descriptors.ts'
import { edge } from './edge.ts'
import { withPieceRequests } from './file-messages.ts'
import { jobHandlers } from './job-handlers.ts'
import { newLoads } from './load.ts'
import { type OperateOptions, operateHandlers } from './operate-handlers.ts'
import { openPieceBuffers, type PieceBuffers } from './piece-buffers.ts'
import { readable } from './readable.ts'
import { reflectionHandlers, reflectionServices } from './reflection.ts'
import { accountingHandlers } from './accounting-handlers.ts'
import { sandboxHandlers } from './sandbox-handlers.ts'
import { openTransfers } from './transfers.ts'
import { vmHandlers } from './vm-handlers.ts'

export type ApiOptions = {
  readonly ports: JobPorts
  readonly matching: Matching
  /** Between two heartbeats of a monitor. */
  readonly heartbeatIntervalMs: number
  readonly images: Catalogue
  readonly shares: OperateOptions['shares']
  readonly tokens: Tokens
  readonly log: Log
  readonly host: string
  readonly port: number
  /** Absent: the defaults. */
  readonly bounds?: Partial<ApiBounds>
  /** Absent: plain. */
  readonly tls?: ServedTls
  /** Calls `hear` with whether the store answers: now, and at every change. Returns how to stop. */
  readonly watchReady: (hear: (ready: boolean) => void) => () => void
  readonly version: string
  readonly startedMs: number
  readonly cloudStatus: () => Promise<CloudStatus>
}

export type ApiBounds = {
  readonly connections: ConnectionBounds
  readonly maxAgeMs: number
  readonly idleMs: number
  readonly keepaliveMs: number
  readonly callsPerSecond: number
}

export type Api = { readonly port: number; stop(): Promise<void> }

/** How long calls under way get to end by themselves. Streams of pilots do not end: pilots reconnect to another process. */
const stopGraceMs = 500

export async function startApi(options: ApiOptions): Promise<Api> {
  const { ports, log, host, port, tls, watchReady } = options
  const { clock } = ports
  const bounds: ApiBounds = { ...defaultBounds, ...options.bounds }
  // grpc-js prints a stranger's metadata where they have a character that it does not like, a credential among them.
  setLogVerbosity(logVerbosity.NONE)
  const loads = newLoads(clock, bounds.callsPerSecond)
  const buffers = openPieceBuffers(sandboxLimits.transfers)
  const admission = newAdmission({ tokens: options.tokens, loads, clock, log, buffers, connections: () => connections })
  const server = new Server({ ...serverOptions(bounds), interceptors: [admission.interceptor] })
  addServices(server, admission, buffers, options)
  const health = new HealthImplementation(Object.fromEntries(serviceNames.map((name) => [name, 'NOT_SERVING' as const])))
  const setHealth = (ready: boolean): void => {
    for (const name of serviceNames) health.setStatus(name, ready ? 'SERVING' : 'NOT_SERVING')
  }
  health.addToServer(server)
  const reflection = reflectionHandlers(readDescriptors(), { clock, log, callerOf: admission.callerOf })
  for (const service of Object.values(reflectionServices)) server.addService(service, reflection)

  const injector = server.createConnectionInjector(serverCredentials(tls))
  const serve = (socket: Socket): void => injector.injectConnection(socket)
  const connections = openConnections({ ...bounds.connections, clock, log, serve })
  const bound = await connections.listen(host, port).catch((error: unknown) => {
    connections.close()
    throw error
  })
  const stopWatching = watchReady(setHealth)

  return {
    port: bound,
    stop() {
      stopWatching()
      setHealth(false)
      connections.close()
      return new Promise((resolve) => {
        const end = (): void => {
          // Those too that never came as far as HTTP/2.
          connections.cutAll()
          resolve()
        }
        const cut = clock.after(stopGraceMs, () => {
          server.forceShutdown()
          end()
        })
        server.tryShutdown(() => {
          cut.cancel()
          end()
        })
      })
    },
  }
}

const defaultBounds: ApiBounds = {
  connections: connectionLimits,
  maxAgeMs: connectionLimits.maxAgeMs,
  idleMs: connectionLimits.idleMs,
  keepaliveMs: connectionLimits.keepaliveMs,
  callsPerSecond: loadLimits.callsPerSecond,
}

function serverOptions({ maxAgeMs, idleMs, keepaliveMs }: ApiBounds): ServerOptions {
  return {
    // Each method has a limit of its own (methods.ts); this is the highest of them.
    'grpc.max_receive_message_length': messageBytes.submission,
    'grpc.max_send_message_length': 64 * 1024 * 1024,
    'grpc.max_concurrent_streams': connectionLimits.streams,
    'grpc.max_connection_age_ms': maxAgeMs,
    'grpc.max_connection_age_grace_ms': Math.min(connectionLimits.ageGraceMs, maxAgeMs),
    'grpc.max_connection_idle_ms': idleMs,
    // A ping after two thirds of the time, and the rest for its answer.
    'grpc.keepalive_time_ms': Math.floor((keepaliveMs * 2) / 3),
    'grpc.keepalive_timeout_ms': Math.floor(keepaliveMs / 3),
  }
}

function addServices(server: Server, admission: Admission, buffers: PieceBuffers, options: ApiOptions): void {
  const { ports, matching, heartbeatIntervalMs, images, shares, tokens, log, version, startedMs, cloudStatus } = options
  const edges = edge(admission, log)
  const keys = activationKeys(ports)
  const { fetchInput, putOutputFile, ...sandbox } = sandboxHandlers(
    ports,
    { transfers: openTransfers(ports.clock), buffers },
    edges,
  )
  server.addService(readable(JobServiceService), jobHandlers(ports, edges))
  server.addService(readable(withPieceRequests(SandboxServiceService)), sandbox)
  server.addService(readable(AccountingServiceService), accountingHandlers(ports, edges))
  server.addService(readable(withPieceRequests(VmServiceService)), {
    ...vmHandlers({ ports, matching, heartbeatIntervalMs, tokens, keys, edge: edges, log }),
    fetchInput,
    putOutputFile,
  })
  server.addService(
    readable(OperateServiceService),
    operateHandlers({ ports, images, shares, tokens, edge: edges, version, startedMs, cloudStatus }),
  )
}

const services = [
  JobServiceService,
  SandboxServiceService,
  VmServiceService,
  OperateServiceService,
  AccountingServiceService,
]
const serviceNames = ['', ...services.map(nameOf)]

function nameOf(service: Readonly<Record<string, { readonly path: string }>>): string {
  return Object.values(service)[0]?.path.split('/')[1] ?? ''
}
