import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { connectPilotage, type PilotageClient } from '../../../client/pilotage-client.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import { isLoopback } from '../../../core/kernel/endpoints.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { type FakeService, startFakeService } from './fake-service.ts'

let fake: FakeService
let client: PilotageClient

beforeEach(async () => {
  fake = await startFakeService()
  client = connectPilotage({ server: fake.server, token: 'vo1/ada', patienceMs: 3000 })
})

afterEach(async () => {
  client.close()
  await fake.stop()
})

const spec = (name: string): JobSpec => JobSpec.fromPartial({ name, executable: 'true' })
const specs = (count: number): JobSpec[] => Array.from({ length: count }, (_, index) => spec(`job-${index}`))
const refused = async (work: Promise<unknown>): Promise<PilotageError> => {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(thrown instanceof PilotageError)) throw new Error(`expected a PilotageError, got ${String(thrown)}`)
  return thrown
}

it('submits any number of jobs in calls of ten thousand, each with a key of its own', async () => {
  const answer = await client.submit(specs(20_001), { key: 'k' })
  expect(answer.jobIds).toEqual(Array.from({ length: 20_001 }, (_, index) => index + 1))
  expect(fake.calls).toEqual(['submitJobs', 'submitJobs', 'submitJobs'])
  expect(fake.specs.at(-1)?.name).toBe('job-20000')

  const again = await client.submit(specs(20_001), { key: 'k' })
  expect(again).toEqual({ ...answer, repeated: true })
  expect(fake.jobs.size).toBe(20_001)
})

it('carries the token on every call, and another one for another user', async () => {
  await client.status()
  const other = client.as('vo2/vera')
  await other.status()
  other.close()
  expect(fake.tokens).toEqual(new Set(['Bearer vo1/ada', 'Bearer vo2/vera']))
})

it('repeats a submission whose answer was lost, and doubles nothing', async () => {
  fake.failNext('submitJobs', 2, { code: status.UNAVAILABLE, after: true })
  const answer = await client.submit([spec('once')])
  expect(answer.jobIds).toEqual([1])
  expect(fake.calls).toHaveLength(3)
  expect(fake.jobs.size).toBe(1)
})

it('asks only once for what steers', async () => {
  fake.failNext('killJobs', 1)
  expect((await refused(client.kill([1]))).code).toBe('unavailable')
  expect(fake.calls).toEqual(['killJobs'])
})

it('comes again no sooner than it was asked to', async () => {
  fake.failNext('getStatus', 1, {
    code: status.RESOURCE_EXHAUSTED,
    detail: { code: 'overloaded', text: 'busy', retryAfterMs: 300 },
  })
  const { monotonicMs } = systemClock()
  const startMs = monotonicMs()
  await client.status()
  expect(monotonicMs() - startMs).toBeGreaterThanOrEqual(290)
})

it('gives up when patience is over', async () => {
  const impatient = connectPilotage({ server: fake.server, token: 't', patienceMs: 150 })
  fake.failNext('getStatus', 1000)
  expect((await refused(impatient.status())).code).toBe('unavailable')
  impatient.close()
})

it.each([
  [{ code: status.INVALID_ARGUMENT }, 'invalid-argument'],
  [{ code: status.NOT_FOUND }, 'not-found'],
  [{ code: status.ALREADY_EXISTS }, 'conflict'],
  [{ code: status.UNAUTHENTICATED }, 'unauthenticated'],
  [{ code: status.PERMISSION_DENIED }, 'forbidden'],
  [{ code: status.RESOURCE_EXHAUSTED }, 'overloaded'],
  [{ code: status.INTERNAL }, 'internal'],
  [{ code: status.INVALID_ARGUMENT, detail: { code: 'too-large', text: 'far' } }, 'too-large'],
  [{ code: status.INVALID_ARGUMENT, detail: { code: 'no-such-code', text: 'far' } }, 'invalid-argument'],
] as const)('%o becomes %s', async (failure, code) => {
  fake.failNext('getJobHistory', 1, failure)
  expect((await refused(client.history(1))).code).toBe(code)
})

it('hands on every violation, and says how many are not shown', async () => {
  const violations = [{ path: 'jobs[3].name', value: 'x', rule: 'short', accepted: 'shorter' }]
  const detail = { code: 'invalid-argument', text: 'wrong fields', violations, violationCount: 120 }
  fake.failNext('submitJobs', 1, { code: status.INVALID_ARGUMENT, detail })
  const error = await refused(client.submit([spec('a')]))
  expect(error.violations).toEqual(violations)
  expect(error.message).toContain('119 more')
})

