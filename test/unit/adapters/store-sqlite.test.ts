import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { imageLimits } from '../../../core/kernel/limits.ts'
import { coreDecisions } from '../../../core/model/apply.ts'
import { type Call, type Engine, openEngine } from '../../../services/adapters/store/sqlite/engine.ts'
import { memoryStore, openSqliteStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import type { SubmissionHead } from '../../../services/adapters/store/sqlite/job-operations.ts'
import { sandboxStoreContract } from '../../contract/sandbox-store.ts'
import { storeContract } from '../../contract/store.ts'
import { sampleEntry } from '../../../sim/sample-images.ts'
import { sampleRequirements, sampleSpec, sampleSubmission } from '../../../sim/samples.ts'

const directory = mkdtempSync(join(tmpdir(), 'pilotage-store-'))
let files = 0

afterAll(() => rmSync(directory, { recursive: true, force: true }))

storeContract('sqlite in a thread', async () => {
  files += 1
  const path = join(directory, `${files}.db`)
  const store = await openSqliteStore(path, systemClock())
  return {
    store,
    async reopen() {
      await store.close()
      return openSqliteStore(path, systemClock())
    },
  }
})

storeContract('sqlite in memory', async () => ({ store: memoryStore() }))
sandboxStoreContract('sqlite in memory', async () => ({ store: memoryStore() }))

it('looks for what it may forget among the old jobs again, as soon as it has reached the young', async () => {
  const store = memoryStore()
  const old = await store.submit(sampleSubmission([1, 2, 3, 4].map(() => sampleSpec())), 1000)
  await store.submit(sampleSubmission(Array.from({ length: 100 }, () => sampleSpec())), 9000)
  expect(old).toMatchObject({ firstId: 1 })
  const kill = (jobId: number, nowMs: number) =>
    store.change([{ kind: 'kill', jobId: jobId as JobId, by: 'a', why: '' }], nowMs)
  await kill(1, 2000)
  expect(await store.forget(5000, 2)).toEqual([1])
  await kill(2, 3000)
  expect(await store.forget(5000, 2)).toEqual([])
  expect(await store.forget(5000, 2)).toEqual([])
  expect(await store.forget(5000, 2)).toEqual([2])
})

it('takes no more images than there is room for', async () => {
  const store = memoryStore()
  const add = (at: number) =>
    store.changeImage({ kind: 'add', entry: sampleEntry({ name: `image-${at}` }), signature: 's', by: 'ada' }, 1000)
  for (let at = 0; at < imageLimits.images; at += 1) expect(await add(at)).toMatchObject({ ok: true })
  expect(await add(imageLimits.images)).toEqual({ ok: false, why: 'too-many' })
  expect(await add(0)).toMatchObject({ ok: true, changed: false })
  expect(await store.images()).toHaveLength(imageLimits.images)
})

it('a full disk refuses what came together at once, as something to be asked again, and nothing has changed', () => {
  let asked = 0
  const changeJob = (): never => {
    asked += 1
    throw Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 })
  }
  const engine = openEngine(':memory:', { decisions: { ...coreDecisions, changeJob } })
  const { jobs, ...rest } = sampleSubmission([sampleSpec()])
  const packed = jobs.map(({ classId, spec }) => ({ ...spec, classId, spec: JSON.stringify(spec) }))
  engine.commit([{ name: 'submit', args: [{ ...rest, jobs: packed }, 1000] }])
  const kill = { kind: 'kill', jobId: 1 as JobId, by: 'a', why: '' } as const
  const outcomes = engine.commit(Array.from({ length: 100 }, () => ({ name: 'change', args: [[kill], 2000] })))
  expect(asked).toBe(1)
  expect(outcomes).toHaveLength(100)
  expect(outcomes[99]).toMatchObject({ ok: false, error: { code: 'unavailable' } })
  expect(engine.commit([{ name: 'counts', args: [] }])).toMatchObject([
    { ok: true, value: [{ state: 'Waiting', count: 1 }] },
  ])
  engine.close()
})

