import { describe, expect, it } from 'vitest'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { Fact } from '../../../core/model/fact-shapes.ts'
import { publishFacts } from '../../../services/run/publish-facts.ts'

const fact = (seq: number): Fact => ({ seq, atMs: seq, subject: `job:${seq}`, kind: 'Waiting', data: {} })

/** A store with these facts, and a stream that takes them, or fails at some of its calls. */
function openPorts(seqs: readonly number[], { failAt = [] as readonly number[] } = {}) {
  const notes = new Map<string, string>()
  const facts = seqs.map(fact)
  const asked: number[] = []
  const calls: number[][] = []
  return {
    notes,
    facts,
    asked,
    calls,
    published: () => calls.flat(),
    store: {
      async facts(afterSeq: number, limit: number) {
        asked.push(afterSeq)
        return afterSeq === -1 ? facts.slice(-limit) : facts.filter(({ seq }) => seq > afterSeq).slice(0, limit)
      },
      note: async (name: string) => notes.get(name),
      keepNote: async (name: string, text: string) => void notes.set(name, text),
    },
    stream: {
      async publish(batch: readonly Fact[]) {
        calls.push(batch.map(({ seq }) => seq))
        if (failAt.includes(calls.length)) throw new PilotageError('unavailable', 'the stream is away')
      },
    },
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at)

describe('publishing facts', () => {
  it('begins before the first one, and publishes all of them in order', async () => {
    const ports = openPorts(range(1, 2500))
    expect(await publishFacts(ports)).toBe(2500)
    expect(ports.published()).toEqual(range(1, 2500))
    expect(ports.asked[0]).toBe(0)
    expect(ports.notes.get('facts:published')).toBe('2500')
  })

  it('goes on behind the last one, over gaps', async () => {
    const ports = openPorts([1, 2, 5])
    await publishFacts(ports)
    expect(await publishFacts(ports)).toBe(0)
    ports.facts.push(fact(9), fact(12))
    expect(await publishFacts(ports)).toBe(2)
    expect(ports.published()).toEqual([1, 2, 5, 9, 12])
  })

  it('publishes what came while it was publishing', async () => {
    const ports = openPorts([1, 2])
    const { publish } = ports.stream
    ports.stream.publish = async (batch) => {
      await publish(batch)
      if (ports.calls.length === 1) ports.facts.push(fact(3))
    }
    expect(await publishFacts(ports)).toBe(3)
    expect(ports.notes.get('facts:published')).toBe('3')
  })

  it('keeps its place where the stream fails, and publishes those again', async () => {
    const ports = openPorts(range(1, 1500), { failAt: [2] })
    await expect(publishFacts(ports)).rejects.toMatchObject({ code: 'unavailable' })
    expect(ports.notes.get('facts:published')).toBe('1000')
    expect(await publishFacts(ports)).toBe(500)
    expect(ports.calls.map((call) => call[0])).toEqual([1, 1001, 1001])
  })

  it('publishes a batch again whose place could not be kept', async () => {
    const ports = openPorts(range(1, 10))
    const { keepNote } = ports.store
    ports.store.keepNote = () => Promise.reject(new PilotageError('unavailable', 'the store is unreachable'))
    await expect(publishFacts(ports)).rejects.toMatchObject({ code: 'unavailable' })
    ports.store.keepNote = keepNote
    await publishFacts(ports)
    expect(ports.published()).toEqual([...range(1, 10), ...range(1, 10)])
  })

  it('ends behind a batch when it is asked to', async () => {
    const ports = openPorts(range(1, 2500))
    const leaving = new AbortController()
    const { publish } = ports.stream
    ports.stream.publish = async (batch) => {
      await publish(batch)
      leaving.abort()
    }
    expect(await publishFacts(ports, leaving.signal)).toBe(1000)
    expect(ports.notes.get('facts:published')).toBe('1000')
    expect(await publishFacts(ports, leaving.signal)).toBe(0)
  })

  it('stops at a note that is no place', async () => {
    const ports = openPorts([1])
    ports.notes.set('facts:published', 'x')
    await expect(publishFacts(ports)).rejects.toThrow('assertion failed')
    expect(ports.calls).toEqual([])
  })
})