it('counts violations of a later part among all jobs', async () => {
  const violations = [{ path: 'jobs[3].name', value: 'x', rule: 'short', accepted: 'shorter' }]
  const work = client.submitStream(specs(1001))
  fake.failNext('submitJobStream', 1, { code: status.INVALID_ARGUMENT })
  await work.next()
  fake.failNext('submitJobs', 1, {
    code: status.INVALID_ARGUMENT,
    detail: { code: 'invalid-argument', text: 'no', violations, violationCount: 1 },
  })
  const error = await refused(work.next())
  expect(error.violations[0]?.path).toBe('jobs[1003].name')
  expect(error.message).toContain('1000 jobs before were accepted')
})

it('submits a stream of any length, and sends a broken window again under its keys', async () => {
  fake.failNext('submitJobStream', 1)
  const ids: number[] = []
  for await (const answer of client.submitStream(specs(20_500), { key: 's' })) {
    expect(answer.firstIndex).toBe(ids.length)
    ids.push(...answer.jobIds)
  }
  expect(ids).toHaveLength(20_500)
  expect(new Set(ids).size).toBe(20_500)
  expect(fake.jobs.size).toBe(20_500)
  expect(fake.calls.filter((call) => call === 'submitJobStream').length).toBe(4)
})

it('gives what a stream brought before it was refused', async () => {
  const jobs = specs(2500).map((job, index) => (index === 2200 ? { ...job, executable: 'refused' } : job))
  fake.failNext('submitJobs', 0)
  const answers = []
  const work = client.submitStream(jobs)
  answers.push((await work.next()).value, (await work.next()).value)
  expect(answers.map((answer) => answer?.firstIndex)).toEqual([0, 1000])
  expect(fake.jobs.size).toBe(2000)
})

it('lists pages as the loop goes on, and no further', async () => {
  await client.submit(specs(2500))
  fake.calls.length = 0
  const ids = []
  for await (const { jobId } of client.list({ limit: 1500 })) ids.push(jobId)
  expect(ids).toEqual(Array.from({ length: 1500 }, (_, index) => 2500 - index))
  expect(fake.calls).toHaveLength(2)
  const named = []
  for await (const { jobId } of client.list({ jobIds: [7, 9] })) named.push(jobId)
  expect(named).toEqual([9, 7])
})

it('goes on watching after a loss, and ends when all have ended', async () => {
  await client.submit(specs(3))
  fake.breakWatchOnce = true
  const last = new Map<number, string>()
  for await (const job of client.watch([1, 2, 3])) last.set(job.jobId, job.state)
  expect([...last.values()]).toEqual(['Done', 'Done', 'Done'])
  expect(fake.calls.filter((call) => call === 'watchJobs')).toHaveLength(2)
})

it('gives every byte of an output once, whatever breaks', async () => {
  fake.failNext('getOutput', 1)
  const pieces = []
  for await (const piece of client.output(1, { name: 'stderr' })) pieces.push(Buffer.from(piece).toString())
  expect(pieces.join('')).toBe('hello stderr')
})

it('stops everything when its signal says so', async () => {
  const leaving = new AbortController()
  const mine = connectPilotage({ server: fake.server, token: 't', signal: leaving.signal })
  fake.failNext('getStatus', 1000)
  const asking = refused(mine.status())
  leaving.abort()
  expect(['cancelled', 'unavailable']).toContain((await asking).code)
  mine.close()
})

it.each([
  ['127.0.0.1:7400', true],
  ['localhost:1', true],
  ['[::1]:7400', true],
  ['10.0.0.1:7400', false],
  ['localhost.example.org:7400', false],
  ['127.0.0.1.example.org:7400', false],
])('%s is on this machine: %s', (server, here) => {
  expect(isLoopback(server)).toBe(here)
  if (!here) expect(() => connectPilotage({ server, token: 't' })).toThrow(/in the clear/)
})

it('sends no further window of a stream once its caller has left', async () => {
  const leaving = new AbortController()
  const own = connectPilotage({ server: fake.server, token: 'vo1/ada', patienceMs: 3000, signal: leaving.signal })
  // Two windows of eight thousand: the caller leaves between them.
  const answers = own.submitStream(specs(16_000), { key: 'left' })
  for (let part = 0; part < 8; part += 1) await answers.next()
  leaving.abort()
  expect((await refused(answers.next())).code).toBe('cancelled')
  expect(fake.jobs.size).toBe(8000)
  own.close()
})
