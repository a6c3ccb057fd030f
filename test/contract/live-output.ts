/** What every home of live output must do. An adapter's test calls this with a way to open an empty one. */

import { describe, expect, it } from 'vitest'
import type { JobId, VmId } from '../../core/kernel/ids.ts'
import { liveOutputLimits, outputBytes, outputChunkBytes } from '../../core/kernel/limits.ts'
import type { LiveOutput } from '../../core/ports/live-output.ts'

const output = (jobId = 1, name: 'stdout' | 'stderr' = 'stdout') => ({ jobId: jobId as JobId, attempt: 1, name })
const vmId = 'vm-aaaaaaaaaa' as VmId
const text = (words: string): Uint8Array => Buffer.from(words)

async function want(live: LiveOutput, nowMs: number, jobId = 1): Promise<void> {
  await live.want({ ...output(jobId), vmId, untilMs: nowMs + liveOutputLimits.interestMs }, nowMs)
}

async function read(live: LiveOutput, offset = 0, jobId = 1): Promise<string> {
  return Buffer.from((await live.read(output(jobId), offset)).data).toString()
}

export function liveOutputContract(name: string, open: () => Promise<LiveOutput>): void {
  describe(`live output: ${name}`, () => {
    it('keeps what a user reads, and nothing else', async () => {
      const live = await open()
      expect(await live.append(output(), 0, text('lost'), true, 1000)).toEqual({ bytes: 0, isWanted: false })
      await want(live, 1000)
      expect(await live.wanted(1000)).toEqual([{ ...output(), vmId, untilMs: 1000 + liveOutputLimits.interestMs }])
      expect(await live.read(output(), 0)).toMatchObject({ isCaughtUp: false })
      expect(await live.append(output(), 0, text('one '), false, 1000)).toEqual({ bytes: 4, isWanted: true })
      expect(await live.append(output(), 4, text('two'), true, 1000)).toEqual({ bytes: 7, isWanted: true })
      expect(await read(live)).toBe('one two')
      expect(await read(live, 2)).toBe('e two')
      expect(await read(live, 5)).toBe('wo')
      expect(await live.read(output(), 7)).toMatchObject({ isCaughtUp: true })
      expect(await read(live, 100)).toBe('')
      expect(await live.append(output(1, 'stderr'), 0, text('no'), true, 1000)).toMatchObject({ isWanted: false })
      expect(await live.append(output(2), 0, text('no'), true, 1000)).toMatchObject({ isWanted: false })
    })

    it('says that there is more to come until the pilot has caught up', async () => {
      const live = await open()
      await want(live, 0)
      await live.append(output(), 0, text(''), true, 0)
      expect(await live.read(output(), 0)).toMatchObject({ isCaughtUp: true })
      await live.append(output(), 0, text('more'), false, 0)
      expect(await live.read(output(), 4)).toMatchObject({ isCaughtUp: false })
    })

    it('answers a pilot that begins elsewhere where to go on, and keeps each byte once', async () => {
      const live = await open()
      await want(live, 0)
      await live.append(output(), 0, text('abc'), true, 0)
      expect(await live.append(output(), 0, text('abc'), true, 0)).toEqual({ bytes: 3, isWanted: true })
      expect(await live.append(output(), 9, text('xyz'), true, 0)).toEqual({ bytes: 3, isWanted: true })
      expect(await read(live)).toBe('abc')
    })

    it('keeps one of two pieces that come for the same place', async () => {
      const live = await open()
      await want(live, 0)
      const kept = await Promise.all(['abc', 'abcdef'].map((words) => live.append(output(), 0, text(words), true, 0)))
      const whole = await read(live)
      expect(['abc', 'abcdef']).toContain(whole)
      expect(Math.max(...kept.map(({ bytes }) => bytes))).toBe(whole.length)
    })

    it('ends an interest by its time, is renewed, and removes what no user reads', async () => {
      const live = await open()
      await want(live, 0)
      await live.append(output(), 0, text('abc'), true, 0)
      const endMs = liveOutputLimits.interestMs
      await want(live, endMs - 1)
      expect(await live.wanted(endMs)).toHaveLength(1)
      expect(await live.append(output(), 3, text('def'), true, endMs)).toEqual({ bytes: 6, isWanted: true })
      expect(await live.wanted(2 * endMs)).toEqual([])
      expect(await live.append(output(), 6, text('ghi'), true, 2 * endMs)).toMatchObject({ isWanted: false })
      // A user who comes back soon finds it as it was; later it begins anew.
      expect(await read(live)).toBe('abcdef')
      const laterMs = 2 * endMs + liveOutputLimits.keepMs + 1
      expect(await live.wanted(laterMs)).toEqual([])
      expect(await read(live)).toBe('')
      await want(live, laterMs)
      expect(await live.append(output(), 0, text('new'), true, laterMs)).toEqual({ bytes: 3, isWanted: true })
      expect(await read(live)).toBe('new')
    })

    it('gives pieces of at most 64 KiB, from any offset, and keeps no more than an output may have', async () => {
      const live = await open()
      await want(live, 0)
      const whole = Buffer.alloc(outputBytes, 'abcdefghijklmnopqrstuvwxyz0123456789-')
      let at = 0
      for (const size of [1, 1000, outputChunkBytes, 3]) {
        await live.append(output(), at, whole.subarray(at, at + size), false, 0)
        at += size
      }
      for (const from of [0, 1, 2, 1000, 1001, 1002, outputChunkBytes + 1000, at - 1]) {
        const { data } = await live.read(output(), from)
        expect(data.length).toBeGreaterThan(0)
        expect(data.length).toBeLessThanOrEqual(outputChunkBytes)
        expect(Buffer.compare(data, whole.subarray(from, from + data.length))).toBe(0)
      }
      while (at < outputBytes) {
        const { bytes } = await live.append(output(), at, whole.subarray(at, at + outputChunkBytes), false, 0)
        expect(bytes).toBeGreaterThan(at)
        at = bytes
      }
      expect(await live.append(output(), outputBytes, text('beyond'), true, 0)).toMatchObject({ bytes: outputBytes })
    })

    it('reads on behind many small pieces', async () => {
      const live = await open()
      await want(live, 0)
      for (let at = 0; at < 300; at += 1) await live.append(output(), at, text('x'), at === 299, 0)
      let read = 0
      for (let piece = await live.read(output(), 0); piece.data.length > 0; piece = await live.read(output(), read))
        read += piece.data.length
      expect(read).toBe(300)
    })

    it('is read by a bounded number of users at a time', async () => {
      const live = await open()
      for (let jobId = 1; jobId <= liveOutputLimits.inAll; jobId += 1) await want(live, 0, jobId)
      await expect(want(live, 0, 1000)).rejects.toMatchObject({ code: 'overloaded', retryAfterMs: liveOutputLimits.keepMs })
      // One that is there is renewed all the same.
      await want(live, 1)
      const laterMs = liveOutputLimits.interestMs + liveOutputLimits.keepMs + 2
      await want(live, laterMs, 1000)
      expect(await live.wanted(laterMs)).toHaveLength(1)
    })
  })
}
