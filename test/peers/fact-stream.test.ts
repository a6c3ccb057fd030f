/** Facts on a real JetStream: none is lost, none is kept twice, and a durable reader goes on where it was. */

import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, millis } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock, until } from '../../core/kernel/clock.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import type { FactStream } from '../../core/ports/fact-stream.ts'
import { silentLog } from '../../core/ports/log.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { type FactReaderOptions, type GivenFact, readFacts } from '../../services/adapters/bus/nats/fact-reader.ts'
import { type FactStreamOptions, natsFactStream } from '../../services/adapters/bus/nats/fact-stream.ts'
import { streamName } from '../../services/adapters/bus/nats/subjects.ts'
import { publishFacts } from '../../services/run/publish-facts.ts'
import type { NatsServer } from './nats-servers.ts'
import { startNats, whyNotOurs } from './servers.ts'

const clock = systemClock()
const random = systemRandom()
const log = silentLog()
const minute = 60_000
const limits = { maxAgeMs: 60 * minute, maxBytes: 64 * 1024 * 1024, duplicateMs: 2 * minute, replicas: 1 }

type OpenStream = FactStream & { close(): Promise<void> }

const opened: OpenStream[] = []
let server: NatsServer

beforeAll(async () => {
  server = await startNats()
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map((stream) => stream.close()))
})

afterAll(() => server.stop())

function openStream(installation: string, more: Partial<FactStreamOptions> = {}): OpenStream {
  const options = { servers: [server.url], installation, clock, random, log, limits, timeoutMs: 10_000, ...more }
  const stream = natsFactStream(options)
  opened.push(stream)
  return stream
}

const kinds = ['job', 'vm', 'cloud', 'submission'] as const

function factsFrom(first: number, count: number): Fact[] {
  return Array.from({ length: count }, (_, at): Fact => {
    const seq = first + at
    return {
      seq,
      atMs: seq * 10,
      subject: `${kinds[seq % 4] ?? 'vm'}:${seq}`,
      kind: 'Running',
      data: { attempt: 1, vm: 'vm-a' },
    }
  })
}

function reading(installation: string, more: Partial<FactReaderOptions> = {}): AsyncGenerator<GivenFact, void> {
  const { signal } = new AbortController()
  const base = { servers: [server.url], installation, clock, random, log, from: 'beginning', follow: false, signal } as const
  return readFacts({ ...base, ...more })
}

/** All of them, or the first `most`; acknowledged. */
async function read(facts: AsyncGenerator<GivenFact, void>, max = Infinity): Promise<readonly Fact[]> {
  const got: Fact[] = []
  for await (const { fact, acknowledge } of facts) {
    got.push(fact)
    acknowledge()
    if (got.length >= max) break
  }
  return got
}

const seqs = (facts: readonly Fact[]): readonly number[] => facts.map(({ seq }) => seq)

/** What the stream has, by message id. */
async function kept(installation: string): Promise<ReadonlyMap<string, number>> {
  const connection = await connect({ servers: server.url })
  const stream = streamName(installation)
  const manager = await jetstreamManager(connection)
  let left = (await manager.streams.info(stream)).state.messages
  const ids = new Map<string, number>()
  const consumer = await jetstream(connection).consumers.get(stream)
  while (left > 0) {
    for await (const message of await consumer.fetch({ max_messages: Math.min(left, 1000), expires: 10_000 })) {
      left -= 1
      const id = message.headers?.get('Nats-Msg-Id') ?? ''
      ids.set(id, (ids.get(id) ?? 0) + 1)
    }
  }
  await connection.close()
  return ids
}

