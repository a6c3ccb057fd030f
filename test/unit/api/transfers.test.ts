import { expect, it } from 'vitest'
import { nextTurn, systemClock } from '../../../core/kernel/clock.ts'
import { openTransfers } from '../../../services/api/grpc/transfers.ts'

const clock = systemClock()
const limits = {
  transfers: 2,
  transfersPerCaller: 3,
  waitingTransfers: 2,
  piecesPerTurn: 4,
  piecesPerSecond: 2000,
  longestPauseMs: 100,
}
const here = new AbortController().signal

function gate() {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { promise, open: resolve }
}

it('lets a bounded number move at one time, the others in their order, and refuses more', async () => {
  const transfers = openTransfers(clock, limits)
  const order: string[] = []
  const gates = ['a', 'b', 'c', 'd'].map(() => gate())
  const runs = ['a', 'b', 'c', 'd'].map((name, at) =>
    transfers.run(name, here, async () => {
      order.push(name)
      await gates[at]?.promise
    }),
  )
  await nextTurn(clock)
  expect(order).toEqual(['a', 'b'])
  await expect(transfers.run('e', here, async () => 1)).rejects.toMatchObject({ code: 'overloaded', retryAfterMs: 1000 })
  gates[1]?.open()
  await runs[1]
  await nextTurn(clock)
  expect(order).toEqual(['a', 'b', 'c'])
  for (const one of gates) one.open()
  await Promise.all(runs)
  expect(order).toEqual(['a', 'b', 'c', 'd'])
  expect(await transfers.run('e', here, async () => 1)).toBe(1)
})

it('bounds each caller, and forgets one that leaves while it waits', async () => {
  const transfers = openTransfers(clock, { ...limits, transfers: 3 })
  const held = gate()
  const own = [1, 2, 3].map(() => transfers.run('a', here, () => held.promise))
  await expect(transfers.run('a', here, async () => 1)).rejects.toMatchObject({ code: 'overloaded' })
  const gone = new AbortController()
  const waiting = transfers.run('b', gone.signal, async () => 1)
  gone.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' })
  held.open()
  await Promise.all(own)
  expect(await transfers.run('b', here, async () => 1)).toBe(1)
})

it('moves a few pieces per turn of the event loop, of all transfers together', async () => {
  const transfers = openTransfers(clock, { ...limits, transfers: 10 })
  let [pieces, turns, most] = [0, 0, 0]
  let isOver = false
  const watch = (): void => {
    most = Math.max(most, pieces)
    pieces = 0
    turns += 1
    if (!isOver) clock.soon(watch)
  }
  clock.soon(watch)
  await Promise.all(
    Array.from({ length: 10 }, (_, at) =>
      transfers.run(String(at), here, async (pace) => {
        for (let sent = 0; sent < 20; sent += 1) {
          await pace()
          pieces += 1
        }
      }),
    ),
  )
  isOver = true
  expect(most).toBeLessThanOrEqual(2 * limits.piecesPerTurn)
  expect(turns).toBeGreaterThanOrEqual(200 / limits.piecesPerTurn / 2)
})
