/** What a process learns of task queues: all of them at a start, then a slice at a time, and first what it is hinted at. */

import { describe, expect, it } from 'vitest'
import type { ClassId } from '../../../core/kernel/ids.ts'
import type { QueueCount } from '../../../core/model/task-queue.ts'
import { learn, learnAll } from '../../../services/matcher/learn.ts'
import type { WaitingIndex } from '../../../services/matcher/waiting-index.ts'
import { sampleQueue } from '../../../sim/samples.ts'

type Asked = { readonly after?: string; readonly limit?: number; readonly ids?: readonly ClassId[] }

const idAt = (at: number): ClassId => `q${String(at).padStart(6, '0')}` as ClassId

/** A store with `count` task queues, in the order of their ids. */
function world(count: number) {
  const all = Array.from({ length: count }, (_, at): QueueCount => {
    return { queue: { ...sampleQueue(), id: idAt(at) }, waiting: 1, topPriority: 0, oldestMs: 1 }
  })
  const asked: Asked[] = []
  const learned: string[] = []
  let served = 0
  const store = {
    queues: async (which: Asked) => {
      asked.push(which)
      const { after = '', limit = all.length, ids } = which
      return ids
        ? all.filter(({ queue }) => ids.includes(queue.id))
        : all.filter(({ queue }) => queue.id > after).slice(0, limit)
    },
  }
  const waiting = { learn: (counts: readonly QueueCount[]) => void learned.push(...counts.map(({ queue }) => queue.id)) }
  const matcher = {
    serveAll: () => {
      served += 1
    },
  }
  const ports = { store, waiting, matcher } as unknown as Parameters<typeof learn>[0]
  return { asked, learned, ports, index: waiting as unknown as WaitingIndex, served: () => served }
}

const ids = (from: number, to: number): readonly string[] => Array.from({ length: to - from }, (_, at) => idAt(from + at))

describe('at a start', () => {
  it.each([
    [0, 1],
    [999, 1],
    [1000, 2],
    [2500, 3],
  ])('of %i task queues all are learned, each once, in %i readings of a thousand', async (count, readings) => {
    const { ports, index, learned, asked } = world(count)
    await learnAll(ports.store, index)
    expect(learned).toEqual(ids(0, count))
    expect(asked.map(({ limit }) => limit)).toEqual(Array(readings).fill(1000))
  })
})

describe('a step', () => {
  it('learns a thousand, goes on with the next ones and begins again; each time all pilots are served', async () => {
    const { ports, learned, served } = world(2500)
    const { step } = learn(ports)
    for (const [round, [from, to]] of [
      [0, 1000],
      [1000, 2000],
      [2000, 2500],
      [0, 1000],
    ].entries()) {
      learned.length = 0
      await step()
      expect(learned).toEqual(ids(from ?? 0, to ?? 0))
      expect(served()).toBe(round + 1)
    }
  })

  it('learns first what it was hinted at, once, and reads nothing for no hint', async () => {
    const { ports, learned, asked } = world(2500)
    const { step, hint } = learn(ports)
    hint([idAt(2400), idAt(2300)])
    hint([idAt(2400), 'unknown'])
    await step()
    expect(learned).toEqual([idAt(2300), idAt(2400), ...ids(0, 1000)])
    expect(asked[0]).toEqual({ ids: [idAt(2400), idAt(2300), 'unknown'] })
    asked.length = 0
    await step()
    expect(asked).toEqual([{ after: idAt(999), limit: 1000 }])
  })

  it('reads a thousand of the hinted ones at a time, and keeps ten thousand at most', async () => {
    const { ports, asked } = world(0)
    const { step, hint } = learn(ports)
    hint(ids(0, 12_000))
    const read: ClassId[] = []
    for (let round = 0; round < 12; round += 1) {
      asked.length = 0
      await step()
      const hinted = asked.flatMap((one) => one.ids ?? [])
      expect(hinted.length).toBe(round < 10 ? 1000 : 0)
      read.push(...hinted)
    }
    expect(read).toEqual(ids(0, 10_000))
  })
})
