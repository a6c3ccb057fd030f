import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { Store } from '../../../core/ports/store.ts'
import { awaitTurn, boundLog, maxLogBytes, newReaderFlag } from '../../../services/adapters/store/sqlite/log-limit.ts'
import { columnWriter } from '../../../services/adapters/store/sqlite/column-writer.ts'
import { longReads } from '../../../services/adapters/store/sqlite/reads.ts'
import { openEngine } from '../../../services/adapters/store/sqlite/engine.ts'
import { openSqliteArchive } from '../../../services/adapters/store/sqlite/sqlite-archive.ts'
import { openSqliteStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { bob, sampleSpec, sampleSubmission } from '../../../sim/samples.ts'

const clock = systemClock()
let directory: string
let path: string
let stores: Store[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pilotage-reader-'))
  path = join(directory, 'pilotage.db')
  stores = []
})
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()))
  rmSync(directory, { recursive: true, force: true })
})

async function open(): Promise<Store> {
  const store = await openSqliteStore(path, clock)
  stores.push(store)
  return store
}

const jobs = (count: number) => sampleSubmission(Array.from({ length: count }, () => sampleSpec()))

it('sees every commit that was acknowledged before the read began', async () => {
  const store = await open()
  for (let round = 1; round <= 200; round += 1) {
    const submitted = await store.submit(jobs(1), round)
    const [newest] = await store.list({ limit: 1 })
    expect(newest?.id).toBe(submitted.ok && submitted.firstId)
    expect(await store.facts(-1, 1)).toMatchObject([{ subject: `submission:${newest?.id}` }])
  }
})

it('lists over many slices as over one, newest first, each job once, of all owners together', async () => {
  const store = await open()
  await store.submit(jobs(3000), 1)
  await store.submit(sampleSubmission([sampleSpec(), sampleSpec()], bob), 2)
  await store.submit(jobs(1), 2)
  const rare = [7, 1500, 2990].map((id) => id as JobId)
  await store.change(
    rare.map((jobId) => ({ kind: 'kill', jobId, by: 'ada', why: '' })),
    3,
  )
  const ids = async (query: Parameters<Store['list']>[0]) => (await store.list(query)).map(({ id }) => id)
  expect(await ids({ states: ['Killed'], limit: 10 })).toEqual([2990, 1500, 7])
  expect(await ids({ states: ['Killed'], limit: 2 })).toEqual([2990, 1500])
  expect(await ids({ states: ['Killed'], limit: 10, after: { id: 2990 as JobId, changedMs: 0 } })).toEqual([1500, 7])
  expect(await ids({ limit: 5000 })).toEqual(Array.from({ length: 3003 }, (_, at) => 3003 - at))
  expect(await ids({ limit: 3 })).toEqual([3003, 3002, 3001])
  expect(await ids({ owner: bob.owner, limit: 10 })).toEqual([3002, 3001])
  expect(await ids({ vo: 'unknown', limit: 10 })).toEqual([])
})

it('yields between slices, so that a long listing is no single read', () => {
  const engine = openEngine(path)
  const { jobs: sampled, ...rest } = jobs(3000)
  const packed = sampled.map(({ classId, spec }) => ({ ...spec, classId, spec: JSON.stringify(spec) }))
  engine.commit([{ name: 'submit', args: [{ ...rest, jobs: packed }, 1] }])
  const db = new DatabaseSync(path, { readOnly: true })
  const columns = columnWriter()
  columns.load(db)
  // Found in the columns, and looked at in the rows: 250 per slice.
  const slices = longReads(db, columns.columns).list({ limit: 1100 })
  let yields = 0
  while (!slices.next().done) yields += 1
  expect(yields).toBe(4)
  db.close()
  engine.close()
})

it('answers short reads and commits while a listing is under way, and what is under way at the end is refused', async () => {
  const store = await open()
  await store.submit(jobs(20_000), 1)
  const order: string[] = []
  const note = (name: string) => () => order.push(name)
  const slow = Array.from({ length: 20 }, () => store.list({ states: ['Done'], limit: 1 }))
  await Promise.all([Promise.all(slow).then(note('listings')), store.facts(-1, 1).then(note('facts'))])
  expect(order).toEqual(['facts', 'listings'])
  const cut = Promise.allSettled(Array.from({ length: 200 }, () => store.list({ states: ['Done'], limit: 1 })))
  await store.close()
  stores = []
  for (const one of await cut) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'store-failed' })
  await expect(store.list({ limit: 1 })).rejects.toMatchObject({ code: 'store-failed' })
})

it('keeps the log within its bound while listings follow one another, and leaves none behind', async () => {
  const store = await open()
  await store.submit(jobs(20_000), 1)
  let isListing = true
  const listings = Promise.all(
    Array.from({ length: 3 }, async () => {
      while (isListing) await store.list({ states: ['Done'], limit: 1 })
    }),
  )
  // Several times the bound in all.
  const text = 'x'.repeat(4 * 1024 * 1024)
  let maxSize = 0
  for (let round = 0; round < 40; round += 1) {
    await store.keepNote(`note-${round % 4}`, text)
    maxSize = Math.max(maxSize, statSync(`${path}-wal`).size)
  }
  isListing = false
  await listings
  expect(maxSize).toBeLessThan(2 * maxLogBytes)
  await store.close()
  stores = []
  expect(existsSync(`${path}-wal`)).toBe(false)
})

it('holds the reader back only while the log is beyond its bound, and not for ever', () => {
  const flag = newReaderFlag()
  let empties = 0
  const never = (): boolean => {
    empties += 1
    return false
  }
  boundLog(flag, maxLogBytes, never)
  expect([empties, flag[0]]).toEqual([0, 0])
  boundLog(flag, maxLogBytes + 1, never)
  expect([empties, flag[0]]).toEqual([1, 1])
  awaitTurn(flag)
  expect(flag[0]).toBe(0)
  boundLog(flag, maxLogBytes + 1, never)
  boundLog(flag, maxLogBytes + 1, () => true)
  expect(flag[0]).toBe(0)
})

it('lets no other process in, neither as a service nor as an archive', async () => {
  const store = await open()
  await expect(openSqliteStore(path, clock)).rejects.toMatchObject({ code: 'store-locked' })
  await expect(openSqliteArchive(path, clock)).rejects.toMatchObject({ code: 'store-locked' })
  const raw = new DatabaseSync(path)
  expect(() => raw.exec('pragma locking_mode = exclusive; begin exclusive; select * from jobs')).toThrow('locked')
  raw.close()
  await store.close()
  stores = []
  const archive = await openSqliteArchive(path, clock)
  await expect(openSqliteStore(path, clock)).rejects.toMatchObject({ code: 'store-locked' })
  await archive.close()
  expect(statSync(`${path}-lock`).mode & 0o777).toBe(0o600)
})
