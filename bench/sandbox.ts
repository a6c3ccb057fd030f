/**
 * What transfers of files cost the start of jobs: VMs fetch input files and put output files while jobs are submitted and
 * matched at a steady rate; the time from submission to assignment with transfers and without.
 *
 * `node bench/sandbox.ts [VMS] [MIB]`; 100 and 1024 without: MiB in all, half of it down and half up. The service is a
 * process of its own over the embedded store and a disk; the VMs and the user are in this one. With `--service` it is the
 * service.
 */

import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openUplink, type Uplink } from '../agents/kit/uplink.ts'
import { connectPilotage, type PilotageClient } from '../client/pilotage-client.ts'
import { sleep, systemClock, until } from '../core/kernel/clock.ts'
import type { AttemptRef, VmId } from '../core/kernel/ids.ts'
import { outputChunkBytes } from '../core/kernel/limits.ts'
import { systemRandom } from '../core/kernel/random.ts'
import type { Assignment, PilotMessage, ServiceMessage } from '../core/model/pilot.ts'
import { noAmounts } from '../core/model/resources.ts'
import { JobSpec } from '../proto/gen/pilotage/v1/job.ts'
import { fileBlobs } from '../services/adapters/sandbox/files/file-blobs.ts'
import { openSqliteStore } from '../services/adapters/store/sqlite/sqlite-store.ts'
import { activeVm, alice, sampleResult } from '../sim/samples.ts'
import { startApiInParts } from '../test/support/api-in-parts.ts'

type Place = { readonly server: string; readonly user: string; readonly vms: readonly (readonly [VmId, string])[] }

const clock = systemClock()
const mib = 1024 * 1024
const gib = 1024 * mib
const jobsPerSecond = 100
const batch = 10
const quietMs = 20_000
/** A carrier takes all but one core of its VM: one per VM. */
const carrierCores = 7

async function serve(dir: string, vms: number): Promise<void> {
  const store = await openSqliteStore(join(dir, 'bench.db'), clock)
  const api = await startApiInParts({ store, clock, blobs: fileBlobs(join(dir, 'files')) })
  const ids = Array.from({ length: vms }, (_, at) => `b${String(at).padStart(9, '0')}`)
  const places: [VmId, string][] = []
  for (const id of ids) {
    const vm = activeVm(id, { endByMs: clock.nowMs() + 3_600_000 })
    await store.intend(vm, clock.nowMs())
    places.push([vm.id, await api.tokenFor({ kind: 'vm', vmId: vm.id })])
  }
  const user = await api.tokenFor({ kind: 'user', owner: alice, roles: ['user'] })
  process.send?.({ server: api.server, user, vms: places } satisfies Place)
}

type Bench = {
  readonly client: PilotageClient
  readonly submittedMs: Map<string, number>
  readonly waits: { readonly atMs: number; readonly ms: number }[]
}

type BenchVm = {
  readonly carrier: () => AttemptRef | undefined
  /** Once more: a claim may have been refused. */
  offer(): void
  move(data: Buffer, path: string): Promise<void>
  close(): void
}

/** A pilot that ends what it gets at once, but for its carrier. */
function benchVm({ submittedMs, waits }: Bench, server: string, credential: string): BenchVm {
  let carrier: AttemptRef | undefined
  let [received, reportId] = [0, 0]
  const uplink: Uplink = openUplink({ clock, endpoint: server, credential })

  /** What is to be ended at once. */
  function isQuick({ jobId, attempt, spec }: Assignment): boolean {
    const submitted = submittedMs.get(spec.name)
    if (submitted === undefined) carrier = { jobId, attempt }
    else waits.push({ atMs: submitted, ms: clock.monotonicMs() - submitted })
    return submitted !== undefined
  }

  const offer = (reports: PilotMessage['reports'] = []): void => {
    const room = { ...noAmounts, cores: carrier ? 8 - carrierCores : 8, memoryBytes: 7 * gib, diskBytes: 6 * gib }
    const free = { ...room, remainingMs: Number.POSITIVE_INFINITY, maxJobs: 8, received }
    session.send({ reports, renew: [], offer: free })
  }

  function hear({ welcome, assignments }: ServiceMessage): void {
    if (!welcome && assignments.length === 0) return
    received += assignments.length
    const reports = assignments.filter(isQuick).map(({ jobId, attempt }) => {
      reportId += 1
      return { jobId, attempt, reportId, startedMs: clock.nowMs(), phase: 'ended' as const, result: sampleResult() }
    })
    offer(reports)
  }

  const session = uplink.session({ onMessage: hear, onEnd: () => undefined })
  session.send({ hello: { version: 'bench', held: [] }, reports: [], renew: [] })
  return {
    carrier: () => carrier,
    offer,
    /** Down and up, as a pilot does. */
    async move(data, path) {
      const { signal } = new AbortController()
      if (!carrier) throw new Error('a VM got no carrier')
      let bytes = 0
      for await (const piece of uplink.fetchInput(carrier, 'input', signal)) bytes += piece.length
      if (bytes !== data.length) throw new Error(`${bytes} bytes came`)
      // Content of its own, so that each is stored.
      data.write(path)
      const digest = createHash('sha256').update(data).digest('hex')
      const file = { path, digest, bytes: data.length, executable: false }
      await uplink.putOutputFile(carrier, file, pieces(data), signal)
    },
    close() {
      session.close()
      uplink.close()
    },
  }
}

