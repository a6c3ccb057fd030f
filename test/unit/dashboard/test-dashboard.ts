/**
 * A dashboard over an embedded store in memory and a clock that stands still, for tests: real queue operations, real bus,
 * tokens that are read without a key, and clouds as a test says.
 */

import { memoryLiveOutput } from '../../../services/adapters/live-output/memory/memory-live-output.ts'
import { memoryBlobs } from '../../../services/adapters/sandbox/memory/memory-blobs.ts'
import { openOutcomes } from '../../../services/outcomes/outcomes.ts'
import type { FastifyInstance } from 'fastify'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { Identity, Owner } from '../../../core/model/owner.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { JobSpec } from '../../../core/model/job.ts'
import { leaseMs, vmLifeMs } from '../../../core/kernel/limits.ts'
import { silentLog } from '../../../core/ports/log.ts'
import type { Store } from '../../../core/ports/store.ts'
import type { Tokens } from '../../../core/ports/tokens.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import type { Vm } from '../../../core/model/vm.ts'
import { localBus } from '../../../services/adapters/bus/local/local-bus.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { buildDashboard, type DashboardOptions } from '../../../services/dashboard/server.ts'
import type { CloudStatus } from '../../../services/vms/list-clouds.ts'
import type { Catalogue } from '../../../services/images/catalogue.ts'
import { openTrust } from '../../../services/images/trust.ts'
import type { JobPorts } from '../../../services/jobs/ports.ts'
import { activeVm, alice, sampleSubmission, sampleVm } from '../../../sim/samples.ts'
import { type VirtualClock, virtualClock } from '../../support/virtual-clock.ts'

export const nobodys: CloudStatus = { clouds: [], plan: [] }

export type TestDashboard = {
  readonly app: FastifyInstance
  readonly store: Store
  readonly clock: VirtualClock
  readonly bus: JobPorts['bus']
  readonly options: DashboardOptions
  readonly tokens: Tokens
  /** A token of this user, valid for one day by default. */
  token(owner: Owner, role?: 'user' | 'operator' | 'admin', lifeMs?: number): Promise<string>
  /** The cookie of a new session. */
  signIn(token: string): Promise<string>
  /** A page as text, by the session's cookie. */
  page(path: string, cookie: string): Promise<{ status: number; text: string }>
  submit(specs: readonly JobSpec[], owner?: Owner): Promise<readonly JobId[]>
  addVm(id: string, changes?: Partial<Vm>): Promise<Vm>
  /** A VM that was up and is Lost. */
  addEndedVm(id: string, why: string, changes?: Partial<Vm>): Promise<Vm>
  stop(): Promise<void>
}

export async function openTestDashboard(
  cloudStatus: () => Promise<CloudStatus> = async () => nobodys,
  catalogue: Partial<Pick<Catalogue, 'trust' | 'uses'>> = {},
): Promise<TestDashboard> {
  const clock = virtualClock()
  const store = memoryStore()
  const bus = localBus(clock)
  const tokens = plainTokens(clock)
  const ports = queueOver(store, bus, clock)
  const options: DashboardOptions = {
    ports,
    images: { store, bus, clock, trust: openTrust(), uses: [], sites: [], ...catalogue },
    tokens,
    cloudStatus,
    log: silentLog(),
    host: '127.0.0.1',
    port: 0,
    isReady: () => true,
    version: '1.2.3',
    random: seededRandom(1),
  }
  const { app, stop } = await buildDashboard(options)
  const day = 24 * 60 * 60 * 1000
  async function addVm(id: string, changes: Partial<Vm> = {}): Promise<Vm> {
    const nowMs = clock.nowMs()
    const vm = activeVm(id, { intendedMs: nowMs, changedMs: nowMs, endByMs: nowMs + vmLifeMs, ...changes })
    await store.intend(vm, nowMs)
    return vm
  }
  return {
    app,
    store,
    clock,
    bus,
    options,
    tokens,
    token: (owner, role = 'user', lifeMs = day) =>
      tokens.issue({ kind: 'user', owner, roles: [role] }, clock.nowMs() + lifeMs),
    async signIn(token) {
      const answer = await app.inject({ method: 'POST', url: '/sign-in', ...form({ token }) })
      return String(answer.headers['set-cookie'] ?? '').split(';')[0] ?? ''
    },
    async page(path, cookie) {
      const answer = await app.inject({ url: path, headers: { cookie } })
      return { status: answer.statusCode, text: answer.body }
    },
    async submit(specs, owner = alice) {
      const outcome = await store.submit(sampleSubmission(specs, owner), clock.nowMs())
      if (!outcome.ok) throw new Error(outcome.why)
      return specs.map((_, at) => (outcome.firstId + at) as JobId)
    },
    addVm,
    async addEndedVm(id, why, changes) {
      const vm = await addVm(id, changes)
      await store.changeVms([{ kind: 'absent', vmId: vm.id, why }], clock.nowMs())
      return vm
    },
    async stop() {
      const stopping = stop()
      await clock.advance(2500)
      await stopping
      await store.close()
    },
  }
}

export function form(fields: Readonly<Record<string, string>>) {
  return {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams(fields).toString(),
  }
}

/** Puts a job on a VM and lets it run. */
export async function run({ store, clock }: TestDashboard, jobId: JobId, vmId: VmId): Promise<void> {
  const nowMs = clock.nowMs()
  const [claimed] = await store.change([{ kind: 'claim', jobId, vmId, cores: 1, untilMs: nowMs + leaseMs }], nowMs)
  if (!claimed?.ok) throw new Error(claimed?.why)
  const { attempt } = claimed.job
  await store.change([{ kind: 'running', jobId, attempt, vmId, startedMs: nowMs }], nowMs)
}

function queueOver(store: Store, bus: JobPorts['bus'], clock: VirtualClock): JobPorts {
  return {
    store,
    bus,
    clock,
    log: silentLog(),
    sandbox: { keep: async () => 0, read: async () => undefined, forget: async () => {} },
    live: memoryLiveOutput(),
    blobs: memoryBlobs(),
    outcomes: openOutcomes(),
    policy: { leaseMs, keepEndedMs: 1e9, reserveAfterMs: 300_000 },
    offerings: [{ ...sampleVm('offering'), usableMs: vmLifeMs }],
    measured: async () => [],
    blocked: async () => [],
  }
}

/** The bearer's word in clear, with its end: enough to be refused for the right reasons. */
function plainTokens(clock: VirtualClock): Tokens {
  return {
    issue: async (identity, expiresMs) => Buffer.from(JSON.stringify({ identity, expiresMs })).toString('base64url'),
    remembered: () => undefined,
    async verify(token) {
      try {
        const { identity, expiresMs } = JSON.parse(Buffer.from(token, 'base64url').toString()) as {
          identity: Identity
          expiresMs: number
        }
        if (clock.nowMs() < expiresMs) return identity
      } catch {
        // As below.
      }
      throw new PilotageError('unauthenticated', 'the token is not valid here')
    },
  }
}
