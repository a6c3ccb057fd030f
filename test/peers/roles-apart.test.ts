/**
 * An installation in pieces: every role in processes of its own over a real MongoDB and a real NATS, in one data directory,
 * as an operator of one machine would begin. What is tested is that the pieces are one service, and what each is without
 * others.
 */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hasEnded } from '../../client/follow.ts'
import { connectPilotage, type PilotageClient } from '../../client/pilotage-client.ts'
import { systemClock, until } from '../../core/kernel/clock.ts'
import { silentLog } from '../../core/ports/log.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { JobSpec } from '../../proto/gen/pilotage/v1/job.ts'
import { readFacts } from '../../services/adapters/bus/nats/fact-reader.ts'
import { freePorts } from '../support/free-ports.ts'
import { commandOf, endAllUnder, leftUnder, listeningOf } from '../support/processes.ts'
import { rawClient } from '../support/raw-call.ts'
import { type ServiceFiles, type ServiceProcess, startServiceProcess } from '../support/service-process.ts'
import type { MongoServers } from './mongo-servers.ts'
import type { NatsServer } from './nats-servers.ts'
import { startMongo, startNats, whyNotOurs } from './servers.ts'

const clock = systemClock()
const mib = 1024 * 1024

let dir: string
let mongo: MongoServers
let nats: NatsServer
let database: string
let apiPorts: readonly number[]
let open: PilotageClient[]
let started: Map<string, ServiceProcess>

beforeAll(async () => {
  mongo = await startMongo({ members: 1 })
  nats = await startNats()
})
afterAll(() => Promise.all([mongo.stop(), nats.stop()]))

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-apart-'))
  database = mongo.newDatabase()
  apiPorts = await freePorts(2)
  open = []
  started = new Map()
})

afterEach(async () => {
  for (const client of open) client.close()
  await Promise.all([...started.values()].map((one) => one.ended('SIGKILL')))
  // Whatever VMs are left: they outlive their director on purpose.
  await endAllUnder(clock, dir)
  const left = await leftUnder(clock, dir, 5000)
  rmSync(dir, { recursive: true, force: true })
  expect(left.map(commandOf)).toEqual([])
})

/** `name` is for its files; all processes share the data directory. */
function start(name: string, roles: string, grpcPort = 0): ServiceProcess {
  const home = join(dir, name)
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'mongo.url'), mongo.url)
  const config = {
    grpc: { port: grpcPort, advertise: apiPorts.map((port) => `127.0.0.1:${port}`) },
    dashboard: { port: 0 },
    health: { port: 0 },
    store: { kind: 'mongo', urlFile: 'mongo.url', database },
    nats: { servers: [nats.url] },
    director: { interval: '500ms', settle: '1s' },
    vm: { idleTimeout: '2s', heartbeatInterval: '500ms' },
    clouds: [{ name: 'local', kind: 'local', limits: { maxVms: 2, maxCores: 8 } }],
  }
  const files: ServiceFiles = {
    dataDir: join(dir, 'data'),
    configPath: join(home, 'pilotage.yaml'),
    logPath: join(home, 'log'),
  }
  writeFileSync(files.configPath, JSON.stringify(config))
  const service = startServiceProcess(clock, files, ['--role', roles])
  started.set(name, service)
  return service
}

/** Two of every role. */
async function startAll(): Promise<void> {
  const all = [
    ...apiPorts.map((port, at) => start(`api-${at}`, 'api', port)),
    ...[0, 1].map((at) => start(`director-${at}`, 'director')),
    ...[0, 1].map((at) => start(`sweeper-${at}`, 'sweeper')),
    start('dashboard', 'dashboard'),
  ]
  await Promise.all(all.map((one) => one.serving(60_000)))
}

function service(name: string): ServiceProcess {
  const found = started.get(name)
  if (!found) throw new Error(`${name} was not started`)
  return found
}

function connect(): PilotageClient {
  const token = readFileSync(join(dir, 'data/admin.token'), 'utf8').trim()
  const server = apiPorts.map((port) => `127.0.0.1:${port}`).join()
  const client = connectPilotage({ server, token, clock, patienceMs: 60_000 })
  open.push(client)
  return client
}

