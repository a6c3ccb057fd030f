/**
 * What transfers of files cost the start of jobs: VMs fetch input files and put output files while jobs are submitted and
 * matched at a steady rate; the time from submission to assignment with transfers and without.
 *
 * `node bench/sandbox.ts [VMS] [MIB]`; 100 and 1024 without: MiB in all, half of it down and half up. The service is a
 * process of its own over the embedded store and a disk. So are the machines that move the files, at the lowest priority:
 * theirs are other processors, and what they take is not what the service does. The user and the sessions of the VMs are in
 * this process. With `--service` and `--machines` it is one of the others.
 */

import { type ChildProcess, fork, type ForkOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openUplink } from '../agents/kit/uplink.ts'
import { connectPilotage, type PilotageClient } from '../client/pilotage-client.ts'
import { sleep, systemClock, until } from '../core/kernel/clock.ts'
import type { PilotageError } from '../core/kernel/errors.ts'
import type { AttemptRef } from '../core/kernel/ids.ts'
import { systemRandom } from '../core/kernel/random.ts'
import type { Assignment, PilotMessage, ServiceMessage } from '../core/model/pilot.ts'
import { noAmounts } from '../core/model/resources.ts'
import { JobSpec } from '../proto/gen/pilotage/v1/job.ts'
import { sampleResult } from '../sim/samples.ts'
import { digestOf, type Mark, type Moves, moveFiles, pieces, type Place, serve } from './sandbox-places.ts'

const clock = systemClock()
const mib = 1024 * 1024
const gib = 1024 * mib
const jobsPerSecond = 100
const batch = 10
/** Both are measured in turns, so that what else the machine does falls on both. */
const rounds = 4
const quietMs = 8000
const settleMs = 2000
/** A carrier takes all but one core of its VM: one per VM. */
const carrierCores = 7
const againMs = 200

type Bench = {
  readonly client: PilotageClient
  readonly submittedMs: Map<string, number>
  readonly waits: { readonly atMs: number; readonly ms: number }[]
}

type BenchVm = {
  readonly carrier: () => AttemptRef | undefined
  /** Once more: a claim may have been refused. */
  offer(): void
  close(): void
}

