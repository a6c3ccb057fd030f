import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { planReplay } from '../../../cli/replay/plan.ts'
import {
  figures,
  isWhole,
  lastLine,
  percentile,
  ranToEndTwice,
  type ReplayOutcome,
  reportText,
} from '../../../cli/replay/report.ts'
import { parseLine, readTrace, type TraceJob } from '../../../cli/replay/swf.ts'
import type { Vm } from '../../../client/cluster.ts'
import type { Fact, Job } from '../../../client/jobs.ts'
import { jobOfWire } from '../../../proto/codec/jobs.ts'
import { vmOfWire } from '../../../proto/codec/operate.ts'
import * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import { Vm as WireVm } from '../../../proto/gen/pilotage/v1/operate.ts'

const dir = mkdtempSync(join(tmpdir(), 'pilotage-swf-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const line = (number: number, submit: number, run: number, cores = 1, user = 1, group = 1): string =>
  `   ${number} ${submit}  -1  ${run} ${cores} -1 -1 -1 1200 -1 -1 ${user} ${group} -1 -1 1 -1 -1`

const text = [
  '; Version: 2.2',
  '',
  line(1, 0, 60),
  'not a job',
  line(2, 5, -1),
  line(3, 5, 30, 64),
  line(4, 9, 10, -1, -1, -1),
  '1 2',
].join('\n')

it.each([
  ['; a comment', 'no-job'],
  ['  ', 'no-job'],
  ['1 2 3', 'malformed'],
  [line(1, -5, 3), 'malformed'],
  [line(1, 0, 3).replace('1200', 'x'), 'job'],
  [line(1, 0, 3).replace('3', 'x'), 'malformed'],
  [line(1, 0, 3).replace(' 3 ', ' 0x1E '), 'malformed'],
  [line(1, 0, 3).replace(' 3 ', ' 0b11 '), 'malformed'],
  [line(1, 0, 3).replace(' 3 ', ' 1e999 '), 'malformed'],
  [line(1, 0, 3).replace(' 3 ', ' 1.5e+06 '), 'job'],
  [line(1, 0, 3).replace(' 3 ', ' Infinity '), 'malformed'],
  [line(1, 0, 3).replace(' 3 ', ' 3.5 '), 'job'],
])('%j is %s', (given, expected) => {
  const parsed = parseLine(given)
  expect(typeof parsed === 'string' ? parsed : 'job').toBe(expected)
})

it.each([
  ['text', 't.swf', text],
  ['gzip', 't.swf.gz', gzipSync(text)],
  ['gzip that is not named so', 'u.swf', gzipSync(text)],
  ['text that is named gzip', 'u.swf.gz', text],
])('reads %s, takes what ran, and counts the rest', async (_, name, content) => {
  const path = join(dir, name)
  writeFileSync(path, content)
  const trace = await readTrace(path, 10, 16)
  expect(trace.jobs.map(({ number }) => number)).toEqual([1, 4])
  expect(trace.linesRead).toBe(6)
  expect(Object.fromEntries(trace.dropped)).toEqual({
    'not a job': 2,
    'no run time': 1,
    'wider than 16 cores': 1,
  })
  expect((await readTrace(path, 1, 16)).jobs).toHaveLength(1)
})

it('takes one job per number of the trace: its first line that ran', async () => {
  const path = join(dir, 'parts.swf')
  const lines = [line(1, 0, 60), line(1, 0, 20), line(2, 5, -1), line(2, 5, 30), line(1, 0, 40), line(3, 9, 10)]
  writeFileSync(path, lines.join('\n'))
  const trace = await readTrace(path, 10, 16)
  expect(trace.jobs.map(({ number, runSeconds }) => [number, runSeconds])).toEqual([
    [1, 60],
    [2, 30],
    [3, 10],
  ])
  expect(Object.fromEntries(trace.dropped)).toEqual({ 'a further line of a job that is taken': 2, 'no run time': 1 })
})

it('keeps apart the jobs of a trace that knows no numbers', async () => {
  const path = join(dir, 'numberless.swf')
  writeFileSync(path, [line(-1, 0, 60), line(-1, 5, 20)].join('\n'))
  const trace = await readTrace(path, 10, 16)
  expect(new Set(planReplay(trace.jobs, options).jobs.map(({ name }) => name)).size).toBe(2)
})

it.each([
  [4, 8, 4],
  [-1, 8, 8],
  [0, 8, 8],
  [-1, -1, 1],
  [-1, 0, 1],
])('a job with %i allocated and %i requested processors has %i cores', (allocated, requested, cores) => {
  const parsed = parseLine(`1 0 -1 60 ${allocated} -1 -1 ${requested} 1200 -1 -1 1 1 -1 -1 1 -1 -1`)
  expect(parsed).toMatchObject({ cores })
})

it('says what is wrong with a file that is no trace', async () => {
  await expect(readTrace(join(dir, 'none.swf'), 1, 16)).rejects.toThrow(/none.swf/)
  const cut = join(dir, 'cut.swf.gz')
  writeFileSync(cut, gzipSync(text).subarray(0, 60))
  await expect(readTrace(cut, 10, 16)).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringMatching(/cut.swf.gz: unexpected end/),
  })
  const utf16 = join(dir, 'utf16.swf')
  writeFileSync(utf16, Buffer.from(text, 'utf16le'))
  await expect(readTrace(utf16, 10, 16)).rejects.toThrow(`the trace ${utf16} is UTF-16 text; accepted: UTF-8 text`)
})

