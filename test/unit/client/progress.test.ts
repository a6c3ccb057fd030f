/** Progress bars: only on a terminal, not more often than a reader can see, and gone at the end. */

import { describe, expect, it } from 'vitest'
import { progressText, startProgress } from '../../../cli/output/progress.ts'
import { safeTerminal, streamTerminal } from '../../../cli/output/terminal.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

type Written = { readonly isTTY: boolean; readonly columns: number; write(text: string): boolean; readonly texts: string[] }

function output(isTTY: boolean): Written {
  const texts: string[] = []
  return { isTTY, columns: 80, texts, write: (text) => texts.push(text) > 0 }
}

function begin(isTTY: boolean) {
  const clock = virtualClock()
  const [stdout, stderr] = [output(false), output(isTTY)]
  const terminal = safeTerminal(streamTerminal(stdout as never, stderr as never, clock))
  return {
    clock,
    stdout,
    stderr,
    progress: startProgress(terminal, clock, { doing: 'uploading', total: 200, unit: 'jobs' }),
  }
}

describe('progress', () => {
  it('is drawn on a terminal, once per 100 ms however often it is reported', async () => {
    const { clock, stdout, stderr, progress } = begin(true)
    for (let done = 1; done <= 100; done += 1) progress.reached(done)
    expect(stderr.texts).toEqual(['uploading: [------------------------] 0% 1 of 200 jobs'])
    await clock.advance(100)
    progress.advanced(20)
    expect(stderr.texts.slice(1)).toEqual(['\r\u001b[K', 'uploading: [##############----------] 60% 120 of 200 jobs'])
    progress.end()
    progress.end()
    expect(stderr.texts.slice(3)).toEqual(['\r\u001b[K'])
    expect(stdout.texts).toEqual([])
  })

  it('is not drawn in a log or a pipe', async () => {
    const { clock, stderr, progress } = begin(false)
    for (let done = 1; done <= 10; done += 1) {
      progress.reached(done)
      await clock.advance(10_000)
    }
    progress.end()
    expect(stderr.texts).toEqual([])
  })

  it('says how much is left when that can be known', () => {
    const options = { doing: 'd', total: 4096, unit: 'bytes' } as const
    expect(progressText(options, 1024, 1000)).toBe('d: [######------------------] 25% 1 KiB of 4 KiB')
    expect(progressText(options, 1024, 10_000)).toBe('d: [######------------------] 25% 1 KiB of 4 KiB, 30 s left')
    expect(progressText({ ...options, total: undefined }, 1024, 10_000)).toBe('d: 1 KiB')
    expect(progressText({ ...options, total: 0 }, 0, 10_000)).toContain('100%')
  })
})
