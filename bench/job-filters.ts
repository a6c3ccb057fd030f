/**
 * Lists and counts of many jobs by filters, on either store:
 * `node bench/job-filters.ts sqlite|mongo [JOBS] [--single] [--runs=N]`. Fills a store with jobs in every state, of several
 * owners, job groups, names, sites and times, and reads a page of 100 for each combination of filters below, in each order.
 * Prints the p50 and p95 per combination, and over all pages, of each run.
 *
 * `--single`: each job is a submission of its own kind, so that on MongoDB every page has one job: the worst shape there.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../core/kernel/clock.ts'
import type { JobId } from '../core/kernel/ids.ts'
import type { JobEvent } from '../core/model/job-event.ts'
import type { JobFilter, JobOrder } from '../core/model/job-filter.ts'
import type { Owner } from '../core/model/owner.ts'
import type { Store } from '../core/ports/store.ts'
import { activeVm, sampleResult, sampleSpec, sampleSubmission } from '../sim/samples.ts'
import { loadText, openBenchStore, storeKindOf } from './bench-store.ts'

const [kindWord = 'sqlite', count = '1000000'] = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const runs = Number(process.argv.find((word) => word.startsWith('--runs='))?.slice('--runs='.length) ?? 1)
const kind = storeKindOf(kindWord)
const isSingle = process.argv.includes('--single')
const jobs = Number(count)
const perSubmission = 10_000
const pagesPerQuery = 7
const clock = systemClock()
const baseMs = clock.nowMs() - jobs

const owners: readonly Owner[] = Array.from({ length: 20 }, (_, at) => {
  return { vo: at % 4 === 0 ? 'belle' : 'lhcb', group: at % 3 === 0 ? 'prod' : 'user', owner: `owner${at}` }
})
const vms = Array.from({ length: 10 }, (_, at) =>
  activeVm(`bench${at}`, {
    site: `site${at % 5}`,
    cloud: `cloud${at}`,
    cores: 1_000_000,
    memoryBytes: 2 ** 52,
    diskBytes: 2 ** 52,
  }),
)

/** One submission: the jobs of one owner, in groups of a hundred, with some rare ones. */
function specsOf(round: number, size: number) {
  return Array.from({ length: size }, (_, at) => {
    const number = round * size + at
    return sampleSpec({
      name: number % 50_000 === 777 ? 'rare' : `step${number % 7}`,
      jobGroup: isSingle ? `g${number % 5000}` : `g${Math.floor(number / 1000)}`,
      jobType: number % 20_000 < 10_000 ? 'MCSimulation' : '',
      priority: isSingle ? number % 2 : 0,
    })
  })
}

/** A fifth runs, a third has ended, few are held or killed: as many changes as there are jobs, nearly. */
function changesOf(id: JobId, nowMs: number): readonly JobEvent[] {
  const vm = vms[id % vms.length]
  if (!vm || id % 10 > 5) return id % 1000 === 7 ? [{ kind: 'hold', jobId: id, by: 'bench', why: '' }] : []
  const vmId = vm.id
  const claimed: JobEvent = { kind: 'claim', jobId: id, vmId, cores: 1, untilMs: nowMs + 10 ** 9 }
  if (id % 10 === 5) return [claimed]
  if (id % 1000 === 4) return [{ kind: 'kill', jobId: id, by: 'bench', why: '' }]
  if (id % 10 > 3) return [claimed, { kind: 'running', jobId: id, attempt: 1, vmId, startedMs: nowMs }]
  // As different as real ones: equal numbers would be packed to nothing.
  const [cpuMs, peakMemoryBytes] = [(id * 7919) % 35_999_993, (id * 104_729) % 2_147_483_647]
  const wallMs = cpuMs + ((id * 31) % 997)
  const times = { cpuMs, wallMs, startedMs: nowMs - wallMs, endedMs: nowMs }
  const result = sampleResult({ exitCode: id % 97 === 0 ? 1 : 0, peakMemoryBytes, ...times, stdoutBytes: id % 4099 })
  return [claimed, { kind: 'ended', jobId: id, attempt: 1, vmId, result }]
}

async function fill(store: Store): Promise<void> {
  for (const vm of vms) await store.intend(vm, baseMs)
  const size = Math.min(perSubmission, jobs)
  for (let round = 0; round * size < jobs; round += 1) {
    const owner = owners[round % owners.length]
    if (!owner) continue
    const atMs = baseMs + round * size
    const answer = await store.submit(sampleSubmission(specsOf(round, size), owner), atMs)
    if (!answer.ok) throw new Error(answer.why)
    for (let at = 0; at < size; at += 1000) {
      const events = Array.from({ length: 1000 }, (_, more) => (answer.firstId + at + more) as JobId)
      // In another order than they came: the oldest jobs are not those that changed first.
      const changedMs = baseMs + jobs + ((round * 7919) % 1000) * 60 + at
      const steps = events.map((id) => changesOf(id, changedMs))
      for (const step of [0, 1]) {
        const some = steps.flatMap((each) => each[step] ?? [])
        if (some.length > 0) await store.change(some, changedMs + step)
      }
    }
  }
}