it('reads a trace of one byte and an empty one as traces without jobs', async () => {
  for (const content of ['', ';', '\n']) {
    const path = join(dir, 'small.swf')
    writeFileSync(path, content)
    expect(await readTrace(path, 10, 16)).toEqual({ jobs: [], linesRead: 0, dropped: new Map() })
  }
})

const options = { minutes: 2, burn: false, run: 'r' }
const traceJob: fc.Arbitrary<TraceJob> = fc.record({
  number: fc.nat(),
  submitSeconds: fc.integer({ min: 0, max: 1_000_000 }),
  runSeconds: fc.integer({ min: 1, max: 200_000 }),
  cores: fc.integer({ min: 1, max: 16 }),
  user: fc.integer({ min: -1, max: 9 }),
  group: fc.integer({ min: -1, max: 9 }),
})

it('keeps the shape of any trace within the time it was given', () => {
  fc.assert(
    fc.property(fc.array(traceJob, { minLength: 1 }), (trace) => {
      const plan = planReplay(trace, options)
      expect(plan.jobs).toHaveLength(trace.length)
      expect(plan.lastSubmitMs).toBeLessThanOrEqual(75_001)
      expect(plan.factor).toBeGreaterThanOrEqual(1)
      const times = plan.jobs.map(({ atMs }) => atMs)
      expect(times).toEqual([...times].sort((a, b) => a - b))
      for (const { runMs, spec } of plan.jobs) {
        expect(runMs).toBeGreaterThan(0)
        expect(runMs).toBeLessThanOrEqual(plan.capMs)
        expect(spec.requirements?.wallMs).toBeGreaterThan(runMs + 30_000)
      }
    }),
  )
})

it('divides all times by the factor, and says what it cut', () => {
  const trace = [
    { number: 1, submitSeconds: 100, runSeconds: 1000, cores: 2, user: 7, group: 3 },
    { number: 2, submitSeconds: 1100, runSeconds: 1_000_000, cores: 1, user: -1, group: -1 },
  ]
  const plan = planReplay(trace, { ...options, factor: 100 })
  expect(plan.jobs.map(({ atMs, runMs, vo, owner, name }) => [atMs, runMs, vo, owner, name])).toEqual([
    [0, 10_000, 'vo3', 'user7', 'r-1'],
    [10_000, 10_000, 'vo', 'user', 'r-2'],
  ])
  expect(plan).toMatchObject({ cut: 1, capMs: 10_000, vos: ['vo', 'vo3'], owners: 2, coreMs: 30_000 })
  expect(plan.jobs[0]?.spec).toMatchObject({ executable: 'sleep', arguments: ['10.000'] })
  expect(planReplay(trace, { ...options, burn: true }).jobs[0]?.spec.executable).toBe('/bin/sh')
})

const job = (jobId: number, state: string, more: Partial<Job> = {}): Job => ({
  ...jobOfWire(wire.Job.fromPartial({ jobId, name: `r-${jobId}`, vo: `vo${jobId % 2}`, cores: 2 })),
  state,
  submittedMs: 1000,
  startedMs: 2000,
  endedMs: 4000,
  ...more,
})

const vm = (fields: Partial<Vm>): Vm => ({ ...vmOfWire(WireVm.fromPartial({})), ...fields })

