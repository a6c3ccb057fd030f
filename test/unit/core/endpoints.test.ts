import { describe, expect, it } from 'vitest'
import { maxEndpoints, isLoopback, parseEndpoints, takeTurns, type Turns } from '../../../core/kernel/endpoints.ts'
import { seededRandom } from '../../../core/kernel/random.ts'

describe('endpoints', () => {
  it.each([
    ['a:1', ['a:1']],
    ['a.example:7400, [2001:db8::1]:7400,10.0.0.1:65535', ['a.example:7400', '[2001:db8::1]:7400', '10.0.0.1:65535']],
    ['', undefined],
    ['a', undefined],
    ['a:', undefined],
    ['a:0', undefined],
    ['a:65536', undefined],
    ['a:1,', undefined],
    ['a:1,,b:1', undefined],
    ['a b:1', undefined],
    ['http://a:1', undefined],
    ['2001:db8::1:7400', undefined],
    [Array.from({ length: maxEndpoints + 1 }, () => 'a:1').join(), undefined],
  ])('%j are %j', (text, expected) => {
    expect(parseEndpoints(text)).toEqual(expected)
  })

  it.each([
    ['127.0.0.1:1', true],
    ['127.9.9.9:1', true],
    ['localhost:1', true],
    ['[::1]:1', true],
    ['127.0.0.1.example:1', false],
    ['10.0.0.1:1', false],
  ])('%s is on loopback: %s', (endpoint, expected) => {
    expect(isLoopback(endpoint)).toBe(expected)
  })
})

const fail = (turns: Turns): boolean => turns.failed(turns.current())

describe('turns', () => {
  it('stay with the one that works, and try each of the others once before a pause', () => {
    const turns = takeTurns(['a:1', 'b:1', 'c:1'], seededRandom(1))
    const first = turns.current()
    turns.worked(turns.current())
    expect(turns.current()).toBe(first)
    expect(fail(turns)).toBe(true)
    const second = turns.current()
    expect(fail(turns)).toBe(true)
    expect([first, second, turns.current()].sort()).toEqual(['a:1', 'b:1', 'c:1'])
    expect(fail(turns)).toBe(false)
    expect(turns.current()).toBe(first)
    expect([fail(turns), fail(turns), fail(turns)]).toEqual([true, true, false])
  })

  it('begin anew with every success', () => {
    const turns = takeTurns(['a:1', 'b:1'], seededRandom(2))
    expect(fail(turns)).toBe(true)
    turns.worked(turns.current())
    expect([fail(turns), fail(turns)]).toEqual([true, false])
  })

  it('move on once, however many callers saw the same one fail', () => {
    const turns = takeTurns(['a:1', 'b:1'], seededRandom(3))
    const dead = turns.current()
    expect([turns.failed(dead), turns.failed(dead), turns.failed(dead)]).toEqual([true, true, true])
    expect(turns.current()).not.toBe(dead)
    turns.worked(dead)
    expect(fail(turns)).toBe(false)
  })

  it('of one endpoint are all pauses', () => {
    const turns = takeTurns(['a:1'], seededRandom(1))
    expect([fail(turns), fail(turns), turns.current()]).toEqual([false, false, 'a:1'])
  })

  it('spread callers over the endpoints, and over those that are left', () => {
    const first = new Map<string, number>()
    const afterA = new Map<string, number>()
    const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1)
    for (let seed = 0; seed < 3000; seed += 1) {
      const turns = takeTurns(['a:1', 'b:1', 'c:1'], seededRandom(seed))
      count(first, turns.current())
      if (turns.current() !== 'a:1') continue
      fail(turns)
      count(afterA, turns.current())
    }
    for (const times of first.values()) expect(times).toBeGreaterThan(850)
    expect(first.size).toBe(3)
    for (const times of afterA.values()) expect(times).toBeGreaterThan(400)
    expect([...afterA.keys()].sort()).toEqual(['b:1', 'c:1'])
  })
})
