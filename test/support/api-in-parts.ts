/**
 * The gRPC edge on a port of its own over a store in memory, with tokens of its own: a real server without clouds and loops.
 *
 * Tests reach behind it for jobs and VMs in the state that they need, and in front of it with any credential.
 */

import { usageHalfLifeMs } from '../../core/kernel/limits.ts'
import { memoryLiveOutput } from '../../services/adapters/live-output/memory/memory-live-output.ts'
import { memoryBlobs } from '../../services/adapters/sandbox/memory/memory-blobs.ts'
import { assert } from '../../core/kernel/assert.ts'
import type { Matching } from '../../services/matcher/matching.ts'
import { type Clock, systemClock } from '../../core/kernel/clock.ts'
import type { Identity } from '../../core/model/owner.ts'
import { silentLog } from '../../core/ports/log.ts'
import type { Blobs } from '../../core/ports/blobs.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import type { Store } from '../../core/ports/store.ts'
import { seededRandom } from '../../core/kernel/random.ts'
import { localBus } from '../../services/adapters/bus/local/local-bus.ts'
import { memoryStore } from '../../services/adapters/store/sqlite/sqlite-store.ts'
import { joseTokens, newSigningKey } from '../../services/adapters/tokens/jose/jose-tokens.ts'
import { type ApiBounds, startApi } from '../../services/api/grpc/server.ts'
import { directorDefaults } from '../../services/director/options.ts'
import type { CloudStatus } from '../../services/vms/list-clouds.ts'
import type { Catalogue } from '../../services/images/catalogue.ts'
import type { JobPorts } from '../../services/jobs/ports.ts'
import { processRoles } from '../../core/model/process-role.ts'
import { buildRuntime } from '../../services/run/runtime.ts'
import { rawClient, type RawClient } from './raw-call.ts'

export type ApiInParts = {
  readonly store: Store
  readonly queue: JobPorts
  readonly raw: RawClient
  /** host:port of the edge, for clients of one's own. */
  readonly server: string
  readonly matching: Matching
  tokenFor(identity: Identity): Promise<string>
  stop(): Promise<void>
}

const hour = 60 * 60 * 1000

const cloudless = { random: seededRandom(1), clouds: [], services: [], render: () => '', policy: directorDefaults }

/** `given`: whom it trusts to endorse images, and where clouds of it stand. `plan`: what the directors last kept. */
export async function startApiInParts({
  plan = [],
  bounds,
  clock = systemClock(),
  store = memoryStore(),
  installation,
  policy = {},
  blobs = memoryBlobs(),
  ...given
}: Partial<Pick<Catalogue, 'trust' | 'sites' | 'uses'>> & {
  readonly plan?: CloudStatus['plan']
  readonly bounds?: Partial<ApiBounds>
  readonly clock?: Clock
  readonly store?: Store
  readonly policy?: Partial<JobPorts['policy']>
  readonly blobs?: Blobs
  /** Absent: one that is made for this server. */
  readonly installation?: { readonly name: string; readonly signingKey: string }
} = {}): Promise<ApiInParts> {
  const log = silentLog()
  const { jobs, ...parts } = await buildRuntime({
    store,
    bus: localBus(clock),
    clock,
    log,
    ...homes(blobs),
    roles: processRoles,
    holder: 'only',
    policy: { leaseMs: hour, renewEveryMs: hour / 4, keepEndedMs: hour, reserveAfterMs: hour, ...policy },
    director: cloudless,
  })
  const { name, signingKey } = installation ?? { name: 'in-parts', signingKey: await newSigningKey() }
  const tokens = await joseTokens(signingKey, name, clock)
  const cloudStatus = async () => ({ clouds: [], plan })
  const at = { host: '127.0.0.1', port: 0, version: 'test', startedMs: clock.nowMs() }
  const { matching, catalogue } = parts
  const watchReady = (hear: (ready: boolean) => void) => {
    hear(true)
    return () => {}
  }
  assert(matching !== undefined, 'it serves pilots')
  const api = await startApi({
    ports: jobs,
    matching,
    heartbeatIntervalMs: hour,
    images: { ...catalogue, ...given },
    shares: { ...parts, halfLifeMs: usageHalfLifeMs },
    tokens,
    log,
    cloudStatus,
    watchReady,
    bounds,
    ...at,
  })
  const server = `127.0.0.1:${api.port}`
  const raw = rawClient(clock, server)
  return {
    store,
    queue: jobs,
    matching,
    raw,
    server,
    tokenFor: (identity) => tokens.issue(identity, clock.nowMs() + hour),
    async stop() {
      raw.close()
      await api.stop()
      await store.close()
    },
  }
}

/** Takes every output, and has one for every attempt. */
const agreeableSandbox: Sandbox = {
  async keep(_attempt, _name, pieces) {
    let bytes = 0
    for await (const piece of pieces) bytes += piece.length
    return bytes
  },
  read: async () =>
    (async function* () {
      yield Buffer.from('kept')
    })(),
  forget: async () => {},
}

/** Of what payloads write and users put. */
function homes(blobs: Blobs) {
  return { sandbox: agreeableSandbox, live: memoryLiveOutput(), blobs }
}
