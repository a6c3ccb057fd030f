/** Which connections the gRPC port lets in, keeps and cuts: real sockets, a virtual clock. */

import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import { connectionLimits } from '../../../core/kernel/limits.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { type ConnectionBounds, type Connections, openConnections } from '../../../services/api/grpc/connections.ts'
import type { Rate } from '../../../core/kernel/token-bucket.ts'
import { type VirtualClock, virtualClock } from '../../support/virtual-clock.ts'

const real = systemClock()
const bounds = { withinMs: 5000, everyMs: 2 }
const ends: (() => void)[] = []

afterEach(() => {
  for (const end of ends.splice(0)) end()
})

type World = {
  readonly port: number
  readonly connections: Connections
  readonly clock: VirtualClock
  readonly said: string[]
  readonly served: Set<number>
}

async function world(given: Partial<ConnectionBounds & { accept: Rate }> = {}): Promise<World> {
  const clock = virtualClock()
  const said: string[] = []
  const served = new Set<number>()
  const log = { ...silentLog(), warn: (_: object, message: string) => void said.push(message) }
  const connections = openConnections({
    clock,
    log,
    inAll: connectionLimits.inAll,
    perAddress: connectionLimits.perAddress,
    ...given,
    serve: ({ remotePort }) => void served.add(remotePort ?? 0),
  })
  ends.push(() => {
    connections.close()
    connections.cutAll()
  })
  return { port: await connections.listen('127.0.0.1', 0), connections, clock, said, served }
}

/** A connection that the port has decided about. */
async function dialled({ port, served }: World): Promise<{ socket: Socket; peer: string; isOpen(): boolean }> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  let closed = false
  socket.on('close', () => {
    closed = true
  })
  socket.resume()
  ends.push(() => socket.destroy())
  await new Promise((resolve) => socket.once('connect', resolve))
  const peer = `127.0.0.1:${socket.localPort}`
  await until(real, () => closed || served.has(socket.localPort ?? 0), bounds)
  return { socket, peer, isOpen: () => !closed }
}

async function dialledMany(here: World, count: number) {
  const all: Awaited<ReturnType<typeof dialled>>[] = []
  for (let at = 0; at < count; at += 1) all.push(await dialled(here))
  return all
}

describe('strangers', () => {
  it('are few per address: the oldest makes room for the next, who may be a user', async () => {
    const here = await world()
    const max = connectionLimits.strangersPerAddress
    const all = await dialledMany(here, max)
    expect(here.connections.known(all[0]?.peer ?? '', 'user a', 10)).toBe(true)
    const next = await dialledMany(here, 3)
    expect(await until(real, () => !all[1]?.isOpen() && !all[2]?.isOpen(), bounds)).toBe(true)
    expect([all[0], all[3], ...next].map((one) => one?.isOpen())).toEqual([true, true, true, true, true])
    expect(here.connections.counts()).toEqual({ open: max + 1, strangers: max })
  })

  it('are cut when they do not become known in time', async () => {
    const here = await world()
    const [stranger, user] = await dialledMany(here, 2)
    here.connections.known(user?.peer ?? '', 'user a', 10)
    await here.clock.advance(connectionLimits.strangerMs + 1)
    expect(await until(real, () => !stranger?.isOpen(), bounds)).toBe(true)
    expect(user?.isOpen()).toBe(true)
    expect(here.connections.counts()).toEqual({ open: 1, strangers: 0 })
  })

  it('make room for the next, oldest first; those who are known do not', async () => {
    const here = await world({ inAll: 3 })
    const [known, first, second] = await dialledMany(here, 3)
    here.connections.known(known?.peer ?? '', 'user a', 10)
    const third = await dialled(here)
    expect(await until(real, () => !first?.isOpen(), bounds)).toBe(true)
    expect([known?.isOpen(), second?.isOpen(), third.isOpen()]).toEqual([true, true, true])
    for (const one of [second, third]) here.connections.known(one?.peer ?? '', 'user b', 10)
    await until(real, () => here.connections.counts().open === 3, bounds)
    expect((await dialled(here)).isOpen()).toBe(false)
  })
})

describe('connections', () => {
  it('of one address are bounded, also where all are known', async () => {
    const here = await world({ perAddress: 5 })
    for (const { peer } of await dialledMany(here, 5)) here.connections.known(peer, `user ${peer}`, 10)
    expect((await dialled(here)).isOpen()).toBe(false)
  })

  it('of one caller are bounded, and counted down when they end', async () => {
    const here = await world()
    const [first, second, third] = await dialledMany(here, 3)
    expect(here.connections.known(first?.peer ?? '', 'vm 1', 2)).toBe(true)
    expect(here.connections.known(first?.peer ?? '', 'vm 1', 2)).toBe(true)
    expect(here.connections.known(second?.peer ?? '', 'vm 1', 2)).toBe(true)
    expect(here.connections.known(third?.peer ?? '', 'vm 1', 2)).toBe(false)
    expect(here.connections.known(third?.peer ?? '', 'vm 2', 2)).toBe(true)
    first?.socket.destroy()
    await until(real, () => here.connections.counts().open === 2, bounds)
    expect(here.connections.known(third?.peer ?? '', 'vm 1', 2)).toBe(true)
  })

  it('are let in at a rate, slower from where calls have just been refused', async () => {
    const accept = { perSecond: 20, burst: 30 }
    const here = await world({ accept })
    const burst = await dialledMany(here, accept.burst)
    expect(burst.every(({ isOpen }) => isOpen())).toBe(true)
    expect((await dialled(here)).isOpen()).toBe(false)
    await here.clock.advance(1000)
    const isOpenOf = async (count: number): Promise<number> =>
      (await dialledMany(here, count)).filter(({ isOpen }) => isOpen()).length
    expect(await isOpenOf(accept.perSecond + 1)).toBe(accept.perSecond)
    await here.clock.advance(1000)
    for (let at = 0; at < connectionLimits.refusals.burst; at += 1) here.connections.refused(burst[0]?.peer ?? '', undefined)
    // Each counts as ten now.
    expect(await isOpenOf(5)).toBe(accept.perSecond / connectionLimits.suspectCost)
    await here.clock.advance(60_000)
    expect(await isOpenOf(accept.burst + 1)).toBe(accept.burst)
  })

  it('are cut when too many of their calls are refused, and only those', async () => {
    const here = await world()
    const [bad, good] = await dialledMany(here, 2)
    here.connections.known(good?.peer ?? '', 'user a', 10)
    for (let at = 0; at < connectionLimits.refusals.burst; at += 1) here.connections.refused(bad?.peer ?? '', undefined)
    expect(bad?.isOpen()).toBe(true)
    here.connections.refused(bad?.peer ?? '', undefined)
    expect(await until(real, () => !bad?.isOpen(), bounds)).toBe(true)
    // What is refused to a user is counted to that user, whatever comes from the address.
    here.connections.refused(good?.peer ?? '', 'user a')
    await dialled(here)
    await until(real, () => !good?.isOpen(), { withinMs: 100, everyMs: 5 })
    expect(good?.isOpen()).toBe(true)
  })

  it('leave no count behind', async () => {
    const here = await world()
    const all = await dialledMany(here, 20)
    for (const { peer } of all.slice(0, 10)) here.connections.known(peer, 'user a', 100)
    for (const { socket } of all) socket.destroy()
    expect(await until(real, () => here.connections.counts().open === 0, bounds)).toBe(true)
    expect(here.connections.counts()).toEqual({ open: 0, strangers: 0 })
  })
})