const outcome: ReplayOutcome = {
  jobs: 3,
  acknowledged: new Map([
    [1, 'r-1'],
    [2, 'r-2'],
    [3, 'r-3'],
  ]),
  found: [
    job(1, 'Done', { result: { wallMs: 2000 } as Job['result'] }),
    job(2, 'Done'),
    job(3, 'Failed', { reason: 'exit code 3' }),
  ],
  named: [1, 2, 3].map((jobId) => ({ jobId, name: `r-${jobId}` })),
  ranTwice: [],
  vms: [vm({ cores: 4, intendedMs: 1000, activatedMs: 1500, endedMs: 3000 }), vm({ cores: 1, intendedMs: 9000 })],
  startMs: 0,
  endMs: 10_000,
  factor: 482.2,
}

it('accounts for jobs, waits and machines', () => {
  const figure = figures(outcome)
  expect(figure).toMatchObject({ jobs: 3, accounted: 3, lost: 0, doubled: 0, states: { Done: 2, Failed: 1 } })
  expect(figure.cores).toEqual({ paidMs: 9000, bootMs: 3000, usedMs: 4000, wastedMs: 5000 })
  expect(figure.waits.map(({ vo, jobs }) => [vo, jobs])).toEqual([
    ['vo0', 1],
    ['vo1', 2],
    ['all', 3],
  ])
  expect(figure.waits.at(-1)).toMatchObject({ wait: { p50: 1000 }, turnaround: { p99: 3000 } })
  expect(figure.failures).toEqual([{ reason: 'exit code 3', count: 1 }])
  expect(isWhole(figure)).toBe(true)
  expect(lastLine(figure, outcome.factor)).toMatch(
    /^replay: jobs=3 accounted=3 lost=0 doubled=0 done=2 failed=1 killed=0 seconds=10 factor=482 /,
  )
  expect(reportText(figure)).toContain('1 x exit code 3')
})

it.each<[string, Partial<ReplayOutcome>, object]>([
  [
    'a job that has not ended',
    { found: [job(1, 'Done'), job(2, 'Running'), job(3, 'Done')] },
    { accounted: 2, lost: 1, doubled: 0 },
  ],
  ['a job that is not there', { found: [job(1, 'Done'), job(2, 'Done')] }, { accounted: 2, lost: 1, doubled: 0 }],
  ['a line that was never acknowledged', { jobs: 4 }, { accounted: 3, lost: 0, doubled: 0 }],
  [
    'a line that became two jobs',
    { named: [...outcome.named, { jobId: 4, name: 'r-2' }] },
    { accounted: 3, lost: 0, doubled: 1 },
  ],
  ['a job that ran twice', { ranTwice: [2] }, { accounted: 3, lost: 0, doubled: 1 }],
])('is not whole with %s', (_, change, expected) => {
  const figure = figures({ ...outcome, ...change })
  expect(figure).toMatchObject(expected)
  expect(isWhole(figure)).toBe(false)
})

const fact = (kind: string, data: Fact['data']): Fact => ({ seq: 1, atMs: 1, subject: 'job:1', kind, text: kind, data })

it.each([
  [[fact('Matched', { attempt: 1 }), fact('Done', { attempt: 1, end: 'exited' })], false],
  [[fact('Waiting', { attempt: 1, end: 'abandoned' }), fact('Done', { attempt: 2, end: 'exited' })], false],
  [[fact('Waiting', { attempt: 1 }), fact('Failed', { attempt: 2, end: 'wall-limit' })], false],
  [[fact('Done', { attempt: 1, end: 'exited' }), fact('Done', { attempt: 2, end: 'exited' })], true],
  [[fact('Done', { attempt: 1, end: 'exited' }), fact('Failed', { attempt: 1 })], true],
])('sees what ran twice: %o', (facts, expected) => expect(ranToEndTwice(facts)).toBe(expected))

it('takes percentiles by nearest rank', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 1 }), fc.double({ min: 0.01, max: 1, noNaN: true }), (values, share) => {
      const sorted = values.sort((a, b) => a - b)
      const value = percentile(sorted, share)
      expect(sorted.filter((other) => other <= value).length).toBeGreaterThanOrEqual(Math.floor(share * sorted.length))
      expect(sorted).toContain(value)
    }),
  )
  expect(percentile([], 0.5)).toBe(0)
})