async function* pieces(data: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += outputChunkBytes) yield data.subarray(at, at + outputChunkBytes)
}

const requirements = (cores: number) => ({
  cores: { min: cores, max: cores },
  memoryBytes: 16 * mib,
  diskBytes: gib,
  wallMs: 60_000,
})

/** Submits at the rate until it is stopped. */
async function submitSteadily({ client, submittedMs }: Bench, stop: AbortSignal): Promise<void> {
  let nextMs = clock.monotonicMs()
  const under: Promise<unknown>[] = []
  for (let at = 0; !stop.aborted; at += 1) {
    const names = Array.from({ length: batch }, (_, one) => `quick-${at}-${one}`)
    for (const name of names) submittedMs.set(name, clock.monotonicMs())
    under.push(
      client.submit(names.map((name) => JobSpec.fromPartial({ name, executable: 'true', requirements: requirements(1) }))),
    )
    nextMs += (1000 * batch) / jobsPerSecond
    await sleep(clock, Math.max(0, nextMs - clock.monotonicMs()))
  }
  await Promise.all(under)
}

function figures(waits: readonly number[]): string {
  const sorted = waits.toSorted((a, b) => a - b)
  const at = (share: number): string => (sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN).toFixed(1)
  return `jobs=${sorted.length} p50_ms=${at(0.5)} p95_ms=${at(0.95)} p99_ms=${at(0.99)} max_ms=${at(1)}`
}

async function measure({ server, user, vms: places }: Place, mibInAll: number): Promise<boolean> {
  const client = connectPilotage({ server, token: user })
  const bench: Bench = { client, submittedMs: new Map(), waits: [] }
  const fileBytes = Math.floor((mibInAll * mib) / (2 * places.length))
  const data = Buffer.alloc(fileBytes, systemRandom().letters(997))
  const digest = createHash('sha256').update(data).digest('hex')
  await client.putFile({ digest, bytes: fileBytes }, () => pieces(data))
  const inputFiles = [{ path: 'input', digest, bytes: fileBytes, executable: false }]
  const carrier = JobSpec.fromPartial({
    name: 'carrier',
    executable: 'true',
    requirements: requirements(carrierCores),
    inputFiles,
  })
  await client.submit(places.map(() => carrier))
  const vms = places.map(([, credential]) => benchVm(bench, server, credential))
  const isReady = await until(
    clock,
    () => {
      const without = vms.filter((vm) => !vm.carrier())
      for (const vm of without) vm.offer()
      return without.length === 0
    },
    { withinMs: 30_000, everyMs: 1000 },
  )
  if (!isReady) throw new Error('not every VM has its carrier')
  const stop = new AbortController()
  const submitting = submitSteadily(bench, stop.signal)
  await sleep(clock, 3000)
  const fromMs = clock.monotonicMs()
  await sleep(clock, quietMs)
  const movingMs = clock.monotonicMs()
  await Promise.all(vms.map((vm, at) => vm.move(Buffer.from(data), `out-${at}`)))
  const endMs = clock.monotonicMs()
  stop.abort()
  await submitting
  await sleep(clock, 2000)
  const between = (begin: number, end: number) =>
    bench.waits.filter(({ atMs }) => atMs >= begin && atMs < end).map(({ ms }) => ms)
  const p95 = (waits: readonly number[]) => waits.toSorted((a, b) => a - b)[Math.ceil(waits.length * 0.95) - 1] ?? Number.NaN
  const [quiet, moving] = [between(fromMs, movingMs), between(movingMs, endMs)]
  const seconds = (endMs - movingMs) / 1000
  console.log(`sandbox: without transfers ${figures(quiet)}`)
  console.log(`sandbox: with transfers    ${figures(moving)}`)
  const ratio = p95(moving) / p95(quiet)
  console.log(
    `sandbox: vms=${vms.length} mib=${mibInAll} seconds=${seconds.toFixed(1)} mib_per_s=${(mibInAll / seconds).toFixed(1)} ` +
      `p95_ratio=${ratio.toFixed(2)} bound=2.00 result=${ratio <= 2 ? 'ok' : 'FAILED'}`,
  )
  for (const vm of vms) vm.close()
  client.close()
  return ratio <= 2
}

if (process.argv[2] === '--service') {
  await serve(process.argv[3] ?? '', Number(process.argv[4]))
} else {
  const [vms = 100, mibInAll = 1024] = process.argv.slice(2).map(Number)
  const dir = mkdtempSync(join(tmpdir(), 'pilotage-bench-sandbox-'))
  const child = fork(import.meta.filename, ['--service', dir, String(vms)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  try {
    const place = await new Promise<Place>((resolve, reject) => {
      child.on('message', (message) => resolve(message as Place))
      child.on('exit', (code) => reject(new Error(`the service ended with ${code}`)))
    })
    if (!(await measure(place, mibInAll))) throw new Error('starts wait more than twice as long while files move')
  } finally {
    child.kill()
    rmSync(dir, { recursive: true, force: true })
  }
}
