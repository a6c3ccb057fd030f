import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import type { NewFact } from '../../../core/model/fact-shapes.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { Owner } from '../../../core/model/owner.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { type Dashboard, startDashboard } from '../../../services/dashboard/server.ts'
import { eventStream, heartbeatMs } from '../../../services/dashboard/event-stream.ts'
import { type Batch, maxBatch, factFeed, type Listener } from '../../../services/dashboard/fact-feed.ts'
import { streamLimits } from '../../../services/dashboard/limits.ts'
import { alice, bob, sampleSpec } from '../../../sim/samples.ts'
import { openTestDashboard, type TestDashboard, run } from './test-dashboard.ts'

let dashboard: TestDashboard
let listening: Dashboard
const readers: Reader[] = []

beforeEach(async () => {
  dashboard = await openTestDashboard()
  listening = await startDashboard(dashboard.options)
})
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.hangUp()
  const stopping = listening.stop()
  await dashboard.clock.advance(2500)
  await stopping
  await dashboard.stop()
})

type Reader = { text: string; readonly status: number; isOver: boolean; hangUp(): void }

async function listen(
  query = '',
  role: 'user' | 'operator' = 'operator',
  headers = {},
  lifeMs = 86_400_000,
): Promise<Reader> {
  return open(`Bearer ${await dashboard.token(alice, role, lifeMs)}`, query, headers)
}

async function listenAs(owner: Owner): Promise<Reader> {
  return open(`Bearer ${await dashboard.token(owner)}`)
}

async function open(authorization: string, query = '', headers = {}): Promise<Reader> {
  const abort = new AbortController()
  const answer = await fetch(`${listening.url}/api/events${query}`, {
    headers: { authorization, ...headers },
    signal: abort.signal,
  })
  const reader: Reader = { text: '', status: answer.status, isOver: false, hangUp: () => abort.abort() }
  readers.push(reader)
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder()
    for await (const piece of answer.body ?? []) reader.text += decoder.decode(piece, { stream: true })
  }
  read()
    .catch(() => {})
    .finally(() => {
      reader.isOver = true
    })
  return reader
}

const real = systemClock()

/** The network is real, the service's time is not: it is moved on until what was waited for is there. */
async function hear(reader: Reader, what: string | RegExp, everyMs = 250): Promise<void> {
  const found = await until(
    real,
    async () => {
      await dashboard.clock.advance(everyMs)
      return typeof what === 'string' ? reader.text.includes(what) : what.test(reader.text)
    },
    { withinMs: 5000, everyMs: 5 },
  )
  expect(found, `${what} in ${reader.text}`).toBe(true)
}

const about = (why: string, subject: NewFact['subject'] = 'cloud:here'): NewFact => ({
  subject,
  kind: 'recording',
  data: { why },
})
const emit = (...facts: readonly NewFact[]): Promise<void> => dashboard.store.emit(facts, dashboard.clock.nowMs())
const idsIn = (reader: Reader): number[] =>
  [...reader.text.matchAll(/^id: (\d+)\nevent: fact/gm)].map(([, id]) => Number(id))

it('sends a fact that comes, with and without a hint', async () => {
  await emit(about('before'))
  const reader = await listen()
  expect(reader.status).toBe(200)
  await hear(reader, 'retry: 2000')
  await dashboard.clock.advance(500)
  await emit(about('with a hint'))
  dashboard.bus.hint({ kind: 'clouds', ids: ['here'] })
  await dashboard.clock.advance(400)
  await hear(reader, 'recording: why with a hint', 1)
  await emit(about('without'))
  await hear(reader, 'recording: why without')
  expect(reader.text).not.toContain('before')
})

it('goes on where a reader was, by parameter and by Last-Event-ID', async () => {
  await emit(about('one'), about('two'), about('three'))
  const [first] = await dashboard.store.facts(0, 1)
  const byParameter = await listen(`?after=${first?.seq}`)
  await hear(byParameter, 'three')
  expect(byParameter.text).not.toContain('why one')
  const [, second] = idsIn(byParameter)
  const byHeader = await listen('?after=0', 'operator', { 'last-event-id': String((second ?? 0) - 1) })
  await emit(about('four'))
  await hear(byHeader, 'four')
  expect(byHeader.text).not.toContain('why two')
  expect(byHeader.text).toContain('why three')
  await hear(byParameter, 'four')
  const ids = idsIn(byParameter)
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b))
  const lost = await listen('?after=999999')
  await hear(lost, 'retry')
  await dashboard.clock.advance(2500)
  await emit(about('five'))
  await hear(lost, 'five')
})

