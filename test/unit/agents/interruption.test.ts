/** How a monitor learns of a spot interruption, from an address that answers as EC2's does. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { bundleAgents } from '../../../agents/bundle.ts'
import { watchInterruption } from '../../../agents/monitor/interruption.ts'
import { virtualClock } from '../../support/virtual-clock.ts'
import { startFakeService } from './fake-service.ts'
import { soon, testVm } from './vm.ts'

type Metadata = {
  readonly url: string
  readonly asked: string[]
  token: string
  notice: string | undefined
  isSilent: boolean
}

let server: Server
let metadata: Metadata
const disposables: (() => Promise<void> | void)[] = []

beforeEach(async () => {
  server = createServer((request, response) => {
    metadata.asked.push(`${request.method} ${request.url}`)
    if (metadata.isSilent) return
    const given = request.headers['x-aws-ec2-metadata-token']
    const answer = (status: number, text = ''): void => void response.writeHead(status).end(text)
    if (request.url === '/latest/api/token') {
      const ttl = Number(request.headers['x-aws-ec2-metadata-token-ttl-seconds'])
      return request.method === 'PUT' && ttl > 0 && ttl <= 21_600 ? answer(200, metadata.token) : answer(400)
    }
    if (given !== metadata.token) return answer(401)
    if (request.url !== '/latest/meta-data/spot/instance-action' || metadata.notice === undefined) return answer(404)
    answer(200, metadata.notice)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  metadata = { url, asked: [], token: 'first', notice: undefined, isSilent: false }
})

afterEach(async () => {
  for (const dispose of disposables.splice(0).reverse()) await dispose()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const action = '{"action": "terminate", "time": "2026-11-21T18:00:00Z"}'

function watching() {
  const said: string[] = []
  const clock = virtualClock()
  const watch = watchInterruption({ kind: 'ec2', metadataUrl: metadata.url }, clock, (line) => said.push(line))
  disposables.push(() => watch.stop())
  return { said, clock, watch }
}

const count = (what: string): number => metadata.asked.filter((one) => one.includes(what)).length

it('asks every few seconds with one token, and believes a notice for good', async () => {
  const { said, clock, watch } = watching()
  await soon(() => count('instance-action') === 1, 'a question')
  await clock.settle()
  metadata.notice = action
  await soonNext(clock, () => watch.isAnnounced())
  expect(said).toEqual([`the cloud announces a spot interruption: ${action}`])
  expect(count('token')).toBe(1)
  const asked = metadata.asked.length
  await clock.advance(60_000)
  expect(metadata.asked.length).toBe(asked)
})

it('gets another token where its own is over', async () => {
  const { clock, watch } = watching()
  await soon(() => count('instance-action') === 1, 'a question')
  metadata.token = 'second'
  metadata.notice = action
  await soonNext(clock, () => watch.isAnnounced())
  expect(count('token')).toBe(2)
})

it('says once that the service is unreachable, in bounded time, and still gets an answer later', async () => {
  metadata.isSilent = true
  const { said, clock, watch } = watching()
  await soonNext(clock, () => count('token') >= 3)
  expect(said).toEqual(['cannot read whether a spot interruption is announced: no answer'])
  metadata.isSilent = false
  metadata.notice = action
  await soonNext(clock, () => watch.isAnnounced())
})

it('asks for a drain at once, whatever runs, until the order comes', async () => {
  const outDir = mkdtempSync(join(tmpdir(), 'pilotage-bundles-'))
  disposables.push(() => rmSync(outDir, { recursive: true, force: true }))
  const { monitor } = await bundleAgents(outDir)
  const service = await startFakeService()
  disposables.push(() => service.stop())
  let order = 'go-on'
  service.answer = () => ({ order, reason: 'spot-interruption', beatEveryMs: 100 })
  metadata.notice = action
  const interruption = { kind: 'ec2', metadataUrl: metadata.url } as const
  const vm = testVm(service.port, { interruption })
  disposables.push(() => vm.remove())
  vm.run(monitor.path)
  const wishes = () => service.heartbeats.map(({ wish, wishReason }) => `${wish}: ${wishReason}`)
  await soon(() => wishes().filter((wish) => wish === 'drain: spot-interruption').length >= 2, 'a wish')
  order = 'drain'
  await soon(() => wishes().at(-1) === ': ', 'it wishes nothing more while something may run')
})

/** Moves on in steps of a second, with the turns that real sockets take in between. */
async function soonNext(clock: ReturnType<typeof virtualClock>, holds: () => boolean): Promise<void> {
  await soon(
    () => {
      if (holds()) return true
      void clock.advance(500)
      return false
    },
    'it is so',
    20_000,
  )
}