describe('publishing', () => {
  it('keeps every fact as it was, by what it is about', async () => {
    const installation = server.newPrefix()
    const facts = factsFrom(1, 2500)
    await openStream(installation).publish(facts)
    expect(await read(reading(installation))).toEqual(facts)
    const connection = await connect({ servers: server.url })
    const { streams } = await jetstreamManager(connection)
    const { state, config } = await streams.info(streamName(installation), { subjects_filter: '>' })
    await connection.close()
    expect(state.subjects).toEqual(Object.fromEntries(kinds.map((kind) => [`pilotage.${installation}.fact.${kind}`, 625])))
    expect(config).toMatchObject({ storage: 'file', max_bytes: limits.maxBytes, discard: 'old', retention: 'limits' })
    expect([millis(config.max_age), millis(config.duplicate_window)]).toEqual([limits.maxAgeMs, limits.duplicateMs])
  })

  it('twice, or by two at a time, is harmless', async () => {
    const installation = server.newPrefix()
    const facts = factsFrom(1, 1500)
    const [one, other] = [openStream(installation), openStream(installation)]
    await Promise.all([one.publish(facts), other.publish(facts.slice(0, 700)), other.publish(facts.slice(300))])
    await one.publish(facts)
    const ids = await kept(installation)
    expect([...ids.keys()].sort()).toEqual(facts.map(({ seq }) => `${installation}:${seq}`).sort())
    expect([...ids.values()].every((count) => count === 1)).toBe(true)
  })

  it('follows what the limits are changed to', async () => {
    const installation = server.newPrefix()
    await openStream(installation).publish(factsFrom(1, 1))
    await openStream(installation, { limits: { ...limits, maxAgeMs: minute } }).publish(factsFrom(2, 1))
    const connection = await connect({ servers: server.url })
    const { streams } = await jetstreamManager(connection)
    const { config, state } = await streams.info(streamName(installation))
    await connection.close()
    expect([millis(config.max_age), state.messages]).toEqual([minute, 2])
  })

  it('is refused as unavailable where NATS is not there, within the time-out', async () => {
    const away = openStream(server.newPrefix(), { servers: ['127.0.0.1:1'], timeoutMs: 300 })
    await expect(away.publish(factsFrom(1, 1))).rejects.toMatchObject({ code: 'unavailable' })
    await away.publish([])
  })

  it('makes the stream again that another program has removed', async () => {
    const installation = server.newPrefix()
    const stream = openStream(installation)
    await stream.publish(factsFrom(1, 3))
    const connection = await connect({ servers: server.url })
    await (await jetstreamManager(connection)).streams.delete(streamName(installation))
    await connection.close()
    await expect(stream.publish(factsFrom(4, 3))).rejects.toMatchObject({ code: 'unavailable' })
    await stream.publish(factsFrom(4, 3))
    expect(seqs(await read(reading(installation)))).toEqual([4, 5, 6])
  })
})

describe('a server that is killed while facts are published', () => {
  it('misses none in the end, and has none twice', async (context) => {
    context.skip(whyNotOurs('nats-server') !== undefined, whyNotOurs('nats-server'))
    const own = await startNats()
    const total = 60_000
    try {
      const installation = server.newPrefix()
      const stream = openStream(installation, { servers: [own.url], timeoutMs: 3000 })
      const facts = factsFrom(1, total)
      const notes = new Map<string, string>()
      const store = {
        facts: async (after: number, limit: number) => facts.slice(after, after + limit),
        note: async (name: string) => notes.get(name),
        keepNote: async (name: string, text: string) => void notes.set(name, text),
      }
      let failures = 0
      const step = async (): Promise<void> => {
        try {
          await publishFacts({ store, stream })
        } catch {
          failures += 1
        }
      }
      const published = (): number => Number(notes.get('facts:published') ?? 0)
      const isOver = async (): Promise<boolean> => {
        await step()
        return published() === total
      }
      const publishing = until(clock, isOver, { withinMs: 90_000, everyMs: 50 })
      for (const share of [0.2, 0.5, 0.8]) {
        expect(await until(clock, () => published() >= share * total, { withinMs: 60_000, everyMs: 1 })).toBe(true)
        await own.kill()
        await own.start()
      }
      expect(await publishing).toBe(true)
      expect(failures).toBeGreaterThan(0)
      const got = await read(reading(installation, { servers: [own.url] }))
      expect(got).toHaveLength(total)
      expect(new Set(seqs(got))).toHaveLength(total)
    } finally {
      await own.stop()
    }
  })
})

