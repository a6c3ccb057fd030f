import { afterEach, expect, it } from 'vitest'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { type Health, startHealth } from '../../../services/api/http/health.ts'
import { startReadiness } from '../../../services/run/readiness.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

let health: Health | undefined
afterEach(() => health?.stop())

function aStore() {
  const store = {
    mode: 'answers' as 'answers' | 'fails' | 'hangs',
    asked: 0,
    note: (): Promise<string | undefined> => {
      store.asked += 1
      if (store.mode === 'hangs') return new Promise(() => {})
      return store.mode === 'fails'
        ? Promise.reject(new PilotageError('unavailable', 'no primary'))
        : Promise.resolve(undefined)
    },
  }
  return store
}

it('is what the store last said, and false while it says nothing', async () => {
  const clock = virtualClock()
  const store = aStore()
  const heard: boolean[] = []
  const readiness = startReadiness(store, clock)
  const stop = readiness.watch((ready) => heard.push(ready))
  expect(readiness.isReady()).toBe(false)
  await clock.advance(10)
  await readiness.asked
  expect(readiness.isReady()).toBe(true)
  store.mode = 'fails'
  await clock.advance(2100)
  expect(readiness.isReady()).toBe(false)
  store.mode = 'answers'
  await clock.advance(2100)
  expect(readiness.isReady()).toBe(true)
  store.mode = 'hangs'
  await clock.advance(6000)
  expect(readiness.isReady()).toBe(false)
  expect(heard).toEqual([false, true, false, true, false])
  stop()
  store.mode = 'answers'
  await clock.advance(6000)
  expect(heard).toHaveLength(5)
  await readiness.stop()
})

it('is answered over HTTP, and nothing else is', async () => {
  let ready = false
  health = await startHealth('127.0.0.1', 0, () => ready)
  const url = `http://127.0.0.1:${health.port}`
  const asked = async (path: string, method = 'GET') => {
    const answer = await fetch(`${url}${path}`, { method })
    return [answer.status, await answer.text()]
  }
  expect(await asked('/health')).toEqual([503, '{"ready":false}'])
  ready = true
  expect(await asked('/health')).toEqual([200, '{"ready":true}'])
  expect(await asked('/health?now', 'HEAD')).toEqual([200, ''])
  expect((await asked('/'))[0]).toBe(404)
  expect((await asked('/health', 'POST'))[0]).toBe(404)
  await expect(startHealth('127.0.0.1', health.port, () => true)).rejects.toMatchObject({ code: 'unavailable' })
  await health.stop()
  const gone = () =>
    fetch(`${url}/health`).then(
      () => false,
      () => true,
    )
  expect(await until(systemClock(), gone, { withinMs: 2000 })).toBe(true)
})
