/**
 * What dependencies cost: 10 000 jobs that wait for one, from its end to the last of them Waiting; and a graph as large as a
 * call may be (10 000 jobs, 100 000 dependencies), taken in. Beside both, how long another caller's submission of one job
 * takes, with and without.
 *
 * `node bench/dependencies.ts [MONGO_URL]`: over the embedded store in a folder of its own, or over MongoDB.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep, systemClock } from '../core/kernel/clock.ts'
import type { JobId } from '../core/kernel/ids.ts'
import type { JobSpec } from '../core/model/job.ts'
import { silentLog } from '../core/ports/log.ts'
import type { Store } from '../core/ports/store.ts'
import { openSqliteStore } from '../services/adapters/store/sqlite/sqlite-store.ts'
import { releaseDependants } from '../services/outcomes/dependants.ts'
import { openKeptMongoStore } from '../services/run/mongo-upkeep.ts'
import { bob, sampleSpec, sampleSubmission } from '../sim/samples.ts'

const clock = systemClock()
const many = 10_000
const edgesPerJob = 10
const url = process.argv[2]

async function submit(store: Store, specs: readonly JobSpec[], owner = bob): Promise<JobId> {
  const answer = await store.submit(sampleSubmission(specs, owner), clock.nowMs())
  if (!answer.ok) throw new Error(answer.why)
  return answer.firstId
}

/** Milliseconds that `work` takes, and of the submissions of others beside it the median and the longest. */
async function timed(store: Store, what: string, work: () => Promise<unknown>): Promise<void> {
  const others: number[] = []
  const beside = async (isOver: () => boolean): Promise<void> => {
    while (!isOver()) {
      const begin = clock.monotonicMs()
      await submit(store, [sampleSpec()])
      others.push(clock.monotonicMs() - begin)
      await sleep(clock, 2)
    }
  }
  let isOver = false
  const begin = clock.monotonicMs()
  const probing = beside(() => isOver)
  await work()
  const tookMs = clock.monotonicMs() - begin
  isOver = true
  await probing
  const sorted = others.toSorted((a, b) => a - b)
  const [median = 0, longest = 0] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
  const beside1 = `others: ${others.length}, median ${median.toFixed(1)} ms, longest ${longest.toFixed(1)} ms`
  console.log(`${what}: ${tookMs.toFixed(0)} ms; ${beside1}`)
}

async function run(store: Store): Promise<void> {
  await timed(store, 'nothing for 2 s', () => sleep(clock, 2000))
  const target = await submit(store, [sampleSpec()])
  const waiting = Array.from({ length: many }, () => sampleSpec({ after: [{ job: target, when: 'ended' }] }))
  await timed(store, `${many} jobs without dependencies taken in`, () =>
    submit(
      store,
      Array.from({ length: many }, () => sampleSpec()),
    ),
  )
  await timed(store, `${many} dependants of one job taken in`, () => submit(store, waiting))
  let released = 0
  const outcomes = {
    async changed(all: readonly { readonly ok: boolean }[]) {
      released += all.filter(({ ok }) => ok).length
    },
  }
  await timed(store, `${many} dependants released`, async () => {
    await store.change([{ kind: 'kill', jobId: target, by: 'bench', why: '' }], clock.nowMs())
    await releaseDependants({ store, outcomes, clock }, await store.jobs([target]))
  })
  console.log(`released: ${released}`)
  const graph = Array.from({ length: many }, (_, at) => {
    const after = Array.from({ length: Math.min(at, edgesPerJob) }, (__, on) => ({ offset: -1 - on, when: 'ok' }) as const)
    return sampleSpec(after.length > 0 ? { after } : {})
  })
  await timed(store, `${many} jobs with ${many * edgesPerJob} dependencies taken in`, () => submit(store, graph))
}

const folder = mkdtempSync(join(tmpdir(), 'pilotage-bench-'))
const store = url
  ? (await openKeptMongoStore({ url, database: `bench-${process.pid}`, clock, log: silentLog(), holder: 'bench' })).store
  : await openSqliteStore(join(folder, 'store.db'), clock)
await run(store)
await store.close()
rmSync(folder, { recursive: true, force: true })