it('forgets a task queue with the last job that names it, and knows it again when it comes back', async () => {
  const path = join(directory, 'queues.db')
  const store = await openSqliteStore(path, systemClock())
  const other = sampleRequirements({ tags: ['other'] })
  const submit = async (...requirements: (typeof other)[]): Promise<void> => {
    await store.submit(sampleSubmission(requirements.map((one) => sampleSpec({ requirements: one }))), 1000)
  }
  await submit(sampleRequirements(), sampleRequirements(), other)
  const kept = async (): Promise<number> => {
    const archive = openEngine(path, { purpose: 'archive' })
    const [outcome] = archive.commit([{ name: 'archiveCounts', args: [] }])
    archive.close()
    return outcome?.ok ? (outcome.value as { queues: number }).queues : -1
  }
  const kill = (jobId: number) => ({ kind: 'kill', jobId: jobId as JobId, by: 'a', why: '' }) as const
  await store.change([kill(1), kill(3)], 2000)
  expect(await store.forget(5000, 10)).toEqual([1, 3])
  await submit(other)
  await store.change([kill(2)], 2000)
  expect(await store.forget(5000, 10)).toEqual([2])
  expect((await store.queues()).map(({ queue }) => queue.requirements.tags)).toEqual([['other']])
  await store.close()
  expect(await kept()).toBe(1)
})

it('takes over a store from before task queues were counted', async () => {
  const path = join(directory, 'older.db')
  const first = await openSqliteStore(path, systemClock())
  const other = sampleRequirements({ tags: ['other'] })
  await first.submit(
    sampleSubmission([sampleSpec(), sampleSpec({ maxAttempts: 1 }), sampleSpec({ requirements: other })]),
    1000,
  )
  await first.change([{ kind: 'hold', jobId: 3 as JobId, by: 'a', why: '' }], 2000)
  await first.close()
  const db = new DatabaseSync(path)
  db.exec('alter table jobs drop column needs; alter table queues drop column jobs; drop table staged;')
  db.exec('alter table jobs drop column machine_losses; alter table jobs drop column max_machine_losses;')
  db.exec('drop index jobs_awaited_ended; drop table dependants;')
  db.exec('drop table sandbox_claims; drop table sandbox_use; drop table sandbox_names; drop table sandbox_removals;')
  db.exec("drop table sandbox_outputs; update specs set spec = json_remove(spec, '$.inputFiles', '$.outputFiles');")
  db.exec('alter table jobs drop column awaited; alter table jobs drop column open;')
  db.exec(
    'alter table jobs drop column job_group; alter table jobs drop column job_type; alter table jobs drop column gpus;',
  )
  db.exec('alter table jobs drop column reschedules;')
  db.exec('drop table usage_meters; drop table usage_records; drop table usage_days;')
  db.exec("update specs set spec = json_remove(spec, '$.jobGroup', '$.jobType'); pragma user_version = 4;")
  db.exec("update specs set spec = json_remove(spec, '$.maxMachineLosses'); pragma user_version = 4;")
  db.exec("insert into queues (id, owner_ref, requirements) values ('no job names it', 1, '{}')")
  db.close()
  const store = await openSqliteStore(path, systemClock())
  const quota = { owner: { jobs: 3, taskQueues: 9 }, vo: { jobs: 9, taskQueues: 9 } }
  expect(await store.submit({ ...sampleSubmission([sampleSpec()]), quota }, 3000)).toMatchObject({ refusal: { used: 3 } })
  expect((await store.queues()).map(({ waiting }) => waiting)).toEqual([2])
  // What was to be tried once still is.
  const ids = [1, 2, 3] as JobId[]
  const jobs = await store.jobs(ids)
  expect(jobs.map(({ machineLosses, maxMachineLosses }) => [machineLosses, maxMachineLosses])).toEqual([
    [0, 10],
    [0, 1],
    [0, 10],
  ])
  const specs = await store.specs(ids)
  expect(ids.map((id) => specs.get(id)?.maxMachineLosses)).toEqual([10, 1, 10])
  expect([...jobs, ...specs.values()].map(({ jobGroup, jobType }) => jobGroup + jobType).join('')).toBe('')
  await store.close()
  const after = new DatabaseSync(path)
  expect(after.prepare('select jobs from queues order by ref').all()).toEqual([{ jobs: 2 }, { jobs: 1 }])
  after.close()
})

