import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readSwf } from '../../../sim/simulate/swf.ts'
import { workloadOf } from '../../../sim/simulate/workload.ts'
import { sampleSite, traceOf } from './sample-trace.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-swf-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function file(text: string | Uint8Array): string {
  const path = join(dir, 'trace')
  writeFileSync(path, text)
  return path
}

const line = (number: number, submit: number, run: number): string =>
  `${number} ${submit} -1 ${run} 1 -1 -1 2 1200 -1 -1 17 4 -1 3 -1 -1 -1`

it('reads jobs in the order of submission, zipped or not, and counts what it leaves out', async () => {
  const text = ['; a comment', '', line(2, 50, 60), line(1, 10, 0), line(3, 90, -1), line(2, 99, 5)].join('\n')
  const read = await readSwf(file(text))
  expect(await readSwf(file(gzipSync(text)))).toEqual(read)
  expect(read.jobs.map(({ number }) => number)).toEqual([1, 2])
  expect(read.linesRead).toBe(4)
  expect(read.leftOut).toEqual({ 'no run time': 1, 'a further line of a job': 1 })
  expect(read.jobs[1]).toMatchObject({ runSeconds: 60, requestedSeconds: 1200, user: 17, group: 4, queue: 3, cores: 1 })
  expect((await readSwf(file(text), 1)).jobs).toHaveLength(1)
})

it('refuses lines that are no jobs by their numbers, and lines without an end', async () => {
  const text = [line(1, 0, 5), '1 2 3', line(2, 0, 5), line(3, -1, 5), '4 x'].join('\n')
  const refused = await readSwf(file(text)).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'invalid-argument' })
  expect((refused as { violations: { path: string }[] }).violations.map(({ path }) => path)).toEqual([
    'line 2',
    'line 4',
    'line 5',
  ])
  await expect(readSwf(file('1 '.repeat(5000)))).rejects.toMatchObject({ code: 'too-large', message: /^line 1 / })
  await expect(readSwf(join(dir, 'nothing'))).rejects.toMatchObject({ code: 'invalid-argument' })
})

it('makes VOs of groups, groups of queues, owners of users, and requirements of what was asked for', () => {
  const [job] = traceOf([{ at: 5, runs: 60, cores: 2, user: 17, group: 4, queue: 3, requestedMemoryKib: 1024 * 1024 }])
  const { jobs } = workloadOf(job ? [job] : [], sampleSite())
  expect(jobs[0]).toMatchObject({ submitMs: 0, runMs: 60_000, cores: 2 })
  expect(jobs[0]?.queue).toMatchObject({ vo: 'vo4', group: 'queue3', owner: 'user17' })
  expect(jobs[0]?.queue.requirements).toMatchObject({ cores: { min: 2, max: 2 }, memoryBytes: 2 * 1024 ** 3 })
})

it('asks for the time that a job ran, where that is longer than it said', () => {
  const { jobs } = workloadOf(traceOf([{ at: 0, runs: 7200, requestedSeconds: 60 }]), sampleSite())
  expect(jobs[0]?.queue.requirements.wallMs).toBe(7_200_000)
})

it('keeps each n-th job or submits each several times, by the scale', () => {
  const trace = traceOf(Array.from({ length: 100 }, (_, at) => ({ at, runs: 60 })))
  expect([0.1, 0.25, 1, 2.5].map((scale) => workloadOf(trace, sampleSite(), scale).jobs.length)).toEqual([10, 25, 100, 250])
})
