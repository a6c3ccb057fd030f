/**
 * A VM that is for a service and has no pilot: what its monitor reports, and whether it notices that the service is gone.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { bundleAgents } from '../../../agents/bundle.ts'
import { answersOn, watchService } from '../../../agents/monitor/service.ts'
import { until } from '../../../core/kernel/clock.ts'
import { virtualClock } from '../../support/virtual-clock.ts'
import { startFakeService } from './fake-service.ts'
import { clock, soon, testVm } from './vm.ts'

const disposables: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const dispose of disposables.splice(0).reverse()) await dispose()
})

type Fake = { readonly port: number; readonly asked: string[]; stop(): Promise<void> }

/** Whatever it is asked it answers with this text, and says no more. */
async function answering(text: string): Promise<Fake> {
  const asked: string[] = []
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (piece) => {
      asked.push(piece.toString())
      socket.write(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  disposables.push(stop)
  return { port: (server.address() as AddressInfo).port, asked, stop }
}

it.each([
  ['HTTP/1.1 403 Forbidden\r\n', true],
  ['HTTP/1.0 200 OK\r\n', true],
  ['HTTP/1.1 503 Service Unavailable\r\n', false],
  [`SSH-2.0-${'x'.repeat(5000)}`, false],
])('an answer %j is well: %s', async (text, expected) => {
  const fake = await answering(text)
  expect(await answersOn(fake.port, clock)).toBe(expected)
  expect(fake.asked[0]).toMatch(/^HEAD http:\/\/127\.0\.0\.1:\d+\/ HTTP\/1\.1\r\n/)
})

it('no server, and a server that says nothing, are unhealthy, in bounded time', async () => {
  const gone = await answering('')
  await gone.stop()
  expect(await answersOn(gone.port, clock)).toBe(false)
  const silent = await answering('HTTP/1.1 ')
  const time = virtualClock()
  const answer = answersOn(silent.port, time)
  await until(clock, () => silent.asked.length > 0, { withinMs: 8000 })
  await time.advance(3000)
  expect(await answer).toBe(false)
})

it('failures are counted in a row, and forgotten with the next answer', async () => {
  const fake = await answering('HTTP/1.1 403 Forbidden\r\n')
  const time = virtualClock()
  const watch = watchService({ kind: 'squid', port: fake.port }, time)
  disposables.push(() => watch.stop())
  await soon(() => watch.view().hasAnswered, 'an answer')
  await fake.stop()
  for (const failures of [1, 2, 3]) {
    await time.advance(5000)
    await soon(() => watch.view().failuresInRow === failures, `failure ${failures}`)
  }
  expect(watch.view()).toEqual({ kind: 'squid', hasAnswered: true, failuresInRow: 3 })
})

it('a monitor without a pilot sends heartbeats, is never idle, and powers off when it is ordered', async () => {
  const outDir = mkdtempSync(join(tmpdir(), 'pilotage-bundles-'))
  disposables.push(() => rmSync(outDir, { recursive: true, force: true }))
  const { monitor } = await bundleAgents(outDir)
  const pilotage = await startFakeService()
  disposables.push(() => pilotage.stop())
  const squid = await answering('HTTP/1.1 403 Forbidden\r\n')
  let order = 'go-on'
  pilotage.answer = () => ({ order, reason: 'the site has others', beatEveryMs: 50 })
  const vm = testVm(pilotage.port, { policy: { idleMs: 0 }, service: { kind: 'squid', port: squid.port } })
  disposables.push(() => vm.remove())
  const agent = vm.run(monitor.path)
  await soon(() => pilotage.heartbeats.length >= 5, 'heartbeats')
  expect(pilotage.heartbeats.every(({ wish, pilotState, unhealthy }) => `${wish}${pilotState}${unhealthy}` === '')).toBe(
    true,
  )
  order = 'stop'
  expect(await agent.ended()).toBe(0)
  expect(agent.console()).toContain('power-off: the site has others')
})
