/** When a loop takes its step: by its period, by a hint, after a failure, and never two at once. */

import { describe, expect, it } from 'vitest'
import { type LoopOptions, startLoop } from '../../../services/coordination/loop.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

type Run = { readonly endsAfterMs?: number; readonly fails?: boolean }

function started({ endsAfterMs = 0, fails = false }: Run, options: Partial<LoopOptions> = {}) {
  const clock = virtualClock(0)
  const began: number[] = []
  const errors: unknown[] = []
  let running = 0
  let maxRunning = 0
  const loop = startLoop({
    clock,
    periodMs: 1000,
    onError: (error) => errors.push(error),
    step: async () => {
      began.push(clock.monotonicMs())
      running += 1
      maxRunning = Math.max(maxRunning, running)
      if (endsAfterMs > 0) await new Promise<void>((resolve) => void clock.after(endsAfterMs, resolve))
      running -= 1
      if (fails) throw new Error('planted')
    },
    ...options,
  })
  return { clock, began, errors, loop, maxRunning: () => maxRunning }
}

describe('a loop', () => {
  it('steps at once, and then each period after the end of a step', async () => {
    const { clock, began } = started({ endsAfterMs: 300 })
    await clock.advance(3000)
    expect(began).toEqual([0, 1300, 2600])
  })

  it('that is steady counts its period from the beginning of a step', async () => {
    const { clock, began } = started({ endsAfterMs: 300 }, { isSteady: true })
    await clock.advance(2500)
    expect(began).toEqual([0, 1000, 2000])
  })

  it('that is steady keeps the least time after a step that took longer than its period', async () => {
    const { clock, began } = started({ endsAfterMs: 1500 }, { isSteady: true, minMs: 100 })
    await clock.advance(3300)
    expect(began).toEqual([0, 1600, 3200])
  })

  it('steps soon after a hint, and a hundred hints are one step', async () => {
    const { clock, began, loop } = started({}, { minMs: 50 })
    await clock.advance(400)
    for (let at = 0; at < 100; at += 1) loop.wake()
    await clock.advance(500)
    expect(began).toEqual([0, 450])
    await clock.advance(1000)
    expect(began).toEqual([0, 450, 1450])
  })

  it('steps once more after a hint that came while a step ran', async () => {
    const { clock, began, loop, maxRunning } = started({ endsAfterMs: 300 }, { minMs: 50 })
    await clock.advance(100)
    loop.wake()
    loop.wake()
    await clock.advance(800)
    expect(began).toEqual([0, 350])
    expect(maxRunning()).toBe(1)
  })

  it('hands on a failure and comes again', async () => {
    const { clock, began, errors } = started({ fails: true })
    await clock.advance(1000)
    expect(began).toEqual([0, 1000])
    expect(errors).toEqual([new Error('planted'), new Error('planted')])
  })

  it('that is stopped waits for its step, and takes no other', async () => {
    const { clock, began, loop } = started({ endsAfterMs: 300 })
    await clock.advance(100)
    let isStopped = false
    const stopped = loop.stop().then(() => {
      isStopped = true
    })
    await clock.settle()
    expect(isStopped).toBe(false)
    await clock.advance(300)
    await stopped
    loop.wake()
    await clock.advance(5000)
    expect(began).toEqual([0])
    expect(clock.nextMs()).toBe(Number.POSITIVE_INFINITY)
  })

  it('that is stopped between two steps takes no other', async () => {
    const { clock, began, loop } = started({})
    await clock.advance(500)
    await loop.stop()
    await clock.advance(5000)
    expect(began).toEqual([0])
  })
})
