import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { firstReportIdOf, openJournal, replay } from '../../../agents/pilot/journal.ts'
import { recover } from '../../../agents/pilot/leftovers.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { exited } from './tasks.ts'
import { noAmounts } from '../../../core/model/resources.ts'

const size = { cores: 1, ...noAmounts, memoryBytes: 2, diskBytes: 3 }
const one = { jobId: 1 as JobId, attempt: 1 }
const two = { jobId: 2 as JobId, attempt: 1 }
const three = { jobId: 3 as JobId, attempt: 2 }
const mark = { pid: 12, startTicks: 34, bootId: 'b' }
const result = exited()

let dir: string
let path: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-journal-'))
  path = join(dir, 'pilot.journal')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

async function write(): Promise<void> {
  const journal = await openJournal(path)
  for (const ref of [one, two, three]) journal.append({ kind: 'taken', ...ref, size })
  journal.append({ kind: 'started', ...one, mark, startedMs: 5 })
  journal.append({ kind: 'ended', ...two, reportId: 9, result })
  journal.append({ kind: 'forgotten', ...three })
  await journal.close()
}

it('gives the next life what this one owed, and nothing that was done with', async () => {
  await write()
  const journal = await openJournal(path)
  expect(journal.replayed).toEqual({
    life: 2,
    brokenLines: 0,
    left: [
      { ...one, size, mark, startedMs: 5 },
      { ...two, size, startedMs: 0, end: { reportId: 9, result } },
    ],
  })
  await journal.close()
})

it('is closed to others', async () => {
  await write()
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

it('loses only the line that was torn', async () => {
  await write()
  const whole = readFileSync(path, 'utf8')
  for (let cut = 1; cut < 40; cut += 3) {
    const torn = `${whole}${JSON.stringify({ kind: 'ended', ...one, reportId: 10, result }).slice(0, cut)}`
    expect(replay(torn)).toEqual({ ...replay(whole), brokenLines: 1 })
  }
  appendFileSync(path, '{"kind":"en')
  const journal = await openJournal(path)
  expect(journal.replayed.brokenLines).toBe(1)
  journal.append({ kind: 'ended', ...one, reportId: 11, result })
  await journal.close()
  expect(replay(readFileSync(path, 'utf8'))).toMatchObject({ brokenLines: 0, left: [{ end: { reportId: 11 } }, two] })
})

it('starts without a file', async () => {
  const journal = await openJournal(path)
  expect(journal.replayed).toEqual({ life: 1, left: [], brokenLines: 0 })
  await journal.close()
})

it('does not start over a file that it cannot read', async () => {
  await expect(openJournal(dir)).rejects.toThrow('EISDIR')
})

it('has on disk what was appended before a sync, also when syncs overlap', async () => {
  const journal = await openJournal(path)
  journal.append({ kind: 'taken', ...one, size })
  const first = journal.sync()
  journal.append({ kind: 'taken', ...two, size })
  const second = journal.sync()
  await first
  await second
  expect(replay(readFileSync(path, 'utf8')).left).toHaveLength(2)
  await journal.close()
})

it('is rewritten when it has grown large', async () => {
  const journal = await openJournal(path)
  const long = exited({ detail: 'x'.repeat(100_000) })
  for (let round = 0; round < 100; round += 1) {
    journal.append({ kind: 'taken', ...one, size })
    journal.append({ kind: 'ended', ...one, reportId: round, result: long })
    await journal.sync()
  }
  await journal.close()
  expect(statSync(path).size).toBeLessThan(4_000_000)
  expect(replay(readFileSync(path, 'utf8'))).toMatchObject({ life: 1, left: [{ end: { reportId: 99 } }] })
})

it('reports what was only started as abandoned, under an id of the new life', () => {
  const left = [
    { ...one, size, mark, startedMs: 5 },
    { ...two, size, startedMs: 0, end: { reportId: 9, result } },
  ]
  const { recovered, firstReportId } = recover({ life: 2, left, brokenLines: 0 })
  expect(recovered).toMatchObject([
    { ...two, reportId: 9, result },
    { ...one, reportId: firstReportIdOf(2), result: { end: 'abandoned', startedMs: 5 } },
  ])
  expect(firstReportId).toBe(firstReportIdOf(2) + 1)
})

it('takes nothing from lines that belong to no attempt', () => {
  expect(replay(`${JSON.stringify({ kind: 'ended', ...one, reportId: 1, result })}\n[]\n3\n`)).toEqual({
    life: 0,
    left: [],
    brokenLines: 2,
  })
})
