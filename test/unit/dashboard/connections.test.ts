/**
 * Real sockets against the dashboard's HTTP server: which come in, which are ended, and what a slow or a greedy one may do.
 */

import { createServer, request, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import { boundConnections, type Connections } from '../../../services/dashboard/connections.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const real = systemClock()
const sockets: Socket[] = []
let server: Server | undefined

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  server?.closeAllConnections()
  await new Promise((resolve) => server?.close(resolve))
})

type Limits = NonNullable<Parameters<typeof boundConnections>[2]>

const roomy: Limits = { perAddress: 4, all: 8, atOnce: 2, accept: { perSecond: 1, burst: 1000, maxKeys: 100 } }

/** Answers when `release` is called; a request for /known makes its connection a viewer's. */
async function serve(limits: Limits): Promise<{ bound: Connections; release(): void; port: number }> {
  const answers: (() => void)[] = []
  const made = createServer((asked, response) => {
    if (!bound.begin(asked.socket)) return void asked.socket.destroy()
    response.once('close', () => bound.end(asked.socket))
    if (asked.url === '/known') bound.known(asked.socket)
    if (asked.url === '/slow') answers.push(() => response.end('done'))
    else response.end('done')
  })
  const bound = boundConnections(made, virtualClock(), limits)
  server = made
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  const release = (): void => {
    for (const answer of answers.splice(0)) answer()
  }
  return { bound, release, port: (made.address() as AddressInfo).port }
}

type Opened = { readonly socket: Socket; text: string; isOver: boolean }

async function open(port: number, localAddress = '127.0.0.1'): Promise<Opened> {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  sockets.push(socket)
  const opened: Opened = { socket, text: '', isOver: false }
  socket.on('data', (piece) => {
    opened.text += piece
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    opened.isOver = true
  })
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve)
    socket.once('close', () => resolve())
  })
  return opened
}

const ask = ({ socket }: Opened, path: string): void => void socket.write(`GET ${path} HTTP/1.1\r\nHost: here\r\n\r\n`)
const holds = (what: () => boolean): Promise<boolean> => until(real, what, { withinMs: 3000, everyMs: 5 })
const answered = (opened: Opened): Promise<boolean> => holds(() => opened.text.includes('done'))

describe('an address with all its connections', () => {
  it('gives the newcomer a place by its oldest idle stranger', async () => {
    const { bound, port } = await serve(roomy)
    const old = [await open(port), await open(port), await open(port), await open(port)]
    expect(await holds(() => bound.count() === 4)).toBe(true)
    const fresh = await open(port)
    ask(fresh, '/')
    expect(await answered(fresh)).toBe(true)
    expect(await holds(() => old[0]?.isOver === true)).toBe(true)
    expect(old.slice(1).map(({ isOver }) => isOver)).toEqual([false, false, false])
  })

  it('keeps those of viewers, and strangers who wait for an answer, for as long as there are others', async () => {
    const { release, port } = await serve(roomy)
    const viewer = await open(port)
    ask(viewer, '/known')
    expect(await answered(viewer)).toBe(true)
    const waits = await open(port)
    ask(waits, '/slow')
    for (let at = 0; at < 20; at += 1) await open(port)
    ask(viewer, '/')
    expect(await holds(() => viewer.text.split('done').length === 3)).toBe(true)
    expect([viewer.isOver, waits.isOver]).toEqual([false, false])
    release()
    expect(await answered(waits)).toBe(true)
  })

  it('refuses the newcomer where every connection is a viewer’s that is answered at this moment', async () => {
    const { release, port } = await serve(roomy)
    for (let at = 0; at < 4; at += 1) {
      const viewer = await open(port)
      ask(viewer, '/known')
      expect(await answered(viewer)).toBe(true)
      ask(viewer, '/slow')
    }
    const late = await open(port)
    expect(await holds(() => late.isOver)).toBe(true)
    const elsewhere = await open(port, '127.0.0.2')
    ask(elsewhere, '/')
    expect(await answered(elsewhere)).toBe(true)
    release()
  })
})

it('takes a place of the address with the most where all are taken', async () => {
  const { port } = await serve(roomy)
  const loud = [await open(port), await open(port), await open(port), await open(port)]
  const quiet = [await open(port, '127.0.0.2'), await open(port, '127.0.0.2')]
  for (const localAddress of ['127.0.0.3', '127.0.0.4', '127.0.0.5']) quiet.push(await open(port, localAddress))
  expect(await holds(() => loud.filter(({ isOver }) => isOver).length === 1)).toBe(true)
  for (const opened of quiet) {
    ask(opened, '/')
    expect(await answered(opened)).toBe(true)
  }
})

it('bounds the connections per second that an address opens, and no other one pays for it', async () => {
  const { port } = await serve({ ...roomy, accept: { perSecond: 1, burst: 3, maxKeys: 100 } })
  const all: Opened[] = []
  for (let at = 0; at < 6; at += 1) {
    const opened = await open(port)
    all.push(opened)
    if (at < 3) {
      ask(opened, '/')
      expect(await answered(opened)).toBe(true)
    }
  }
  expect(await holds(() => all.filter(({ isOver }) => isOver).length === 3)).toBe(true)
  const elsewhere = await open(port, '127.0.0.2')
  ask(elsewhere, '/')
  expect(await answered(elsewhere)).toBe(true)
})

it('ends a connection that asks on and on without waiting for its answers', async () => {
  const { bound, port } = await serve(roomy)
  const greedy = await open(port)
  greedy.socket.write('GET /slow HTTP/1.1\r\nHost: here\r\n\r\n'.repeat(500))
  expect(await holds(() => greedy.isOver)).toBe(true)
  expect(await holds(() => bound.count() === 0)).toBe(true)
  // One who waits for each answer asks for as long as it likes.
  const patient = await open(port)
  for (let at = 1; at <= 20; at += 1) {
    ask(patient, '/')
    expect(await holds(() => patient.text.split('done').length === at + 1)).toBe(true)
  }
})

it('forgets a connection that has ended', async () => {
  const { bound, port } = await serve(roomy)
  for (let at = 0; at < 30; at += 1) (await open(port, `127.0.0.${(at % 7) + 1}`)).socket.destroy()
  expect(await holds(() => bound.count() === 0)).toBe(true)
  await new Promise<void>((resolve, reject) => {
    request({ port, host: '127.0.0.1' }, (answer) => answer.resume().on('end', resolve))
      .on('error', reject)
      .end()
  })
})