const jobs = (count: number, script = 'true'): JobSpec[] =>
  Array.from({ length: count }, () =>
    JobSpec.fromPartial({
      executable: '/bin/sh',
      arguments: ['-c', script],
      requirements: { memoryBytes: 64 * mib, diskBytes: mib, wallMs: 600_000 },
    }),
  )

async function endedStates(client: PilotageClient, ids: readonly number[]): Promise<readonly string[]> {
  const last = new Map<number, string>()
  for await (const job of client.watch(ids)) if (hasEnded(job)) last.set(job.jobId, job.state)
  return [...last.values()]
}

async function health(name: string): Promise<number> {
  const answer = await fetch(`http://${service(name).places().health}/health`).catch(() => undefined)
  await answer?.body?.cancel()
  return answer?.status ?? 0
}

describe('roles in processes of their own', () => {
  it('are one service: jobs run, VMs come and go, and every process listens where its role does', async () => {
    await startAll()
    const client = connect()
    const { jobIds } = await client.submit(jobs(30))
    const states = await endedStates(client, jobIds)
    expect(states).toHaveLength(30)
    expect(new Set(states)).toEqual(new Set(['Done']))
    // What VMs need is over when they are idle, whichever process directs their cloud.
    expect(await until(clock, async () => (await client.vms()).length === 0, { withinMs: 30_000, everyMs: 200 })).toBe(true)

    const ports = Object.fromEntries([...started].map(([name, one]) => [name, listeningOf(one.pid).length]))
    expect(ports).toEqual({
      'api-0': 2,
      'api-1': 2,
      'director-0': 1,
      'director-1': 1,
      'sweeper-0': 1,
      'sweeper-1': 1,
      dashboard: 2,
    })
    for (const name of started.keys()) expect(await health(name), name).toBe(200)
    const page = await fetch(`${service('dashboard').places().dashboard}/health`)
    expect([page.status, await page.json()]).toEqual([200, { ready: true }])

    expect(readdirSync(join(dir, 'data')).filter((name) => name.endsWith('.part'))).toEqual([])
    expect(readdirSync(join(dir, 'data'))).not.toContain('lock')
    expect(readdirSync(join(dir, 'data/agents'))).toHaveLength(2)
    for (const [name, one] of started) {
      expect(one.log(), name).not.toContain('"level":50')
      expect(await one.ended('SIGTERM'), name).toBe(0)
    }
  })

  it('lose no job when one API process dies under load and then the other is restarted', async () => {
    await startAll()
    const client = connect()
    const { jobIds } = await client.submit(jobs(100, 'sleep 1'))
    const watching = endedStates(client, jobIds)
    const running = async (): Promise<boolean> => {
      for await (const { state } of client.list({ jobIds, states: ['Running'] })) if (state === 'Running') return true
      return false
    }
    expect(await until(clock, running, { withinMs: 60_000, everyMs: 100 })).toBe(true)
    await service('api-0').ended('SIGKILL')
    expect(await start('api-0', 'api', apiPorts[0]).serving(60_000)).toBe(`127.0.0.1:${apiPorts[0]}`)
    expect(await service('api-1').ended('SIGTERM')).toBe(0)
    const states = await watching
    expect(states).toHaveLength(100)
    expect(new Set(states)).toEqual(new Set(['Done']))
    // Asked once only: also such a call finds the process that lives.
    const [steered] = await client.kill([jobIds[0] ?? 0])
    expect(steered?.refusal).toBe('ended')
  })

  it('say that they are not ready while the store stands still, and are again when it goes on', async (context) => {
    const reason = whyNotOurs('mongod')
    if (reason !== undefined) return context.skip(reason)
    await Promise.all([start('api-0', 'api', apiPorts[0]).serving(60_000), start('director-0', 'director').serving(60_000)])
    const isAll = (status: number) => async () =>
      (await health('api-0')) === status &&
      (await health('director-0')) === status &&
      (await grpcHealth()) === (status === 200)
    expect(await until(clock, isAll(200), { withinMs: 20_000 })).toBe(true)
    for (const pid of mongo.pids) process.kill(pid, 'SIGSTOP')
    try {
      expect(await until(clock, isAll(503), { withinMs: 20_000 })).toBe(true)
    } finally {
      for (const pid of mongo.pids) process.kill(pid, 'SIGCONT')
    }
    expect(await until(clock, isAll(200), { withinMs: 40_000 })).toBe(true)
  })

  it('begin while the store is unreachable, and serve when it comes', async (context) => {
    const reason = whyNotOurs('mongod')
    if (reason !== undefined) return context.skip(reason)
    const [member] = mongo.members
    await member?.kill()
    const early = start('api-0', 'api', apiPorts[0])
    expect(await until(clock, () => early.log().includes('store unreachable, retrying'), { withinMs: 30_000 })).toBe(true)
    await member?.start()
    expect(await early.serving(60_000)).toBe(`127.0.0.1:${apiPorts[0]}`)
  })

  it('go on without NATS, from the start', async (context) => {
    const reason = whyNotOurs('nats-server')
    if (reason !== undefined) return context.skip(reason)
    await nats.kill()
    await startAll()
    const client = connect()
    const { jobIds } = await client.submit(jobs(5))
    expect(await endedStates(client, jobIds)).toEqual(['Done', 'Done', 'Done', 'Done', 'Done'])
    await nats.start()
    // What happened in between reaches the stream all the same.
    const arePublished = async (): Promise<boolean> => {
      const subjects = await publishedSubjects().catch(() => new Set())
      return jobIds.every((id) => subjects.has(`job:${id}`))
    }
    expect(await until(clock, arePublished, { withinMs: 30_000, everyMs: 500 })).toBe(true)
  })
})

