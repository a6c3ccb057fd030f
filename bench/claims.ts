/**
 * What contention costs a claim: several processes claim jobs of one task queue from one MongoDB replica set of three, each
 * through the matcher's own index, in its own seat. Counted, not timed: how many rounds to the store a VM with room needs
 * until it gets a job. One round is the claim itself; what is beyond was lost to another process.
 *
 * `node bench/claims.ts [PROCESSES...]`; with `--worker` it is one of the processes.
 */

import { openLedger } from '../core/share/ledger.ts'
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep, systemClock } from '../core/kernel/clock.ts'
import type { VmId } from '../core/kernel/ids.ts'
import type { JobEvent } from '../core/model/job-event.ts'
import { silentLog } from '../core/ports/log.ts'
import type { Store } from '../core/ports/store.ts'
import { placeOf, roomOf } from '../core/model/vm-place.ts'
import { openKeptMongoStore } from '../services/run/mongo-upkeep.ts'
import { type Picked, type WaitingIndex, waitingIndex } from '../services/matcher/waiting-index.ts'
import { findPeers, neededPeer } from '../test/peers/find-peers.ts'
import { openMongo } from '../test/peers/mongo-servers.ts'
import { activeVm, alice, sampleResult, sampleSpec, sampleSubmission } from '../sim/samples.ts'

type Order = {
  readonly url: string
  readonly database: string
  readonly rank: number
  readonly of: number
  readonly vms: number
}
/** Rounds until a job was given, and how long that took. */
type Report = { readonly rounds: readonly number[]; readonly ms: readonly number[]; readonly jobs: number }

const clock = systemClock()
const jobs = 20_000
const vmsInAll = 64
const slots = 8

const open = async ({ url, database }: Pick<Order, 'url' | 'database'>, holder: string): Promise<Store> =>
  (await openKeptMongoStore({ url, database, clock, log: silentLog(), holder })).store

async function work(order: Order): Promise<Report> {
  const store = await open(order, `claims-${order.rank}`)
  const index = waitingIndex({
    readNext: (classId, limit) => store.next(classId, limit),
    onError: (error) => {
      throw error
    },
    ledger: openLedger(clock.nowMs()),
    part: () => ({ rank: order.rank, of: order.of }),
  })
  index.learn(await store.queues())
  const reports: { rounds: number; ms: number; jobs: number }[] = []
  const vms = Array.from({ length: order.vms }, (_, at) => activeVm(`p${order.rank}v${at}`))
  for (const vm of vms) await store.intend(vm, clock.nowMs())
  await Promise.all(vms.map((vm) => pull(store, index, vm.id, reports)))
  await store.close()
  return {
    rounds: reports.map(({ rounds }) => rounds),
    ms: reports.map(({ ms }) => ms),
    jobs: reports.reduce((sum, one) => sum + one.jobs, 0),
  }
}

/** A VM that runs its jobs in no time, until there is nothing left. */
async function pull(store: Store, index: WaitingIndex, vmId: VmId, reports: { rounds: number; ms: number; jobs: number }[]) {
  const vm = activeVm('shape')
  const room = { ...roomOf(vm, 1_000_000), cores: slots }
  for (;;) {
    const beganMs = clock.monotonicMs()
    let rounds = 0
    let got: { readonly jobId: number; readonly attempt: number }[] = []
    while (got.length === 0) {
      const picks: Picked[] = []
      while (picks.length < slots) {
        const pick = index.take(placeOf(vm), room)
        if (!pick) break
        picks.push(pick)
      }
      if (picks.length === 0) {
        const queues = await store.queues()
        if (queues.length === 0) return
        index.learn(queues)
        await sleep(clock, 5)
        continue
      }
      rounds += 1
      const untilMs = clock.nowMs() + 600_000
      const claims = picks.map(({ job }): JobEvent => ({ kind: 'claim', jobId: job.id, vmId, cores: 1, untilMs }))
      const outcomes = await store.change(claims, clock.nowMs())
      outcomes.forEach((one, at) => {
        const pick = picks[at]
        if (!one.ok && pick) index.missed(pick.queue)
      })
      got = outcomes.flatMap((one) => (one.ok ? [{ jobId: one.job.id, attempt: one.job.attempt }] : []))
    }
    reports.push({ rounds, ms: clock.monotonicMs() - beganMs, jobs: got.length })
    const ends = got.map((ref) => ({ kind: 'ended', ...ref, vmId, result: sampleResult() }) as JobEvent)
    await store.change(ends, clock.nowMs())
  }
}

async function pass(url: string, database: string, processes: number): Promise<void> {
  const store = await open({ url, database }, 'claims')
  for (let at = 0; at < jobs; at += 100) {
    await store.submit(
      sampleSubmission(
        Array.from({ length: 100 }, () => sampleSpec()),
        alice,
      ),
      clock.nowMs(),
    )
  }
  await store.close()
  const beganMs = clock.monotonicMs()
  const reports = await Promise.all(
    Array.from({ length: processes }, (_, rank) =>
      inProcess({ url, database, rank, of: processes, vms: vmsInAll / processes }),
    ),
  )
  const seconds = (clock.monotonicMs() - beganMs) / 1000
  const rounds = reports.flatMap((report) => report.rounds).sort((a, b) => a - b)
  const ms = reports.flatMap((report) => report.ms).sort((a, b) => a - b)
  const at = (values: readonly number[], share: number): number => values[Math.ceil(values.length * share) - 1] ?? Number.NaN
  const given = reports.reduce((sum, report) => sum + report.jobs, 0)
  console.log(
    `claims: processes=${processes} given=${given} rounds_p50=${at(rounds, 0.5)} rounds_p95=${at(rounds, 0.95)} ` +
      `rounds_p99=${at(rounds, 0.99)} most=${rounds.at(-1)} ms_p50=${at(ms, 0.5).toFixed(0)} ms_p95=${at(ms, 0.95).toFixed(0)} ` +
      `seconds=${seconds.toFixed(1)}`,
  )
}

function inProcess(order: Order): Promise<Report> {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, ['--worker', JSON.stringify(order)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    child.on('message', (report) => resolve(report as Report))
    child.on('exit', (code) => (code === 0 ? undefined : reject(new Error(`a worker ended with ${code}`))))
  })
}

if (process.argv[2] === '--worker') {
  const report = await work(JSON.parse(process.argv[3] ?? '{}') as Order)
  process.send?.(report)
  process.disconnect()
} else {
  const place = neededPeer(findPeers(process.env), 'mongod')
  const dir = mkdtempSync(join(tmpdir(), 'pilotage-claims-'))
  const mongo = await openMongo({ clock, place, dir, members: 3 })
  const counts = process.argv.slice(2).map(Number)
  for (const processes of counts.length > 0 ? counts : [1, 2, 4]) await pass(mongo.url, mongo.newDatabase(), processes)
  await mongo.stop()
  rmSync(dir, { recursive: true })
}