it('shows users nothing of other VOs', async () => {
  const reader = await listen('?after=0', 'user')
  const [own] = await dashboard.submit([sampleSpec()])
  const [foreign] = await dashboard.submit([sampleSpec()], bob)
  const vm = await dashboard.addVm('one')
  await run(dashboard, foreign as JobId, vm.id)
  await run(dashboard, own as JobId, vm.id)
  await hear(reader, /job:1".*Running/)
  expect(reader.text).toContain('submission:1')
  expect(reader.text).toContain(`vm:${vm.id}`)
  expect(reader.text).not.toMatch(/belle|job:2|submission:2/)
})

it('moves a reader that is too far behind forward, and says so', async () => {
  await emit(...Array.from({ length: maxBatch * 2 + 10 }, (_, at) => about(`number ${at}.`)))
  const reader = await listen('?after=0')
  await hear(reader, `number ${maxBatch * 2 + 9}.`)
  expect(reader.text).toContain('event: skipped')
  expect(idsIn(reader)).toHaveLength(maxBatch)
})

it('sends heartbeats, and ends with the token', async () => {
  const reader = await listen('?after=0', 'operator', {}, 40_000)
  await hear(reader, ': still here', 1000)
  expect(reader.isOver).toBe(false)
  await dashboard.clock.advance(45_000)
  expect(await until(real, () => reader.isOver, { withinMs: 2000 })).toBe(true)
})

it("bounds a viewer's open streams, leaves others theirs, and frees the place of one that hung up", async () => {
  for (let at = 0; at < streamLimits.perOwner; at += 1) expect((await listen()).status).toBe(200)
  expect((await listen()).status).toBe(429)
  const other = await listenAs(bob)
  expect(other.status).toBe(200)
  readers[0]?.hangUp()
  expect(await until(real, async () => (await listen()).status === 200, { withinMs: 3000 })).toBe(true)
})

it('stops at once though streams are open', async () => {
  const reader = await listen()
  const beganMs = real.monotonicMs()
  await listening.stop()
  expect(await until(real, () => reader.isOver, { withinMs: 1000 })).toBe(true)
  expect(real.monotonicMs() - beganMs).toBeLessThan(1500)
  await expect(fetch(listening.url)).rejects.toThrow()
})

it('stops within its time though a request never ends', async () => {
  let asked = false
  const hanging = await openTestDashboard(() => {
    asked = true
    return new Promise(() => {})
  })
  const slow = await startDashboard(hanging.options)
  const authorization = `Bearer ${await hanging.token(alice)}`
  const answer = fetch(`${slow.url}/api/clouds`, { headers: { authorization } }).catch(() => 'cut off')
  expect(await until(real, () => asked, { withinMs: 2000 })).toBe(true)
  const stopping = slow.stop()
  await hanging.clock.advance(2500)
  await stopping
  expect(await answer).toBe('cut off')
  await hanging.stop()
})

it('drops a reader that takes nothing for long', async () => {
  const calls: string[] = []
  const response = Object.assign(new EventEmitter(), {
    write: (text: string) => calls.push(text.slice(0, 6)) < 0,
    end: () => calls.push('end'),
    destroy: () => calls.push('destroy'),
  })
  const stream = eventStream({
    response: response as unknown as ServerResponse,
    clock: dashboard.clock,
    hearing: { heard: async (_, facts) => facts },
    viewer: { owner: alice, reach: 'any' },
    after: 0,
    stillSignedIn: async () => true,
    onEnd: () => calls.push('over'),
  })
  expect(stream.isReady()).toBe(false)
  response.emit('drain')
  expect(stream.isReady()).toBe(true)
  await dashboard.clock.advance(heartbeatMs)
  expect(stream.isReady()).toBe(false)
  await dashboard.clock.advance(2 * heartbeatMs)
  expect(calls).toEqual(['retry:', ': stil', 'over', 'destroy'])
})

it('passes over a listener that has not taken its last batch, and catches it up', async () => {
  const feed = factFeed({ store: dashboard.store, bus: dashboard.bus, clock: dashboard.clock, log: silentLog() })
  const recording = (isReady: () => boolean): Listener & { seqs: number[] } => {
    const listener: Listener & { seqs: number[] } = {
      after: 0,
      seqs: [],
      isReady,
      async send({ facts, lastSeq }: Batch) {
        listener.after = lastSeq
        listener.seqs.push(...facts.map(({ seq }) => seq))
      },
    }
    return listener
  }
  let slowIsReady = false
  const quick = recording(() => true)
  const slow = recording(() => slowIsReady)
  feed.listeners.add(quick).add(slow)
  await emit(about('one'))
  await dashboard.clock.advance(2000)
  await emit(about('two'))
  await dashboard.clock.advance(2000)
  expect([quick.seqs.length, slow.seqs.length]).toEqual([2, 0])
  slowIsReady = true
  await emit(about('three'))
  await dashboard.clock.advance(2000)
  expect(quick.seqs).toHaveLength(3)
  expect(slow.seqs).toEqual(quick.seqs)
  await feed.stop()
})
