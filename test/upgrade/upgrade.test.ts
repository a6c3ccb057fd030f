/**
 * An installation of an earlier version under this one: its store, its signing key, its tokens, and an agent of it that
 * still runs.
 *
 * `before-reshape` was made by the code before the layout and the contract were changed: a store with a job in each state
 * and a VM whose pilot holds a lease, the key, two tokens, and the contract that the old agents speak.
 */

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { credentials, loadPackageDefinition, Metadata, type ServiceClientConstructor } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Clock, systemClock, until } from '../../core/kernel/clock.ts'
import type { JobId, VmId } from '../../core/kernel/ids.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { Store } from '../../core/ports/store.ts'
import { openSqliteStore } from '../../services/adapters/store/sqlite/sqlite-store.ts'
import { joseTokens } from '../../services/adapters/tokens/jose/jose-tokens.ts'
import { submit } from '../../services/jobs/submit.ts'
import { type ApiInParts, startApiInParts } from '../support/api-in-parts.ts'

const old = join(import.meta.dirname, 'before-reshape')

type About = {
  readonly atMs: number
  readonly name: string
  readonly vmId: VmId
  readonly ids: readonly JobId[]
  readonly states: readonly string[]
  readonly specs: readonly JobSpec[]
  readonly user: string
  readonly vm: string
}

const about = JSON.parse(readFileSync(join(old, 'about.json'), 'utf8')) as About
const signingKey = readFileSync(join(old, 'signing-key.json'), 'utf8')
const [waiting, held, done = 0, running, killed, failed, exact] = about.ids

let dir: string
let clock: Clock
let store: Store
let api: ApiInParts

/** The time goes on from when the installation was left. */
function clockOfThen(): Clock {
  const system = systemClock()
  const behindMs = system.nowMs() - about.atMs
  return { ...system, nowMs: () => system.nowMs() - behindMs }
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-upgrade-'))
  cpSync(join(old, 'signing-key.json'), join(dir, 'signing-key.json'))
  writeFileSync(join(dir, 'pilotage.db'), gunzipSync(readFileSync(join(old, 'store.gz'))))
  clock = clockOfThen()
  store = await openSqliteStore(join(dir, 'pilotage.db'), clock, () => {})
  api = await startApiInParts({ clock, store, installation: { name: about.name, signingKey } })
})

afterEach(async () => {
  await api.stop()
  rmSync(dir, { recursive: true, force: true })
})

/** Of a job that was submitted before there were these. */
const laterFields = { maxMachineLosses: 10, jobGroup: '', jobType: '', inputFiles: [], outputFiles: [] }

it('finds every job of it in its state, with what was submitted', async () => {
  const jobs = await store.jobs(about.ids)
  expect(jobs.map(({ phase }) => phase.state)).toEqual(about.states)
  const specs = await store.specs(about.ids)
  // What that version did not know has its default.
  expect(about.ids.map((id) => specs.get(id))).toEqual(about.specs.map((spec) => ({ ...spec, ...laterFields })))
  expect(jobs.map(({ machineLosses, maxMachineLosses }) => [machineLosses, maxMachineLosses])).toEqual(
    about.ids.map(() => [0, 10]),
  )
  expect(jobs.find(({ id }) => id === exact)?.needs?.memoryBytes).toBe(123_456_789)
  expect((await store.history(`job:${done}`, 100)).map(({ kind }) => kind)).toEqual(['Matched', 'Running', 'Done'])
  expect((await store.liveVms()).map(({ vm, leases }) => [vm.id, vm.phase.state, leases])).toEqual([
    [about.vmId, 'Active', 1],
  ])
})

it('knows the key of an earlier submission, and gives its answer again', async () => {
  const owner = { vo: 'lhcb', group: 'user', owner: 'alice' }
  const again = await submit(api.queue, { owner, jobs: about.specs, idempotencyKey: 'first' })
  expect(again).toMatchObject({ repeated: true, jobIds: about.ids })
  const other = submit(api.queue, { owner, jobs: about.specs.slice(1), idempotencyKey: 'first' })
  await expect(other).rejects.toMatchObject({ code: 'conflict' })
})