const middle = { submittedFromMs: baseMs + Math.floor(jobs * 0.4), submittedToMs: baseMs + Math.floor(jobs * 0.6) }
const lhcb: JobFilter = { vo: 'lhcb' }

/** By what they select; those that find few or nothing have to look at everything. */
const filters: Readonly<Record<string, JobFilter>> = {
  'no filter': {},
  'one VO': lhcb,
  waiting: { ...lhcb, states: ['Waiting'] },
  'held (rare)': { ...lhcb, states: ['Held'] },
  'killed (rare), one owner': { vo: 'lhcb', owner: 'owner1', states: ['Killed'] },
  'no such state': { ...lhcb, states: ['Completing'] },
  'one owner': { vo: 'lhcb', group: 'user', owner: 'owner1' },
  'one job group': { ...lhcb, jobGroup: 'g11' },
  'no such job group': { ...lhcb, jobGroup: 'g999999' },
  'job type': { ...lhcb, jobType: 'MCSimulation' },
  name: { ...lhcb, name: 'step3' },
  'rare name': { name: 'rare' },
  'rare name, done': { name: 'rare', states: ['Done'] },
  'name and no such state': { ...lhcb, name: 'step3', states: ['Completing'] },
  site: { ...lhcb, site: 'site3' },
  'site and failed': { ...lhcb, site: 'site3', states: ['Failed'] },
  'site and a cloud of another': { ...lhcb, site: 'site3', cloud: 'cloud4' },
  'cloud, running, name': { ...lhcb, cloud: 'cloud4', states: ['Running'], name: 'step3' },
  'submitted in the middle': { ...lhcb, ...middle },
  'submitted in the middle, failed': { ...lhcb, ...middle, states: ['Failed'] },
  'changed lately': { ...lhcb, changedFromMs: baseMs + jobs + 59_000 },
  'changed lately, killed, site': { ...lhcb, changedFromMs: baseMs + jobs + 59_000, states: ['Killed'], site: 'site3' },
  'all of it': { ...lhcb, ...middle, states: ['Done', 'Failed'], jobType: 'MCSimulation', name: 'step3', site: 'site1' },
}

const orders: readonly JobOrder[] = (['submission', 'change'] as const).flatMap((by) =>
  [true, false].map((isDescending) => ({ by, isDescending })),
)

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}

const msText = (ms: number): string => ms.toFixed(1).padStart(8)

async function measure(store: Store): Promise<void> {
  const all: number[] = []
  console.log(`${'filter'.padEnd(34)}  jobs     p50 ms   p95 ms   count ms`)
  for (const [name, filter] of Object.entries(filters)) {
    const times: number[] = []
    let found = 0
    for (const order of orders) {
      let after: Awaited<ReturnType<Store['list']>>[number] | undefined
      for (let page = 0; page < pagesPerQuery; page += 1) {
        const beganMs = clock.monotonicMs()
        const listed = await store.list({ ...filter, order, after, limit: 100 })
        times.push(clock.monotonicMs() - beganMs)
        found += listed.length
        after = listed.at(-1)
        if (listed.length < 100) after = undefined
      }
    }
    const beganMs = clock.monotonicMs()
    const { jobs: passing } = await store.countBy(filter, { by: ['state', 'site'], limit: 1000 })
    const countMs = clock.monotonicMs() - beganMs
    if (passing > 0 !== found > 0) throw new Error(`${name}: ${passing} jobs are counted, ${found} were listed`)
    all.push(...times)
    const [half, most] = [quantile(times, 0.5), quantile(times, 0.95)]
    console.log(`${name.padEnd(34)}  ${String(passing).padEnd(8)}${msText(half)} ${msText(most)} ${msText(countMs)}`)
  }
  const [half, most] = [quantile(all, 0.5), quantile(all, 0.95)]
  console.log(`${'all pages'.padEnd(34)}  ${String(all.length).padEnd(8)}${msText(half)} ${msText(most)}`)
}

const dir = mkdtempSync(join(tmpdir(), 'pilotage-filters-'))
try {
  const { store, stop } = await openBenchStore(kind, { dir, clock, environment: process.env })
  try {
    const beganMs = clock.monotonicMs()
    await fill(store)
    const seconds = ((clock.monotonicMs() - beganMs) / 1000).toFixed(0)
    const shape = isSingle ? ', each a page of its own' : ''
    console.log(`${kind}: ${jobs} jobs${shape}, filled in ${seconds} s, ${cpus().length} cores, load ${loadText()}`)
    for (let run = 0; run < runs; run += 1) {
      await measure(store)
      console.log(`load at the end ${loadText()}`)
    }
    await store.close()
  } finally {
    await stop()
  }
} finally {
  rmSync(dir, { recursive: true, force: true })
}
