/** The bus over NATS, between processes as they see it: two connections to a real server, which comes and goes. */

import { connect } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock, until } from '../../core/kernel/clock.ts'
import type { Bus, Hint } from '../../core/ports/bus.ts'
import type { Log } from '../../core/ports/log.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { localBus } from '../../services/adapters/bus/local/local-bus.ts'
import { type NatsBus, type NatsBusOptions, natsBus } from '../../services/adapters/bus/nats/nats-bus.ts'
import { busContract } from '../contract/bus.ts'
import type { NatsServer } from './nats-servers.ts'
import { startNats, whyNotOurs } from './servers.ts'

const clock = systemClock()
const random = systemRandom()
const within = { withinMs: 60_000 }

const opened: NatsBus[] = []
let server: NatsServer
let lines: { readonly level: string; readonly fields: object; readonly message: string }[] = []

beforeAll(async () => {
  server = await startNats()
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map((bus) => bus.close()))
  lines = []
})

afterAll(() => server.stop())

function keepingLog(): Log {
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, fields, message })
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), with: () => log }
  return log
}

function openBus(installation: string, more: Partial<NatsBusOptions> = {}): NatsBus {
  const log = keepingLog()
  const bus = natsBus({ servers: [server.url], installation, own: localBus(clock), clock, random, log, ...more })
  opened.push(bus)
  return bus
}

function heardBy(bus: Bus, kind: Hint['kind'] = 'jobs'): Hint['ids'][number][] {
  const ids: Hint['ids'][number][] = []
  bus.listen(kind, (heard) => void ids.push(...heard))
  return ids
}

/** A bus that gets another's marker knows that the server has what the other one subscribed to before. */
async function settled(one: Bus, other: Bus): Promise<void> {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    const marker = `marker-${random.letters(8)}`
    const ids: Hint['ids'][number][] = []
    const stop = to.listen('clouds', (heard) => void ids.push(...heard))
    const isHeard = (): boolean => {
      if (ids.includes(marker)) return true
      from.hint({ kind: 'clouds', ids: [marker] })
      return false
    }
    expect(await until(clock, isHeard, within)).toBe(true)
    stop()
  }
}

busContract('nats', async () => {
  const installation = server.newPrefix()
  const [here, there] = [openBus(installation), openBus(installation)]
  await settled(here, there)
  return { here, there, settled: () => settled(here, there), close: async () => {} }
})

describe('with other installations and strangers', () => {
  it('hears its own installation only', async () => {
    const [mine, other] = [server.newPrefix(), server.newPrefix()]
    const [here, there, elsewhere] = [openBus(mine), openBus(mine), openBus(other)]
    const [near, far] = [heardBy(there), heardBy(elsewhere)]
    await settled(here, there)
    here.hint({ kind: 'jobs', ids: [1] })
    expect(await until(clock, () => near.length > 0, within)).toBe(true)
    expect(far).toEqual([])
  })

  it('drops and counts what is no hint', async () => {
    const installation = server.newPrefix()
    const [here, there] = [openBus(installation), openBus(installation)]
    const heard = heardBy(there)
    await settled(here, there)
    const stranger = await connect({ servers: server.url })
    const subject = `pilotage.${installation}.hint.jobs`
    const ids = (count: number): string => JSON.stringify({ ids: Array.from({ length: count }, (_, at) => at) })
    const wrong = ['', '{', 'null', '[]', '{"ids":{}}', '{"ids":[]}', '{"ids":[1.5]}', '{"ids":[[1]]}', '{"ids":["\\n"]}']
    const large = [ids(501), JSON.stringify({ ids: [1], more: 'x'.repeat(70_000) })]
    for (const message of [...wrong, ...large, Buffer.from([0xff]), ids(500)]) stranger.publish(subject, message)
    await stranger.drain()
    expect(await until(clock, () => heard.length > 0, within)).toBe(true)
    expect(heard).toHaveLength(500)
    const counts = lines.filter(({ message }) => message.includes('are no hints')).map(({ fields }) => fields)
    expect(counts).toEqual([{ count: 1 }, { count: 2 }, { count: 4 }, { count: 8 }])
  })
})

