import { describe, expect, it } from 'vitest'
import { simProcess } from '../../sim/process.ts'
import { timeline } from '../../sim/timeline.ts'

describe('a timeline', () => {
  it('runs events by time, and those of one moment in the order in which they were made', async () => {
    const time = timeline()
    const seen: string[] = []
    for (const [ms, name] of [
      [20, 'c'],
      [10, 'a'],
      [10, 'b'],
      [30, 'd'],
    ] as const)
      time.after(ms, () => seen.push(`${name}${time.nowMs()}`))
    time.after(15, () => seen.push('never')).cancel()
    await time.run(() => false)
    expect(seen).toEqual(['a10', 'b10', 'c20', 'd30'])
    expect(time.steps()).toBe(4)
  })

  it('lets every promise go on before the next event', async () => {
    const time = timeline()
    const seen: number[] = []
    const deep = async (): Promise<void> => {
      for (let hop = 0; hop < 50; hop += 1) await null
      seen.push(1)
    }
    time.after(1, () => void deep())
    time.after(1, () => seen.push(2))
    await time.run(() => false)
    expect(seen).toEqual([1, 2])
  })

  it('ends at the given time, and with the error that an event throws', async () => {
    const time = timeline()
    time.after(1, () => {})
    time.after(2, () => {
      throw new Error('a bug')
    })
    await time.run(() => time.nowMs() === 1)
    expect(time.nowMs()).toBe(1)
    await expect(time.run(() => false)).rejects.toThrow('a bug')
  })
})

describe('a process', () => {
  it('does later what came while it was stalled, in order, and nothing once it is dead', async () => {
    const time = timeline()
    const process = simProcess({ timeline: time })
    const seen: string[] = []
    const note = (name: string) => (): void => {
      seen.push(`${name} ${time.nowMs()}`)
    }
    time.after(1, () => process.stall(10))
    process.deliver(2, note('first'))
    process.deliver(3, note('second'))
    process.deliver(20, note('third'))
    time.after(30, () => process.kill())
    process.deliver(40, note('never'))
    await time.run(() => false)
    expect(seen).toEqual(['first 11', 'second 11', 'third 20'])
  })

  it('dies with what it runs on', async () => {
    const time = timeline()
    let isThere = true
    const process = simProcess({ timeline: time, isGrounded: () => isThere })
    const seen: number[] = []
    process.deliver(1, () => seen.push(1))
    time.after(2, () => {
      isThere = false
    })
    process.deliver(3, () => seen.push(3))
    await time.run(() => false)
    expect(seen).toEqual([1])
  })
})