it('accepts its tokens', async () => {
  const tokens = await joseTokens(signingKey, about.name, clock)
  expect(await tokens.verify(about.user)).toMatchObject({
    kind: 'user',
    owner: { vo: 'lhcb', group: 'user', owner: 'alice' },
  })
  expect(await tokens.verify(about.vm)).toEqual({ kind: 'vm', vmId: about.vmId })
})

type Duplex = {
  write(message: object): void
  end(): void
  on(event: 'data', hear: (message: OldServiceMessage) => void): void
  on(event: 'error' | 'end', hear: (error?: unknown) => void): void
}

type OldServiceMessage = {
  readonly acks: readonly { readonly reportId: number; readonly refusal: string }[]
  readonly assignments: readonly {
    readonly jobId: number
    readonly attempt: number
    readonly spec: { readonly name: string }
  }[]
  readonly renewedMs: number
}

/** The stream of a pilot that speaks the old contract, with the credential that it got before. */
function oldPilot(server: string) {
  const definition = loadSync('pilotage/v1/vm.proto', { includeDirs: [join(old, 'proto')], longs: Number, defaults: true })
  const loaded = loadPackageDefinition(definition) as unknown as {
    pilotage: { v1: { VmService: ServiceClientConstructor } }
  }
  const client = new loaded.pilotage.v1.VmService(server, credentials.createInsecure())
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${about.vm}`)
  const call = (client as unknown as { session(metadata: Metadata): Duplex }).session(metadata)
  const heard: OldServiceMessage[] = []
  call.on('data', (message) => heard.push(message))
  call.on('error', () => {})
  return {
    say: (message: object) => call.write(message),
    acks: () => heard.flatMap(({ acks }) => acks),
    assignments: () => heard.flatMap(({ assignments }) => assignments),
    close() {
      call.end()
      client.close()
    },
  }
}

const result = {
  end: 'exited',
  exitCode: 0,
  peakMemoryBytes: 1000,
  cpuMs: 5,
  wallMs: 10,
  startedMs: about.atMs,
  endedMs: about.atMs + 10,
  stdoutBytes: 0,
  stderrBytes: 0,
  droppedBytes: 0,
}

const gib = 1024 ** 3
const free = { cores: 3, memoryBytes: 6 * gib, diskBytes: 6 * gib, remainingMs: 3 * 24 * 3600_000, maxJobs: 3, received: 0 }

it('serves an agent of it that still runs: what it held ends well, and it is given what waits', async () => {
  const pilot = oldPilot(api.server)
  try {
    const lease = { jobId: running, attempt: 1 }
    pilot.say({ hello: { pilotVersion: '0.1.0', held: [lease] }, reports: [], renew: [] })
    pilot.say({
      reports: [{ reportId: 1, ...lease, phase: 'ended', startedMs: about.atMs, result }],
      renew: [],
      offer: free,
    })
    await until(systemClock(), () => pilot.acks().some(({ reportId }) => reportId === 1), { withinMs: 10_000 })
    expect(pilot.acks().filter(({ refusal }) => refusal !== '')).toEqual([])
    const [job] = await store.jobs([running as JobId])
    expect(job?.phase).toMatchObject({ state: 'Done', result: { end: 'exited', exitCode: 0, wallMs: 10 } })
    await until(systemClock(), () => pilot.assignments().length === 2, { withinMs: 10_000 })
    expect(
      pilot
        .assignments()
        .map(({ spec }) => spec.name)
        .sort(),
    ).toEqual(['exact', 'waiting'])
    for (const [at, { jobId, attempt }] of pilot.assignments().entries()) {
      const reportId = 2 + at
      pilot.say({ reports: [{ reportId, jobId, attempt, phase: 'ended', startedMs: about.atMs, result }], renew: [] })
    }
    await until(systemClock(), () => pilot.acks().length >= 3, { withinMs: 10_000 })
  } finally {
    pilot.close()
  }
  const states = (await store.jobs(about.ids)).map(({ id, phase }) => [id, phase.state])
  expect(states).toEqual([
    [waiting, 'Done'],
    [held, 'Held'],
    [done, 'Done'],
    [running, 'Done'],
    [killed, 'Killed'],
    [failed, 'Failed'],
    [exact, 'Done'],
  ])
})
