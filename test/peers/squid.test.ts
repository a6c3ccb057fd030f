/** A real squid with the configuration of a machine that Pilotage renders: what it keeps, and what it refuses. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { squidContext } from '../../contextualization/squid.ts'
import { answersOn } from '../../agents/monitor/service.ts'
import { sleep, systemClock } from '../../core/kernel/clock.ts'
import { squidOrder } from '../unit/contextualization/samples.ts'
import { startSquid } from './servers.ts'
import type { SquidServer } from './squid-server.ts'

const clock = systemClock()
const bytes = 200_000
const asked = new Map<string, number>()
let origin: Server
let squid: SquidServer
let closed: SquidServer

function configFor(port: number, clients: readonly string[]): string {
  const { config } = squidOrder()
  const context = squidContext(squidOrder({ clients, config: { ...config, service: { kind: 'squid', port } } }))
  return context.files.find(({ path }) => path === '/etc/squid/pilotage.conf')?.content ?? ''
}

beforeAll(async () => {
  origin = createServer(async ({ url = '' }, response) => {
    asked.set(url, (asked.get(url) ?? 0) + 1)
    if (url.includes('slow')) await sleep(clock, 1000)
    const headers = { 'cache-control': 'max-age=600', 'content-length': bytes }
    response.writeHead(200, headers).end(`this is ${url}`.padEnd(bytes))
  })
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve))
  const originPort = (origin.address() as AddressInfo).port
  squid = await startSquid({ config: (port) => configFor(port, ['127.0.0.0/8']), originPort })
  closed = await startSquid({ config: (port) => configFor(port, ['192.0.2.0/24']), originPort })
})

afterAll(async () => {
  await squid?.stop()
  await closed?.stop()
  origin?.closeAllConnections()
  await new Promise((resolve) => origin?.close(resolve))
})

it('fetches once what is asked for again', async () => {
  const first = await squid.ask('GET', 'http://cvmfs.example.test:8000/a')
  expect([first.status, first.body.trimEnd()]).toEqual([200, 'this is /a'])
  const second = await squid.ask('GET', 'http://cvmfs.example.test:8000/a')
  expect(second.body.length).toBe(bytes)
  expect(second.head).toMatch(/X-Cache: HIT/)
  expect(asked.get('/a')).toBe(1)
})

it('fetches once what many ask for at once', async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => squid.ask('GET', 'http://cvmfs.example.test:8000/slow')),
  )
  expect(answers.map(({ status, body }) => [status, body.length])).toEqual(answers.map(() => [200, bytes]))
  expect(asked.get('/slow')).toBe(1)
})

it.each([
  ['GET', 'http://127.0.0.1:8000/this-machine'],
  ['GET', 'http://[::1]:8000/this-machine'],
  ['GET', 'http://169.254.169.254/latest/user-data'],
  ['GET', 'http://cvmfs.example.test:25/mail'],
  ['CONNECT', 'cvmfs.example.test:22'],
  ['CONNECT', 'cvmfs.example.test:8443'],
  ['GET', '/squid-internal-mgr/info'],
] as const)('refuses %s %s', async (method, target) => {
  expect((await squid.ask(method, target)).status).toBe(403)
})

it('refuses a client that is in none of its networks, and stays healthy', async () => {
  expect((await closed.ask('GET', 'http://cvmfs.example.test:8000/a')).status).toBe(403)
  expect(await answersOn(closed.port, clock)).toBe(true)
})

it('is found to be gone when it is', async () => {
  await closed.stop()
  expect(await answersOn(closed.port, clock)).toBe(false)
})
