/**
 * What drivers share: one create per id, a look after an unknown outcome, look-ups kept for a while, one thing of a name.
 */

import { describe, expect, it } from 'vitest'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { consoleBytes } from '../../../core/kernel/limits.ts'
import { consoleTail } from '../../../services/adapters/cloud/kit/console-tail.ts'
import { createOnce, createOrFind } from '../../../services/adapters/cloud/kit/create-once.ts'
import { deadline, inTime, shortened } from '../../../services/adapters/cloud/kit/deadline.ts'
import { lookUpCache } from '../../../services/adapters/cloud/kit/look-up-cache.ts'
import { onlyOne } from '../../../services/adapters/cloud/kit/only-one.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const vmId = 'vm-abcdefgh23' as VmId
const transient = new PilotageError('cloud-transient', 'no answer')

describe('creates', () => {
  it('run once per id at a time, and again afterwards', async () => {
    const creating = createOnce<number>()
    let made = 0
    const create = async (): Promise<number> => ++made
    const both = [creating.run(vmId, create), creating.run(vmId, create)]
    expect([creating.isRunning(vmId), creating.running()]).toEqual([true, [vmId]])
    expect(await Promise.all(both)).toEqual([1, 1])
    expect(creating.isRunning(vmId)).toBe(false)
    expect(await creating.run(vmId, create)).toBe(2)
  })

  it('look for the VM after an unknown outcome, and only then', async () => {
    const fail = (error: unknown) => async (): Promise<string> => {
      throw error
    }
    expect(await createOrFind(fail(transient), async () => 'found')).toBe('found')
    await expect(createOrFind(fail(transient), async () => undefined)).rejects.toBe(transient)
    await expect(createOrFind(fail(transient), fail(new Error('broken')))).rejects.toBe(transient)
    const refused = new PilotageError('cloud-refused', 'no')
    await expect(createOrFind(fail(refused), async () => 'found')).rejects.toBe(refused)
  })
})

describe('a look-up', () => {
  it('is shared while it runs, kept for five minutes, and not kept when it fails', async () => {
    const clock = virtualClock()
    const cache = lookUpCache(clock)
    let asked = 0
    const lookUp = async (): Promise<number> => ++asked
    expect(await Promise.all([cache.get('a', lookUp), cache.get('a', lookUp), cache.get('b', lookUp)])).toEqual([1, 1, 2])
    await clock.advance(5 * 60_000 - 1)
    expect(await cache.get('a', lookUp)).toBe(1)
    await clock.advance(1)
    expect(await cache.get('a', lookUp)).toBe(3)
    cache.forget('a')
    expect(await cache.get('a', lookUp)).toBe(4)
    await expect(cache.get('c', () => Promise.reject(transient))).rejects.toBe(transient)
    expect(await cache.get('c', lookUp)).toBe(5)
  })

  it('that lacks what is wanted is made once more before it is refused, and only where it was kept', async () => {
    const cache = lookUpCache(virtualClock())
    const lists = [['a'], ['a'], ['a', 'b'], ['a', 'b']]
    let asked = 0
    const lookUp = async (): Promise<readonly string[]> => lists[asked++] ?? []
    const find = (name: string) =>
      cache.find('list', lookUp, (list) =>
        onlyOne(
          list.filter((one) => one === name),
          name,
          (id) => id,
        ),
      )
    await expect(find('b')).rejects.toThrow('there is no b')
    expect(asked).toBe(1)
    await expect(find('b')).rejects.toThrow('there is no b')
    expect(asked).toBe(2)
    // All of them lacked it in the same list: it is read once for all.
    expect(await Promise.all([find('b'), find('b'), find('a')])).toEqual(['b', 'b', 'a'])
    expect(asked).toBe(3)
    const broken = cache.find('list', lookUp, () => {
      throw transient
    })
    await expect(broken).rejects.toBe(transient)
    expect(asked).toBe(3)
  })

  it('finds exactly one thing of a name', () => {
    const idOf = (id: string): string => id
    expect(onlyOne(['1'], 'image x', idOf)).toBe('1')
    expect(() => onlyOne([], 'image x', idOf)).toThrow('there is no image x')
    expect(() => onlyOne(['1', '2'], 'image x', idOf)).toThrow('there are several of image x: 1, 2;')
    expect(() => onlyOne([...'123456'], 'image x', idOf)).toThrow('1, 2, 3, 4, 5, ...;')
  })
})

describe('the time of a call', () => {
  it('is one for all of its requests', async () => {
    const clock = virtualClock()
    const until = deadline(clock, 1000)
    await clock.advance(400)
    expect(until.leftMs('listing')).toBe(600)
    expect(shortened(until, clock, 200, 'listing').leftMs('listing')).toBe(400)
    expect(shortened(until, clock, 550, 'listing').leftMs('listing')).toBe(300)
    await clock.advance(600)
    expect(() => until.leftMs('listing')).toThrow('listing: no time left')
  })

  it('ends the wait for work that goes on', async () => {
    const clock = virtualClock()
    const late = inTime(new Promise<string>(() => {}), clock, 50, 'listing')
    late.catch(() => {})
    await clock.advance(50)
    await expect(late).rejects.toMatchObject({ code: 'cloud-transient' })
    expect(await inTime(Promise.resolve('done'), clock, 50, 'listing')).toBe('done')
  })
})

it('keeps the end of a console, in whole letters', () => {
  expect(consoleTail('short')).toBe('short')
  const tail = consoleTail('é'.repeat(consoleBytes))
  expect([Buffer.byteLength(tail), tail.includes('\uFFFD')]).toEqual([consoleBytes, false])
  expect(Buffer.byteLength(consoleTail(Buffer.alloc(2 * consoleBytes, 0xff)))).toBeLessThanOrEqual(consoleBytes)
})
