import { afterEach, beforeEach, expect, it } from 'vitest'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { Fact } from '../../../core/model/fact-shapes.ts'
import { roleRenewEveryMs, takeOverMs } from '../../../core/kernel/limits.ts'
import { type Log, silentLog } from '../../../core/ports/log.ts'
import type { Store } from '../../../core/ports/store.ts'
import { localBus } from '../../../services/adapters/bus/local/local-bus.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { startPublisher } from '../../../services/run/publisher.ts'
import { type VirtualClock, virtualClock } from '../../support/virtual-clock.ts'

let clock: VirtualClock
let store: Store
let deliveries: { by: string; seq: number }[]
let isAway: boolean
let lines: string[]
let stops: (() => Promise<void>)[]

beforeEach(() => {
  clock = virtualClock()
  store = memoryStore()
  deliveries = []
  isAway = false
  lines = []
  stops = []
})
afterEach(async () => {
  for (const stop of stops) await stop()
  await store.close()
})

function start(by: string) {
  const stream = {
    publish: async (facts: readonly Fact[]): Promise<void> => {
      if (isAway) throw new PilotageError('unavailable', 'NATS cannot be reached')
      deliveries.push(...facts.map(({ seq }) => ({ by, seq })))
    },
  }
  const heard: Log = { ...silentLog(), info: (_, text) => lines.push(text), warn: (_, text) => lines.push(text) }
  const publisher = startPublisher({ store, stream, bus: localBus(clock), clock, log: heard, holder: by })
  stops.push(() => publisher.stop())
  return publisher
}

const happen = (count: number): Promise<void> =>
  store.emit(
    Array.from({ length: count }, (_, at) => ({ subject: 'cloud:here', kind: `thing ${at}`, data: {} })),
    clock.nowMs(),
  )
const seqs = (): readonly number[] => deliveries.map(({ seq }) => seq)

it('publishes every fact once and in order, one of two processes at a time', async () => {
  await happen(5)
  start('a')
  await clock.advance(1500)
  start('b')
  await happen(5)
  await clock.advance(5000)
  expect(deliveries.every(({ by }) => by === 'a')).toBe(true)
  expect(seqs()).toEqual((await store.facts(0, 100)).map(({ seq }) => seq))
  expect(deliveries).toHaveLength(10)
})

it('is taken over at once by the other when it stops in good order', async () => {
  const first = start('a')
  start('b')
  await clock.advance(1500)
  await happen(3)
  await clock.advance(1500)
  await first.stop()
  await happen(3)
  await clock.advance(roleRenewEveryMs + 1500)
  expect(deliveries.map(({ by }) => by)).toEqual(['a', 'a', 'a', 'b', 'b', 'b'])
})

it('is taken over within the bound when its holder is silent', async () => {
  // A holder that crashed: it took the role and will not renew it.
  await store.hold('facts', 'crashed', 10_000, clock.nowMs())
  await happen(2)
  start('b')
  await clock.advance(5000)
  expect(deliveries).toEqual([])
  await clock.advance(takeOverMs - 5000)
  expect(deliveries).toHaveLength(2)
})

it('waits for a stream that is away, says so once, and misses nothing', async () => {
  isAway = true
  await happen(4)
  start('a')
  await clock.advance(10_000)
  await happen(4)
  await clock.advance(10_000)
  expect(deliveries).toEqual([])
  isAway = false
  await clock.advance(2000)
  expect(seqs()).toEqual((await store.facts(0, 100)).map(({ seq }) => seq))
  expect(lines).toEqual(['facts wait in the store', 'facts are published again'])
})