describe('reading', () => {
  it('durably goes on where it was', async () => {
    const installation = server.newPrefix()
    const stream = openStream(installation)
    await stream.publish(factsFrom(1, 700))
    const durable = (from: 'beginning' | 'now' = 'beginning') => reading(installation, { durable: 'history', from })
    // What the reader before gave back may come behind what it never got: the server brings it when it learns of it.
    const inOrder = (facts: readonly Fact[]) => seqs(facts).toSorted((a, b) => a - b)
    expect(seqs(await read(durable(), 10))).toEqual(seqs(factsFrom(1, 10)))
    const second = await read(durable('now'), 290)
    expect(second).toHaveLength(290)
    const rest = await read(durable())
    expect(inOrder([...second, ...rest])).toEqual(seqs(factsFrom(11, 690)))
    expect(await read(durable())).toEqual([])
    await stream.publish(factsFrom(701, 5))
    expect(seqs(await read(durable()))).toEqual([701, 702, 703, 704, 705])
  })

  it('brings again at once what a reader that ends has not acknowledged', async () => {
    const installation = server.newPrefix()
    await openStream(installation).publish(factsFrom(1, 5))
    const leaving = new AbortController()
    const first = reading(installation, { durable: 'history', follow: true, signal: leaving.signal })
    const given = [await first.next(), await first.next(), await first.next()]
    expect(given.map(({ value }) => value?.fact.seq)).toEqual([1, 2, 3])
    given[1]?.value?.acknowledge()
    leaving.abort()
    expect((await first.next()).done).toBe(true)
    expect(seqs(await read(reading(installation, { durable: 'history' }))).toSorted()).toEqual([1, 3, 4, 5])
  })

  it('brings again in time what a reader that is gone has not acknowledged', async () => {
    const installation = server.newPrefix()
    await openStream(installation).publish(factsFrom(1, 3))
    const durable = { durable: 'history', follow: true, acknowledgeMs: 1000 }
    const silent = reading(installation, durable)
    expect((await silent.next()).value?.fact.seq).toBe(1)
    expect(seqs(await read(reading(installation, durable), 3)).toSorted()).toEqual([1, 2, 3])
    await silent.return()
  })

  it('begins now, and follows, over a restart of the server', async (context) => {
    context.skip(whyNotOurs('nats-server') !== undefined, whyNotOurs('nats-server'))
    const own = await startNats()
    try {
      const installation = server.newPrefix()
      const servers = [own.url]
      const stream = openStream(installation, { servers })
      await stream.publish(factsFrom(1, 5))
      const leaving = new AbortController()
      const got: number[] = []
      const facts = reading(installation, { servers, from: 'now', follow: true, signal: leaving.signal })
      const over = (async () => {
        for await (const { fact } of facts) got.push(fact.seq)
      })()
      const publish = (first: number): Promise<boolean> =>
        until(
          clock,
          () =>
            stream.publish(factsFrom(first, 1)).then(
              () => true,
              () => false,
            ),
          { withinMs: 30_000 },
        )
      // No message says when the reader has begun: it has when it gets a fact.
      let next = 6
      const hears = async (): Promise<boolean> => {
        await publish(next)
        next += 1
        return got.length > 0
      }
      expect(await until(clock, hears, { withinMs: 30_000 })).toBe(true)
      const begun = got[0] ?? 0
      await own.kill()
      await own.start()
      expect(await publish(next)).toBe(true)
      expect(await until(clock, () => got.at(-1) === next, { withinMs: 30_000 })).toBe(true)
      leaving.abort()
      await over
      expect(begun).toBeGreaterThan(5)
      expect(got).toEqual(seqs(factsFrom(begun, next - begun + 1)))
    } finally {
      await own.stop()
    }
  })

  it('waits for a stream that is not there yet, or says so', async () => {
    const installation = server.newPrefix()
    await expect(read(reading(installation))).rejects.toMatchObject({ code: 'not-found' })
    const first = read(reading(installation, { follow: true }), 1)
    await openStream(installation).publish(factsFrom(1, 1))
    expect(seqs(await first)).toEqual([1])
  })

  it('passes over what is no fact', async () => {
    const installation = server.newPrefix()
    await openStream(installation).publish(factsFrom(1, 1))
    const connection = await connect({ servers: server.url })
    const js = jetstream(connection)
    for (const text of ['', '{"seq":1}', '[]', '{"seq":1,"atMs":1,"subject":"job:1","kind":"x","data":{"a":{}}}']) {
      await js.publish(`pilotage.${installation}.fact.job`, text)
    }
    await connection.close()
    await openStream(installation).publish(factsFrom(2, 1))
    expect(seqs(await read(reading(installation)))).toEqual([1, 2])
  })

  it('ends where NATS is unreachable and no caller waits for it', async () => {
    const away = reading(server.newPrefix(), { servers: ['127.0.0.1:1'] })
    await expect(read(away)).rejects.toMatchObject({ code: 'unavailable' })
  })
})
