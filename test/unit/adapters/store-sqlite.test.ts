import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { imageLimits } from '../../../core/kernel/limits.ts'
import { coreDecisions, openEngine } from '../../../services/adapters/store/sqlite/engine.ts'
import { memoryStore, openSqliteStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
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

it('looks for what it may forget among the old jobs again, as soon as it has come to the young', async () => {
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
  const engine = openEngine(':memory:', { ...coreDecisions, changeJob })
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
    const archive = openEngine(path, coreDecisions, 'archive')
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
  await first.submit(sampleSubmission([sampleSpec(), sampleSpec(), sampleSpec({ requirements: other })]), 1000)
  await first.change([{ kind: 'hold', jobId: 3 as JobId, by: 'a', why: '' }], 2000)
  await first.close()
  const db = new DatabaseSync(path)
  db.exec('alter table jobs drop column needs; alter table queues drop column jobs; pragma user_version = 4;')
  db.exec("insert into queues (id, owner_ref, requirements) values ('nobody names it', 1, '{}')")
  db.close()
  const store = await openSqliteStore(path, systemClock())
  const quota = { owner: { jobs: 3, taskQueues: 9 }, vo: { jobs: 9, taskQueues: 9 } }
  expect(await store.submit({ ...sampleSubmission([sampleSpec()]), quota }, 3000)).toMatchObject({ refusal: { used: 3 } })
  expect((await store.queues()).map(({ waiting }) => waiting)).toEqual([2])
  await store.close()
  const after = new DatabaseSync(path)
  expect(after.prepare('select jobs from queues order by ref').all()).toEqual([{ jobs: 2 }, { jobs: 1 }])
  after.close()
})