describe('without a server', () => {
  it('starts, hints within the process, and joins the others when the server comes', async (context) => {
    context.skip(whyNotOurs('nats-server') !== undefined, whyNotOurs('nats-server'))
    const late = await startNats()
    try {
      await late.quit()
      const installation = server.newPrefix()
      const open = (): NatsBus => openBus(installation, { servers: [late.url] })
      const [here, there] = [open(), open()]
      const [own, other] = [heardBy(here), heardBy(there)]
      here.hint({ kind: 'jobs', ids: [1] })
      expect(await until(clock, () => own.length > 0, within)).toBe(true)
      expect(await until(clock, () => lines.some(({ message }) => message === 'NATS is away'), within)).toBe(true)
      await late.start()
      await settled(here, there)
      here.hint({ kind: 'jobs', ids: [2] })
      expect(await until(clock, () => other.length > 0, within)).toBe(true)
      // What was hinted while it was away is gone, and nothing came twice.
      expect([own, other]).toEqual([[1, 2], [2]])
    } finally {
      await late.stop()
    }
  })

  it('closes', async () => {
    const bus = openBus(server.newPrefix(), { servers: ['127.0.0.1:1'] })
    const heard = heardBy(bus)
    await bus.close()
    bus.hint({ kind: 'jobs', ids: [1] })
    expect(await until(clock, () => heard.length > 0, within)).toBe(true)
  })
})

describe('a server that goes and comes back', () => {
  it('is logged once each way, and hints flow again', async (context) => {
    context.skip(whyNotOurs('nats-server') !== undefined, whyNotOurs('nats-server'))
    const own = await startNats()
    try {
      const installation = server.newPrefix()
      const open = (): NatsBus => openBus(installation, { servers: [own.url] })
      const [here, there] = [open(), open()]
      const heard = heardBy(there)
      await settled(here, there)
      for (const round of [1, 2]) {
        await own.kill()
        const aways = (): number => lines.filter(({ message }) => message === 'NATS is away').length
        expect(await until(clock, () => aways() === 2 * round, within)).toBe(true)
        here.hint({ kind: 'jobs', ids: ['lost'] })
        await own.start()
        await settled(here, there)
        here.hint({ kind: 'jobs', ids: [round] })
        expect(await until(clock, () => heard.includes(round), within)).toBe(true)
      }
      expect(heard).toEqual([1, 2])
      expect(lines.filter(({ message }) => message === 'NATS is back')).toHaveLength(4)
    } finally {
      await own.stop()
    }
  })

  it('hangs: hints are dropped before they pile up, and it is given up', async (context) => {
    context.skip(whyNotOurs('nats-server') !== undefined, whyNotOurs('nats-server'))
    const own = await startNats()
    try {
      const installation = server.newPrefix()
      const open = (): NatsBus => openBus(installation, { servers: [own.url] })
      const [here, there] = [open(), open()]
      await settled(here, there)
      process.kill(own.pid, 'SIGSTOP')
      const names = Array.from({ length: 500 }, (_, at) => `${'x'.repeat(100)}${at}`)
      const isDropping = (): boolean => lines.some(({ message }) => message.includes('does not take'))
      const untilDropping = (): boolean => {
        here.hint({ kind: 'jobs', ids: names })
        return isDropping()
      }
      expect(await until(clock, untilDropping, { ...within, everyMs: 1 })).toBe(true)
      expect(await until(clock, () => lines.some(({ message }) => message === 'NATS is away'), within)).toBe(true)
      process.kill(own.pid, 'SIGCONT')
      await settled(here, there)
    } finally {
      process.kill(own.pid, 'SIGCONT')
      await own.stop()
    }
  })
})

describe('credentials', () => {
  it('are accepted by the server, and written in no log line', async (context) => {
    context.skip(whyNotOurs('nats-server') !== undefined, whyNotOurs('nats-server'))
    const guarded = await startNats({ arguments: ['--user', 'pilotage', '--pass', 'very-secret'] })
    try {
      const installation = server.newPrefix()
      const open = (password: string): NatsBus =>
        openBus(installation, { servers: [guarded.url], credentials: { kind: 'password', user: 'pilotage', password } })
      open('wrong-secret')
      expect(await until(clock, () => lines.some(({ message }) => message === 'NATS is away'), within)).toBe(true)
      expect(JSON.stringify(lines)).toMatch(/Authorization Violation/i)
      await settled(open('very-secret'), open('very-secret'))
      expect(JSON.stringify(lines)).not.toMatch(/very-secret|wrong-secret/)
    } finally {
      await guarded.stop()
    }
  })

  it('are refused in an address, and not shown', () => {
    const open = () => openBus(server.newPrefix(), { servers: ['nats://me:very-secret@127.0.0.1:4222'] })
    expect(open).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    try {
      open()
    } catch (error) {
      expect(JSON.stringify(error)).not.toContain('very-secret')
    }
  })

  it('are of use for an installation with a name only', () => {
    for (const name of ['', 'two.parts', 'a>', '*', 'with space', 'x'.repeat(65)]) {
      expect(() => openBus(name), name).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    }
  })
})
