/** A client with several endpoints, against services that come and go. */

import { status } from '@grpc/grpc-js'
import { afterEach, describe, expect, it } from 'vitest'
import { connectPilotage, type PilotageClient } from '../../../client/pilotage-client.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import { type Random, seededRandom } from '../../../core/kernel/random.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { freePorts } from '../../support/free-ports.ts'
import { type FakeService, startFakeService } from './fake-service.ts'

const clock = systemClock()
const fakes: FakeService[] = []
const clients: PilotageClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  for (const fake of fakes.splice(0)) await fake.stop()
})

async function newFake(port = 0): Promise<FakeService> {
  const fake = await startFakeService(port)
  fakes.push(fake)
  return fake
}

function connect(servers: readonly string[], random: Random = seededRandom(1), patienceMs = 10_000): PilotageClient {
  const client = connectPilotage({ server: servers.join(), token: 'vo1/ada', patienceMs, random })
  clients.push(client)
  return client
}

/** Of two endpoints, one that begins with the first and one that begins with the second. */
const orders: readonly Random[] = [
  { ...seededRandom(1), next: counting(0) },
  { ...seededRandom(1), next: counting(1) },
]

/** 0.25, 0.75, 0.25, ... or the other way round: small enough to be a pause, too. */
function counting(from: number): () => number {
  let calls = from
  return () => {
    calls += 1
    return calls % 2 === 1 ? 0.25 : 0.75
  }
}

const job = JobSpec.fromPartial({ executable: 'true' })

describe.each([0, 1])('one of two endpoints is dead (order %d):', (order) => {
  const random = orders[order] ?? seededRandom(1)

  it('everything works, what is asked only once too', async () => {
    const [dead = 0] = await freePorts(1)
    const alive = await newFake()
    const servers = [`127.0.0.1:${dead}`, alive.server]
    await connect(servers, random).submit([job])
    expect((await connect(servers, random).kill([1])).map(({ jobId }) => jobId)).toEqual([1])
    const pieces = []
    for await (const piece of connect(servers, random).output(1)) pieces.push(Buffer.from(piece).toString())
    expect(pieces.join('')).toBe('hello stdout')
    const states = []
    for await (const { state } of connect(servers, random).watch([1])) states.push(state)
    expect(states.at(-1)).toBe('Done')
    expect(alive.calls.filter((call) => call === 'killJobs')).toHaveLength(1)
  })

  it('an impatient caller is served without a pause', async () => {
    const [dead = 0] = await freePorts(1)
    const alive = await newFake()
    const client = connect([`127.0.0.1:${dead}`, alive.server], random, 2000)
    const all = Array.from({ length: 50 }, () => client.status())
    await Promise.all(all)
    expect(alive.calls).toHaveLength(50)
  })
})

it('callers spread over the endpoints', async () => {
  const [one, two] = [await newFake(), await newFake()]
  for (let seed = 0; seed < 24; seed += 1) await connect([one.server, two.server], seededRandom(seed)).status()
  expect(one.calls.length + two.calls.length).toBe(24)
  expect(Math.min(one.calls.length, two.calls.length)).toBeGreaterThan(4)
})

it('goes on with the other when one dies, and back when that one dies', async () => {
  const [one, two] = [await newFake(), await newFake()]
  const client = connect([one.server, two.server])
  await client.status()
  const [first, second] = one.calls.length > 0 ? [one, two] : [two, one]
  await first.stop()
  await client.status()
  expect(second.calls).toEqual(['getStatus'])
  const again = await newFake(Number(first.server.split(':')[1]))
  await second.stop()
  await client.kill([1]).catch(() => undefined)
  await client.status()
  expect(again.calls).toContain('getStatus')
})

it('submits on elsewhere what broke off, under the same keys', async () => {
  const [one, two] = [await newFake(), await newFake()]
  const client = connect([one.server, two.server])
  for (const fake of [one, two]) fake.failNext('submitJobs', 1, { code: status.UNAVAILABLE })
  const { jobIds } = await client.submit([job], { key: 'k' })
  expect(jobIds).toEqual([1])
  expect(one.calls.length + two.calls.length).toBe(3)
})

it('goes on where a service that stops cut it off, and is cancelled only by its own caller', async () => {
  const fake = await newFake()
  const leaving = new AbortController()
  const client = connectPilotage({ server: fake.server, token: 'vo1/ada', patienceMs: 5000, signal: leaving.signal })
  clients.push(client)
  const { jobIds } = await client.submit([job])
  for (const method of ['getStatus', 'watchJobs', 'getOutput', 'killJobs']) {
    fake.failNext(method, 1, { code: status.CANCELLED })
  }
  await client.status()
  const states = []
  for await (const { state } of client.watch(jobIds)) states.push(state)
  expect(states.at(-1)).toBe('Done')
  const pieces = []
  for await (const piece of client.output(1)) pieces.push(Buffer.from(piece).toString())
  expect(pieces.join('')).toBe('hello stdout')
  const code = (work: Promise<unknown>) => work.catch((error: { code: string }) => error.code)
  expect(await code(client.kill(jobIds))).toBe('unavailable')
  leaving.abort()
  expect(await code(client.status())).toBe('cancelled')
})

it('gives up when all are dead and patience is over', async () => {
  const ports = await freePorts(3)
  const client = connect(
    ports.map((port) => `127.0.0.1:${port}`),
    seededRandom(1),
    400,
  )
  const begunMs = clock.monotonicMs()
  const asking = Promise.all([1, 2, 3].map(() => client.status().catch((error: { code: string }) => error.code)))
  expect(await asking).toEqual(['unavailable', 'unavailable', 'unavailable'])
  expect(await client.hold([1]).catch((error: { code: string }) => error.code)).toBe('unavailable')
  expect(clock.monotonicMs() - begunMs).toBeLessThan(15_000)
})

it('takes no list that is wrong, and sends no token in the clear to any of it', () => {
  expect(() => connect(['127.0.0.1:1', 'b'])).toThrow(/no server/)
  expect(() => connect(['127.0.0.1:1', 'far.example:1'])).toThrow(/in the clear to far.example:1/)
})
