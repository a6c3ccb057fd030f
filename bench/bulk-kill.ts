/**
 * A kill of 50 000 waiting jobs by a filter, in one call, while another user submits jobs that a pilot starts: how long the
 * kill takes, and the time from a submission to its start beside it and before:
 * `node bench/bulk-kill.ts [JOBS] [sqlite|mongo]`.
 *
 * The gRPC edge, the matcher and the store on disk, as one process serves them; the pilot is a stream of the same
 * edge that ends each job at once.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectPilotage, type PilotageClient } from '../client/pilotage-client.ts'
import { newJob } from '../client/new-job.ts'
import { sleep, systemClock } from '../core/kernel/clock.ts'
import type { JobId, VmId } from '../core/kernel/ids.ts'
import type { Offer, ServiceMessage } from '../core/model/pilot.ts'
import { noAmounts } from '../core/model/resources.ts'
import type { Store } from '../core/ports/store.ts'
import type { Matching } from '../services/matcher/matching.ts'
import { openPilotStream } from '../services/matcher/pilot-stream.ts'
import { activeVm, alice, sampleResult } from '../sim/samples.ts'
import { startApiInParts } from '../test/support/api-in-parts.ts'
import { loadText, openBenchStore, storeKindOf } from './bench-store.ts'

const jobs = Number(process.argv[2] ?? 50_000)
const kind = storeKindOf(process.argv[3] ?? 'sqlite')
const paceMs = 20
const beforeMs = 5000
const clock = systemClock()
const mib = 1024 * 1024

const fields = { executable: '/bin/true', arguments: [], cores: 1, diskBytes: 64 * mib, wallMs: 60_000 }
/** What the pilot does not take: more memory than its VM has. */
const waiting = { ...newJob({ ...fields, name: 'waits', memoryBytes: 1024 * 1024 * mib }), jobGroup: 'bulk' }
const quick = newJob({ ...fields, name: 'quick', memoryBytes: 64 * mib })

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}

const textOf = (times: readonly number[]): string =>
  `p50 ${quantile(times, 0.5).toFixed(1)} ms, p95 ${quantile(times, 0.95).toFixed(1)} ms, max ${Math.max(...times).toFixed(1)} ms (${times.length})`

type Pilot = { stop(): Promise<void> }

/** A VM's stream, without the network: it takes what fits, and ends each job as soon as it has it. */
async function openPilot(matching: Matching, vmId: VmId, onStart: (jobId: JobId) => void): Promise<Pilot> {
  let received = 0
  let reportId = 0
  const room = { cores: 64, ...noAmounts, memoryBytes: 2 ** 40, diskBytes: 2 ** 40, remainingMs: Infinity }
  const offer = (): Offer => ({ ...room, maxJobs: 64, received })
  const heard = ({ assignments }: ServiceMessage): void => {
    if (assignments.length === 0) return
    received += assignments.length
    const reports = assignments.map(({ jobId, attempt }) => {
      onStart(jobId)
      reportId += 1
      return { jobId, attempt, reportId, startedMs: clock.nowMs(), phase: 'ended', result: sampleResult() } as const
    })
    void stream.receive({ reports, renew: [], offer: offer() })
  }
  const stream = await openPilotStream(matching, vmId, { send: heard, end: () => {} })
  await stream.receive({ hello: { version: 'bench', held: [] }, reports: [], renew: [], offer: offer() })
  return { stop: async () => stream.close() }
}

async function run(store: Store): Promise<void> {
  const api = await startApiInParts({ store, clock })
  const connect = async (owner: typeof alice): Promise<PilotageClient> => {
    const token = await api.tokenFor({ kind: 'user', owner, roles: ['user'] })
    return connectPilotage({ server: api.server, token })
  }
  const [killer, submitter] = [await connect(alice), await connect({ ...alice, owner: 'carol' })]
  const vm = activeVm('bench', { endByMs: clock.nowMs() + 10 ** 9, cores: 64 })
  await store.intend(vm, clock.nowMs())

  const submittedMs = new Map<number, number>()
  const startedMs: { readonly jobId: number; readonly atMs: number }[] = []
  const pilot = await openPilot(api.matching, vm.id, (jobId) => startedMs.push({ jobId, atMs: clock.monotonicMs() }))
  await killer.submit(Array.from({ length: jobs }, () => waiting))

  let isOver = false
  async function submitAtPace(): Promise<void> {
    while (!isOver) {
      const beganMs = clock.monotonicMs()
      const [id] = (await submitter.submit([quick])).jobIds
      if (id !== undefined) submittedMs.set(id, beganMs)
      await sleep(clock, paceMs)
    }
  }
  const submitting = submitAtPace()
  await sleep(clock, beforeMs)
  const beganMs = clock.monotonicMs()
  let killed = 0
  for await (const part of killer.steerMany('kill', { filter: { jobGroup: 'bulk', states: ['Waiting'] } })) {
    killed += part.jobs.filter(({ changed }) => changed).length
  }
  const endedMs = clock.monotonicMs()
  isOver = true
  await submitting
  await sleep(clock, 1000)
  const times = (fromMs: number, toMs: number) =>
    startedMs.flatMap(({ jobId, atMs }) => {
      const since = submittedMs.get(jobId)
      return since !== undefined && since >= fromMs && since < toMs ? [atMs - since] : []
    })
  const tookMs = endedMs - beganMs
  console.log(
    `killed ${killed} of ${jobs} in ${(tookMs / 1000).toFixed(2)} s: ${Math.round((killed * 1000) / tookMs)} per second`,
  )
  console.log(`submit to start before it: ${textOf(times(0, beganMs))}`)
  console.log(`submit to start beside it: ${textOf(times(beganMs, endedMs))}`)
  console.log(`${kind}, load ${loadText()}`)
  await pilot.stop()
  killer.close()
  submitter.close()
  await api.stop()
}

const dir = mkdtempSync(join(tmpdir(), 'pilotage-bulk-'))
try {
  const { store, stop } = await openBenchStore(kind, { dir, clock, environment: process.env })
  await run(store).finally(stop)
} finally {
  rmSync(dir, { recursive: true, force: true })
}
