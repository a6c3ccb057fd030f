import { expect, it } from 'vitest'
import { openTurns } from '../../../services/dashboard/turns.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const rules = { perSecond: 10, burst: 5, maxKeys: 3, maxWaiting: 20 }
const here = (): boolean => false

function open() {
  const clock = virtualClock()
  const turns = openTurns(clock, rules)
  const log: string[] = []
  const come = (key: string, name: string, isGone = here): Promise<void> =>
    turns.turn(key, isGone).then(
      () => void log.push(name),
      (error: { code: string }) => void log.push(`${name} ${error.code}`),
    )
  return { clock, turns, log, come }
}

it('lets a burst through at once, and the rest one by one in the order of coming', async () => {
  const { clock, turns, log, come } = open()
  for (let at = 0; at < 8; at += 1) come('one', String(at))
  await clock.settle()
  expect(log).toEqual(['0', '1', '2', '3', '4'])
  expect(turns.waiting()).toBe(3)
  await clock.advance(99)
  expect(log).toHaveLength(5)
  await clock.advance(1)
  expect(log.at(-1)).toBe('5')
  await clock.advance(200)
  expect(log).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
  // A pause gives the burst back, and no more than it.
  await clock.advance(60_000)
  for (let at = 0; at < 8; at += 1) come('one', 'later')
  await clock.settle()
  expect(log.filter((name) => name === 'later')).toHaveLength(5)
})

it('makes no address wait for another one', async () => {
  const { clock, log, come } = open()
  for (let at = 0; at < 15; at += 1) come('loud', 'loud')
  come('quiet', 'quiet')
  await clock.settle()
  expect(log.filter((name) => name === 'quiet')).toHaveLength(1)
})

it('spends no turn on who has gone', async () => {
  const { clock, log, come } = open()
  for (let at = 0; at < 5; at += 1) come('one', 'first')
  let isGone = false
  for (let at = 0; at < 10; at += 1) come('one', 'gone', () => isGone)
  come('one', 'last')
  isGone = true
  await clock.advance(100)
  expect(log.slice(5)).toEqual([...Array.from({ length: 10 }, () => 'gone cancelled'), 'last'])
})

it('keeps no more waiting than it may: those who have gone make room, then the newcomer is refused', async () => {
  const { clock, turns, log, come } = open()
  let isGone = false
  for (let at = 0; at < 25; at += 1) come('one', 'old', () => isGone)
  come('one', 'one too many')
  await clock.settle()
  expect(log.at(-1)).toBe('one too many overloaded')
  isGone = true
  come('one', 'new')
  await clock.settle()
  expect(turns.waiting()).toBe(1)
  await clock.advance(100)
  expect(log.at(-1)).toBe('new')
})

it('forgets addresses at which nothing waits, and refuses what waits when it ends', async () => {
  const { clock, turns, log, come } = open()
  for (let at = 0; at < 8; at += 1) come('waits', 'waiting')
  for (let at = 0; at < 1000; at += 1) come(`address ${at}`, 'passing')
  await clock.settle()
  expect(turns.waiting()).toBe(3)
  turns.stop()
  await clock.settle()
  expect(log.filter((name) => name === 'waiting cancelled')).toHaveLength(3)
  expect([turns.waiting(), clock.nextMs()]).toEqual([0, Infinity])
})