describe('a submission that was staged', () => {
  const after = [{ offset: -1, when: 'ok' }] as const
  // Each waits for the one before it.
  const specs = Array.from({ length: 4 }, (_, at) => sampleSpec({ name: `job-${at}`, ...(at > 0 ? { after } : {}) }))
  const { jobs, queues, owner } = sampleSubmission(specs)
  const head = { owner, count: 4, queueIds: queues.map(({ id }) => id) }
  const packed = jobs.map(({ classId, spec }) => ({ ...spec, classId, spec: JSON.stringify(spec) }))
  const begin = (ticket: number, one: SubmissionHead = head): Call => ({ name: 'stageBegin', args: [ticket, one] })
  const stage = (ticket: number, from: number): Call => ({
    name: 'stage',
    args: [ticket, { from, jobs: packed.slice(from, from + 2), queues: from === 0 ? queues : [] }],
  })
  const end = (ticket: number): Call => ({ name: 'stageEnd', args: [ticket, 1000] })
  const one = (): Call => ({ name: 'submit', args: [{ owner, queues, jobs: packed.slice(0, 1) }, 1000] })
  /** What is in the file: staged submissions, descriptions, jobs, and which of them wait for which. */
  const kept = (path: string): unknown => {
    const db = new DatabaseSync(path)
    const counts = ['staged', 'specs', 'jobs', 'dependants'].map(
      (table) => db.prepare(`select count(*) as n from ${table}`).get()?.n,
    )
    db.close()
    return counts
  }
  const values = (outcomes: ReturnType<Engine['commit']>) => outcomes.map((outcome) => outcome.ok && outcome.value)

  it.each([1, 2])('and whose process died after %i of its slices leaves nothing', (slices) => {
    const path = join(directory, `staged-${slices}.db`)
    const engine = openEngine(path)
    engine.commit([begin(1)])
    for (let at = 0; at < slices; at += 1) engine.commit([stage(1, 2 * at)])
    expect(values(engine.commit([one()]))).toMatchObject([{ firstId: 5 }])
    engine.close()
    expect(kept(path)).toEqual([1, 1 + 2 * slices, 1, 2 * slices - 1])
    openEngine(path).close()
    expect(kept(path)).toEqual([0, 1, 1, 0])
  })

  it('is in whole with its end, and is staged no more', () => {
    const path = join(directory, 'staged-whole.db')
    const engine = openEngine(path)
    engine.commit([begin(1)])
    engine.commit([stage(1, 0)])
    expect(values(engine.commit([{ name: 'counts', args: [] }]))).toEqual([[]])
    engine.commit([stage(1, 2)])
    expect(values(engine.commit([end(1)]))).toMatchObject([{ ok: true, firstId: 1, count: 4 }])
    engine.close()
    expect(kept(path)).toEqual([0, 4, 4, 3])
  })

  it('goes on after a transaction of it was rolled back because of another call, and keeps its ids', () => {
    const path = join(directory, 'staged-again.db')
    const broken = () => {
      throw new Error('broken')
    }
    const engine = openEngine(path, { decisions: { ...coreDecisions, changeJob: broken } })
    engine.commit([one()])
    const guilty: Call = { name: 'change', args: [[{ kind: 'kill', jobId: 1 as JobId, by: 'a', why: '' }], 2000] }
    for (const call of [begin(1), stage(1, 0), stage(1, 2)]) {
      expect(engine.commit([call, guilty]).map(({ ok }) => ok)).toEqual([true, false])
    }
    expect(values(engine.commit([one()]))).toMatchObject([{ firstId: 6 }])
    expect(values(engine.commit([end(1), guilty]))).toMatchObject([{ ok: true, firstId: 2, count: 4 }, false])
    expect(values(engine.commit([{ name: 'specs', args: [[5 as JobId]] }]))).toEqual([[[5, JSON.stringify(specs[3])]]])
    engine.close()
    expect(kept(path)).toEqual([0, 6, 6, 3])
  })

  it('and was never begun for good takes nothing from others when it is dropped', () => {
    const engine = openEngine(':memory:')
    const guilty: Call = { name: 'stageEnd', args: [9, 1000] }
    // Both fail: the group, and then the second alone.
    engine.commit([begin(1), guilty])
    engine.commit([begin(2), stage(2, 0)])
    engine.commit([{ name: 'stageDrop', args: [2] }])
    expect(values(engine.commit([{ name: 'dependants', args: [1 as JobId, 9] }]))).toEqual([[]])
    engine.commit([{ name: 'stageDrop', args: [1] }])
    expect(values(engine.commit([one(), { name: 'stageDrop', args: [1] }]))).toMatchObject([{ ok: true }, undefined])
    expect(values(engine.commit([{ name: 'counts', args: [] }]))).toMatchObject([[{ count: 1 }]])
    engine.close()
  })
})
