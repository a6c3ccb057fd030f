/**
 * Pilotage for the side-by-side bench: a served installation as it is (authorization, leases, fences, facts, fair share,
 * limits, dashboard), driven by pilots that run the bench's jobs in place of payloads.
 *
 * The VMs are written into the fresh store as a director would have left them, with keys that the pilots exchange for their
 * credentials; from then on everything goes over the wire. A pilot is one stream with its share of the slots. What the bench
 * calls confirmed is the acknowledgement of the report that ends a job.
 */

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, openSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { credentials, Metadata } from '@grpc/grpc-js'
import { systemClock, until } from '../core/kernel/clock.ts'
import { silentLog } from '../core/ports/log.ts'
import { programLine } from '../test/support/program.ts'
import { JobServiceClient, SubmitJobsRequest } from '../proto/gen/pilotage/v1/job.ts'
import { ActivateRequest, PilotMessage, VmServiceClient } from '../proto/gen/pilotage/v1/vm.ts'

const clock = systemClock()
const vms = 8
const portBase = Number(process.env.BENCH_PORT_BASE ?? 42600)
/** The floor's job carries 512 bytes. */
const body = 'A'.repeat(480)
const day = 24 * 60 * 60 * 1000
const gib = 1024 ** 3

const vmId = (at) => `vm-bench00${String(at).padStart(3, '0')}`
const keyOf = (at) => `bench-activation-key-${at}`

/**
 * `mongo-1`, `mongo-2`, `mongo-4`: 1, 2 or 4 API processes over a replica set of three. `capped-...`: each process with a
 * fifth of a core (cgroup v1, as root), as on a small machine of its own, so that the two cores are not the bottleneck.
 */
const variants = {
  served: {},
  'mongo-1': { apis: 1 },
  'mongo-2': { apis: 2 },
  'mongo-4': { apis: 4 },
  'capped-1': { apis: 1, cores: 0.2 },
  'capped-2': { apis: 2, cores: 0.2 },
  'capped-4': { apis: 4, cores: 0.2 },
}

async function keepVms(store) {
  const nowMs = clock.nowMs()
  for (let at = 0; at < vms; at += 1) {
    await store.intend(
      {
        id: vmId(at),
        cloud: 'bench',
        site: 'bench',
        flavor: 'slots',
        image: 'plain',
        platform: 'linux',
        tags: [],
        vos: [],
        cores: 64,
        memoryBytes: 256 * gib,
        diskBytes: 256 * gib,
        pricePerHour: 0,
        phase: { state: 'Booting', ref: `bench-${at}` },
        reason: 'bench',
        intendedMs: nowMs,
        changedMs: nowMs,
        endByMs: nowMs + 30 * day,
        activation: { keyHash: createHash('sha256').update(keyOf(at)).digest('hex'), untilMs: nowMs + day },
      },
      nowMs,
    )
  }
  await store.close()
}

async function prepare(dataDir) {
  const { openSqliteStore } = await import('../services/adapters/store/sqlite/sqlite-store.ts')
  mkdirSync(dataDir, { recursive: true })
  await keepVms(await openSqliteStore(join(dataDir, 'pilotage.db'), clock))
}

/** The servers are the test harness's: mongod as `npm run test:peers` finds it. */
async function startMongo(dir) {
  const { openMongo } = await import('../test/peers/mongo-servers.ts')
  const { findPeers } = await import('../test/peers/find-peers.ts')
  const { openMongoStore } = await import('../services/adapters/store/mongo/mongo-store.ts')
  const place = findPeers(process.env).find(({ name }) => name === 'mongod')?.places[0]
  if (!place) throw new Error('no mongod is here: see test/peers/install')
  const mongo = await openMongo({ clock, place, dir, members: 3 })
  const database = mongo.newDatabase()
  const options = { url: mongo.url, database, clock, log: silentLog(), holder: 'bench' }
  await keepVms((await openMongoStore(options)).store)
  return { mongo, store: { kind: 'mongo', url: mongo.url, database } }
}