it('a process that was given the store and another key is refused', async () => {
  const first = start('api-0', 'api', apiPorts[0])
  await first.serving(60_000)
  const files = join(dir, 'data')
  const name = readFileSync(join(files, 'installation'), 'utf8')
  rmSync(join(files, 'signing-key.json'))
  const second = start('api-1', 'api', apiPorts[1])
  expect(await second.ended()).toBe(1)
  expect(second.log()).toContain('"code":"conflict"')
  expect(second.log()).toContain(name.trim())
  const { d } = JSON.parse(readFileSync(join(files, 'signing-key.json'), 'utf8')) as { d: string }
  expect(second.log()).not.toContain(d)
})

it('a store that is not there is said by its name, without the address that may hold a password', async () => {
  const home = join(dir, 'nowhere')
  mkdirSync(home)
  const [port = 0] = await freePorts(1)
  writeFileSync(join(home, 'url'), `mongodb://ada:a-password-of-hers@127.0.0.1:${port}/?serverSelectionTimeoutMS=500`)
  const configPath = join(home, 'pilotage.yaml')
  writeFileSync(configPath, JSON.stringify({ store: { kind: 'mongo', urlFile: 'url' }, log: { level: 'debug' } }))
  const files = { dataDir: join(dir, 'data'), configPath, logPath: join(home, 'log') }
  const lost = startServiceProcess(clock, files, ['--role', 'sweeper'])
  started.set('lost', lost)
  expect(await lost.ended()).toBe(1)
  expect(lost.log()).toContain('"code":"unavailable"')
  expect(lost.log()).not.toContain('a-password-of-hers')
})

async function publishedSubjects(): Promise<ReadonlySet<string>> {
  const installation = readFileSync(join(dir, 'data/installation'), 'utf8').trim()
  const subjects = new Set<string>()
  const { signal } = new AbortController()
  const random = systemRandom()
  const shared = { servers: [nats.url], installation, clock, random, log: silentLog(), signal }
  for await (const { fact } of readFacts({ ...shared, from: 'beginning', follow: false })) subjects.add(fact.subject)
  return subjects
}

async function grpcHealth(): Promise<boolean> {
  const raw = rawClient(clock, `127.0.0.1:${apiPorts[0]}`)
  const { messages } = await raw.bytes('/grpc.health.v1.Health/Check', [Buffer.alloc(0)])
  raw.close()
  return messages[0]?.[1] === 1
}