/** A pilot that ends what it gets at once, but for its carrier. */
function benchVm({ submittedMs, waits }: Bench, server: string, credential: string): BenchVm {
  let carrier: AttemptRef | undefined
  let [received, reportId] = [0, 0]
  const uplink = openUplink({ clock, endpoint: server, credential })

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

  /** Again when it was lost, as a pilot: the service checks 64 credentials of an address at one time, and refuses others. */
  function connect() {
    const opened = uplink.session({ onMessage: hear, onEnd: lost })
    const held = carrier ? [carrier] : []
    opened.send({ hello: { version: 'bench', held }, reports: [], renew: [] })
    return opened
  }

  function lost({ message }: PilotageError): void {
    if (isClosed) return
    console.log(`sandbox: a VM lost its session: ${message}`)
    clock.after(againMs, () => {
      received = 0
      if (!isClosed) session = connect()
    })
  }

  let isClosed = false
  let session = connect()
  return {
    carrier: () => carrier,
    offer,
    close() {
      isClosed = true
      session.close()
      uplink.close()
    },
  }
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

/** Answers a VM per place, each with its carrier; the service has the file that they fetch. */
async function carried(bench: Bench, { server, vms: places }: Place, fileBytes: number): Promise<readonly BenchVm[]> {
  const data = Buffer.alloc(fileBytes, systemRandom().letters(997))
  const digest = digestOf(data)
  await bench.client.putFile({ digest, bytes: fileBytes }, () => pieces(data))
  const inputFiles = [{ path: 'input', digest, bytes: fileBytes, executable: false }]
  const carrier = JobSpec.fromPartial({
    name: 'carrier',
    executable: 'true',
    requirements: requirements(carrierCores),
    inputFiles,
  })
  await bench.client.submit(places.map(() => carrier))
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
  return vms
}

/** In ms. */
function percentile(waits: readonly number[], share: number): number {
  const sorted = waits.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN
}

/** What was measured of one kind of phase, in all rounds. */
type Phase = { readonly waits: number[]; readonly marks: Mark[]; ms: number }

function figures({ waits, marks, ms }: Phase): string {
  const [p50, p95, p99, max] = [0.5, 0.95, 0.99, 1].map((share) => percentile(waits, share).toFixed(1))
  const mean = (of: (mark: Mark) => number): number => marks.reduce((sum, mark) => sum + of(mark), 0) / marks.length
  const late = [mean(({ lateP95Ms }) => lateP95Ms), mean(({ lateP99Ms }) => lateP99Ms)].map((one) => one.toFixed(1))
  const cpu = (mean(({ cpuSeconds }) => cpuSeconds) * marks.length * 1000) / ms
  return (
    `jobs=${waits.length} p50_ms=${p50} p95_ms=${p95} p99_ms=${p99} max_ms=${max} ` +
    `service: late_p95_ms=${late[0]} late_p99_ms=${late[1]} cpu=${cpu.toFixed(2)}`
  )
}

async function measure(service: ChildProcess, place: Place, mibInAll: number): Promise<boolean> {
  const client = connectPilotage({ server: place.server, token: place.user })
  const bench: Bench = { client, submittedMs: new Map(), waits: [] }
  const fileBytes = Math.floor((mibInAll * mib) / (2 * place.vms.length * rounds))
  const vms = await carried(bench, place, fileBytes)
  const stop = new AbortController()
  const submitting = submitSteadily(bench, stop.signal)
  // In a session of their own: the scheduler shares processors among sessions first, and would count theirs as ours.
  await using machines = child(['--machines'], { detached: true })
  const moves: Moves = {
    server: place.server,
    fileBytes,
    vms: vms.map((vm, at) => ({ credential: place.vms[at]?.[1] ?? '', carrier: vm.carrier() ?? never() })),
  }
  const [quiet, moving]: [Phase, Phase] = [
    { waits: [], marks: [], ms: 0 },
    { waits: [], marks: [], ms: 0 },
  ]
  await sleep(clock, 3000)
  for (let round = 0; round < rounds; round += 1) {
    await observed(bench, service, quiet, () => sleep(clock, quietMs))
    await observed(bench, service, moving, () => asked(machines.process, moves))
  }
  stop.abort()
  await submitting
  console.log(`sandbox: without transfers ${figures(quiet)}`)
  console.log(`sandbox: with transfers    ${figures(moving)}`)
  const ratio = percentile(moving.waits, 0.95) / percentile(quiet.waits, 0.95)
  const seconds = moving.ms / 1000
  console.log(
    `sandbox: vms=${vms.length} mib=${mibInAll} seconds=${seconds.toFixed(1)} mib_per_s=${(mibInAll / seconds).toFixed(1)} ` +
      `p95_ratio=${ratio.toFixed(2)} bound=2.00 result=${ratio <= 2 ? 'ok' : 'FAILED'}`,
  )
  for (const vm of vms) vm.close()
  client.close()
  return ratio <= 2
}

/** Of the jobs that are submitted while `work` goes on. */
async function observed(bench: Bench, service: ChildProcess, phase: Phase, work: () => Promise<unknown>): Promise<void> {
  await marked(service)
  const fromMs = clock.monotonicMs()
  await work()
  const endMs = clock.monotonicMs()
  phase.marks.push(await marked(service))
  phase.ms += endMs - fromMs
  // The last of them start.
  await sleep(clock, settleMs)
  for (const { atMs, ms } of bench.waits) if (atMs >= fromMs && atMs < endMs) phase.waits.push(ms)
  bench.waits.length = 0
}

function never(): never {
  throw new Error('a VM without a carrier')
}

type Child = { readonly process: ChildProcess } & AsyncDisposable

/** This program, in another role. */
function child(args: readonly string[], options: ForkOptions = {}): Child {
  const started = fork(import.meta.filename, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], ...options })
  return {
    process: started,
    async [Symbol.asyncDispose]() {
      if (started.exitCode !== null) return
      const ended = once(started, 'exit')
      started.kill()
      await ended
    },
  }
}

/** The next message of a process. */
function heard<Message>(from: ChildProcess): Promise<Message> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a process of the bench ended with ${code}`))
    from.once('exit', ended)
    from.once('message', (message) => {
      from.off('exit', ended)
      resolve(message as Message)
    })
  })
}

function asked<Answer>(whom: ChildProcess, message: object): Promise<Answer> {
  const answer = heard<Answer>(whom)
  whom.send(message)
  return answer
}

const marked = (service: ChildProcess): Promise<Mark> => asked(service, {})

async function main(vms = 100, mibInAll = 1024): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'pilotage-bench-sandbox-'))
  try {
    await using service = child(['--service', dir, String(vms)])
    const place = await heard<Place>(service.process)
    if (!(await measure(service.process, place, mibInAll)))
      throw new Error('starts wait more than twice as long while files move')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

if (process.argv[2] === '--service') await serve(process.argv[3] ?? '', Number(process.argv[4]))
else if (process.argv[2] === '--machines') await moveFiles()
else await main(...process.argv.slice(2).map(Number))