async function serve(dir, dataDir, at, settings, roles) {
  const config = join(dir, `pilotage-${at}.yaml`)
  const port = portBase + 80 + 2 * at
  const own = { grpc: { port }, dashboard: { port: port + 1 }, clouds: [] }
  writeFileSync(config, JSON.stringify({ ...own, ...settings }))
  const log = openSync(join(dir, `service-${at}.log`), 'a')
  const words = programLine('serve', '--data', dataDir, '--config', config, ...(roles ? ['--role', roles] : []))
  const child = spawn(process.execPath, words, { stdio: ['ignore', log, log] })
  const gone = new Promise((resolve) => child.on('exit', resolve))
  const server = `127.0.0.1:${port}`
  const door = new JobServiceClient(server, credentials.createInsecure())
  const open = new Promise((resolve, reject) =>
    door.waitForReady(clock.nowMs() + 30_000, (error) => (error ? reject(error) : resolve())),
  )
  // Else a service of an earlier run on the same port would be taken for ours.
  const fell = gone.then((code) => Promise.reject(new Error(`the service ended with ${code}: see ${dir}`)))
  await Promise.race([open, fell]).finally(() => door.close())
  return {
    server,
    pid: child.pid,
    async stop() {
      child.kill('SIGTERM')
      const late = clock.after(10_000, () => child.kill('SIGKILL'))
      await gone
      late.cancel()
    },
  }
}

/** Takes effect at once, on all threads of the process; the group goes with the process that left it. */
function cap(pid, cores) {
  const group = `/sys/fs/cgroup/cpu/pilotage-bench-${pid}`
  mkdirSync(group)
  writeFileSync(join(group, 'cpu.cfs_period_us'), '20000')
  writeFileSync(join(group, 'cpu.cfs_quota_us'), String(Math.round(cores * 20_000)))
  writeFileSync(join(group, 'cgroup.procs'), String(pid))
  return () => rmdirSync(group)
}

async function start(dir, { apis, cores } = {}) {
  const dataDir = join(dir, 'data')
  const { mongo, store } = apis ? await startMongo(dir) : {}
  if (!apis && !existsSync(dataDir)) await prepare(dataDir)
  const services = []
  for (let at = 0; at < (apis ?? 1); at += 1) {
    services.push(await serve(dir, dataDir, at, store ? { store } : {}, at === 0 ? undefined : 'api'))
  }
  const tokenFile = join(dataDir, 'admin.token')
  if (!(await until(clock, () => existsSync(tokenFile), { withinMs: 30_000 }))) throw new Error('the service wrote no token')
  const uncaps = cores === undefined ? [] : services.map(({ pid }) => cap(pid, cores))
  const pids = () => [...services.map(({ pid }) => pid), ...(mongo?.pids ?? [])]
  return {
    conn: { servers: services.map(({ server }) => server), token: readFileSync(tokenFile, 'utf8').trim() },
    pids,
    async stop() {
      if (mongo) reportCpu(services, mongo)
      await Promise.all(services.map((service) => service.stop()))
      for (const uncap of uncaps) uncap()
      await mongo?.stop()
    },
  }
}

/** Who used the two cores, of a run over several processes. */
function reportCpu(services, mongo) {
  const ms = (pids) => pids.reduce((sum, pid) => sum + cpuMsOf(pid), 0)
  console.error(`cpu_ms: services=${ms(services.map(({ pid }) => pid))} mongod=${ms(mongo.pids)}`)
}

function cpuMsOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function bearer(token) {
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${token}`)
  return metadata
}

/** Each its own connection, as the other adapters have it. */
const own = { 'grpc.use_local_subchannel_pool': 1 }

function specOf(id) {
  const requirements = { cores: { min: 1, max: 1 }, memoryBytes: 64 * 1024 ** 2, diskBytes: 1024 ** 2, wallMs: 60_000 }
  return { name: String(id), executable: '/bin/true', arguments: [body], requirements }
}

async function producer({ servers, token }) {
  const clients = Array.from(
    { length: 4 },
    (_, at) => new JobServiceClient(servers[at % servers.length], credentials.createInsecure(), own),
  )
  const metadata = bearer(token)
  const run = `${process.pid}-${clock.nowMs()}`
  const call = (client, ids) =>
    new Promise((resolve, reject) => {
      // As the client library does it: every submission carries a key.
      const request = SubmitJobsRequest.fromPartial({ jobs: ids.map(specOf), idempotencyKey: `${run}-${ids[0]}` })
      client.submitJobs(request, metadata, (error, answer) => (error ? reject(error) : resolve(answer)))
    })
  return {
    submit: (i) => call(clients[i % 4], [i]),
    bulk: (ids) => call(clients[Math.floor(ids[0] / ids.length) % servers.length], ids),
    close: async () => {
      for (const client of clients) client.close()
    },
  }
}

async function activate(at, which) {
  const client = new VmServiceClient(at, credentials.createInsecure(), own)
  const nonce = `bench-nonce-of-vm-${which}`
  const request = ActivateRequest.fromPartial({ vmId: vmId(which), activationKey: keyOf(which), nonce })
  const { credential } = await new Promise((resolve, reject) =>
    client.activate(request, (error, answer) => (error ? reject(error) : resolve(answer))),
  )
  return { client, metadata: bearer(credential) }
}

/** One VM's pilot: everything of a turn in one message, as the real one. */
function pilot({ client, metadata }, slots, onJob, done) {
  const stream = client.session(metadata)
  /** Held attempts: what each is called by, and the bench's number of its job. */
  const held = new Map()
  const reporting = new Map()
  let reports = []
  let received = 0
  let nextReport = 1
  let offering = false
  let due = false
  let closed = false
  let renewal

  function flush() {
    due = false
    if (closed) return
    const free = slots - held.size
    const offer = offering
      ? { cores: free, memoryBytes: free * gib, diskBytes: free * gib, remainingMs: 0, maxJobs: free, received }
      : undefined
    stream.write(PilotMessage.fromPartial({ reports, offer }))
    reports = []
  }

  function later() {
    if (due) return
    due = true
    clock.soon(flush)
  }

  async function run({ jobId, attempt, spec }) {
    const startedMs = clock.nowMs()
    const number = Number(spec.name)
    held.set(jobId, attempt)
    await onJob(number)
    const endedMs = clock.nowMs()
    const result = { end: 'exited', startedMs, endedMs, wallMs: endedMs - startedMs }
    reporting.set(nextReport, number)
    reports.push({ jobId, attempt, reportId: nextReport, phase: 'ended', startedMs, result })
    nextReport += 1
    held.delete(jobId)
    later()
  }

  function renew() {
    const refs = [...held].map(([jobId, attempt]) => ({ jobId, attempt }))
    stream.write(PilotMessage.fromPartial({ renew: refs }))
    renewal = clock.after(20_000, renew)
  }

  stream.on('data', ({ acks, assignments }) => {
    for (const { reportId } of acks) {
      done(reporting.get(reportId))
      reporting.delete(reportId)
    }
    received += assignments.length
    for (const assignment of assignments) run(assignment)
    if (assignments.length > 0) later()
  })
  stream.on('error', (error) => {
    if (!closed) console.error('pilotage pilot:', error.message)
  })
  stream.write(PilotMessage.fromPartial({ hello: { pilotVersion: 'bench' } }))
  return {
    go() {
      offering = true
      renewal = clock.after(20_000, renew)
      later()
    },
    close() {
      closed = true
      renewal?.cancel()
      stream.end()
      client.close()
    },
  }
}

/** `logical` slots of this process, spread over its share of the VMs. */
async function workers({ servers }, logical, onJob, done, { index, workers: all }) {
  const processes = all === 1 ? 1 : 2
  const share = Math.min(Math.max(1, Math.floor(vms / processes)), logical)
  const pilots = []
  for (let k = 0; k < share; k += 1) {
    const slots = Math.floor(logical / share) + (k < logical % share ? 1 : 0)
    const which = index * share + k
    pilots.push(pilot(await activate(servers[which % servers.length], which), slots, onJob, done))
  }
  return {
    go: async () => {
      for (const one of pilots) one.go()
    },
    close: async () => {
      for (const one of pilots) one.close()
    },
  }
}

export default { variants, start, producer, workers }
