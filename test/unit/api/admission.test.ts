/**
 * What the gRPC port does before it knows who calls, and before it reads a message: over a real connection, without a
 * client.
 */

import { constants } from 'node:http2'
import { gzipSync } from 'node:zlib'
import { status } from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import { connectionLimits, messageBytes, unfinishedBytes } from '../../../core/kernel/limits.ts'
import { JobServiceService, ListJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import { OperateServiceService } from '../../../proto/gen/pilotage/v1/operate.ts'
import { VmServiceService } from '../../../proto/gen/pilotage/v1/vm.ts'
import { type Connection, framed, openConnection, type Path } from '../../e2e/strangers/raw-http2.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'
import { alice } from '../../../sim/samples.ts'

const clock = systemClock()
const code = (name: keyof typeof status): string => String(status[name])
const submitPath = JobServiceService.submitJobs.path
const listPath = JobServiceService.listJobs.path

let api: ApiInParts
let authorization: string
const opened: Connection[] = []

beforeAll(async () => {
  api = await startApiInParts()
  authorization = `Bearer ${await api.tokenFor({ kind: 'user', owner: alice, roles: ['user', 'operator', 'admin'] })}`
})

afterEach(() => {
  for (const connection of opened.splice(0)) connection.close()
})

afterAll(() => api.stop())

async function connected(): Promise<Connection> {
  const connection = await openConnection(clock, api.server)
  if (!connection) throw new Error('not let in')
  opened.push(connection)
  return connection
}

/** The head of a message of that length; nothing of the message itself. */
function headOf(length: number): Buffer {
  return framed(Buffer.alloc(0)).fill(
    Buffer.from([0, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255]),
  )
}

const list = Buffer.from(ListJobsRequest.encode(ListJobsRequest.fromPartial({})).finish())

describe('who calls', () => {
  it('is asked before a message is read', async () => {
    const connection = await connected()
    // Neither a message nor an end follows: the answer can only be about the metadata.
    const stream = connection.pour(submitPath as Path, Buffer.alloc(0))
    expect(await connection.statusOf(stream)).toBe(code('UNAUTHENTICATED'))
    const forged = connection.pour(submitPath as Path, Buffer.alloc(0), { authorization: 'Bearer no.such.token' })
    expect(await connection.statusOf(forged)).toBe(code('UNAUTHENTICATED'))
    const vm = `Bearer ${await api.tokenFor({ kind: 'vm', vmId: 'vm-aaaaaaaaaa' as never })}`
    const wrong = connection.pour(submitPath as Path, Buffer.alloc(0), { authorization: vm })
    expect(await connection.statusOf(wrong)).toBe(code('PERMISSION_DENIED'))
  })

  it('need not send the rest of a message that is refused', async () => {
    const connection = await connected()
    const stream = connection.pour(submitPath as Path, Buffer.concat([headOf(1_000_000), Buffer.alloc(30_000)]))
    expect(await connection.statusOf(stream)).toBe(code('UNAUTHENTICATED'))
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR)
  })

  it.each(['Bearer', 'bearer', 'BEARER', 'Bearer  '])('may write the scheme as %j', async (scheme) => {
    const token = authorization.slice('Bearer '.length)
    const connection = await connected()
    expect(await connection.call(listPath as Path, list, { authorization: `${scheme} ${token}` })).toBe(code('OK'))
  })

  it.each(['Basic', 'Bearer\u00a0', 'Bearerx', ''])('may not write it as %j', async (scheme) => {
    const token = authorization.slice('Bearer '.length)
    const printed = vi.spyOn(console, 'error')
    const connection = await connected()
    const status = await connection.call(listPath as Path, list, { authorization: `${scheme} ${token}`.trim() })
    expect(status).toBe(code('UNAUTHENTICATED'))
    // grpc-js has a log of its own; a credential must not get there.
    expect(printed).not.toHaveBeenCalled()
  })
})

describe('a message', () => {
  const sizes = [
    [VmServiceService.activate.path, messageBytes.small, undefined],
    [OperateServiceService.createToken.path, messageBytes.small, 'user'],
    [listPath, messageBytes.ids, 'user'],
    [submitPath, messageBytes.submission, 'user'],
  ] as const

  it.each(sizes)('of %s may have %i bytes, and is refused at its head above', async (path, maxBytes, who) => {
    const connection = await connected()
    const headers = who && { authorization }
    const above = connection.pour(path as Path, headOf(maxBytes + 1), headers)
    expect(await connection.statusOf(above)).toBe(code('RESOURCE_EXHAUSTED'))
    const within = connection.pour(path as Path, headOf(maxBytes), headers)
    let answered = false
    within.once('response', () => {
      answered = true
    })
    // Another call's answer comes after one to this would have come.
    await connection.call(listPath as Path, list, { authorization })
    expect(answered).toBe(false)
  })

  it('that is compressed is refused and not unpacked', async () => {
    const connection = await connected()
    const bomb = gzipSync(Buffer.alloc(15 * 1024 * 1024))
    const stream = connection.pour(submitPath as Path, framed(bomb, true), { authorization, encoding: 'gzip' })
    const accepted = new Promise((resolve) => stream.once('response', (fields) => resolve(fields['grpc-accept-encoding'])))
    expect(await connection.statusOf(stream)).toBe(code('UNIMPLEMENTED'))
    expect(await accepted).toBe('identity')
  })

  it('is not needed to be uncompressed where it only might be', async () => {
    const connection = await connected()
    const stream = connection.ask(listPath as Path, framed(list), { authorization, encoding: 'gzip' })
    stream.resume()
    expect(await connection.statusOf(stream)).toBe(code('OK'))
  })

  it('that is large waits for its place beside others of the same user', async () => {
    const connection = await connected()
    const largest = messageBytes.submission
    const fits = Math.floor(unfinishedBytes.perCaller / largest)
    const streams = Array.from({ length: fits }, () =>
      connection.pour(submitPath as Path, headOf(largest), { authorization }),
    )
    const status = await connection.statusOf(connection.pour(submitPath as Path, headOf(largest), { authorization }))
    expect(status).toBe(code('RESOURCE_EXHAUSTED'))
    expect(streams.every((stream) => !stream.closed)).toBe(true)
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL)
    const isBack = async (): Promise<boolean> => {
      const again = connection.pour(submitPath as Path, Buffer.concat([headOf(largest), Buffer.alloc(10)]), {
        authorization,
      })
      const refused = connection.statusOf(again)
      await connection.call(listPath as Path, list, { authorization })
      const isHeld = !again.closed
      again.close(constants.NGHTTP2_CANCEL)
      await refused
      return isHeld
    }
    expect(await until(clock, isBack, { withinMs: 5000, everyMs: 50 })).toBe(true)
  })
})

describe('a connection', () => {
  it('has at most the configured number of streams', async () => {
    const { session } = await connected()
    expect(session.remoteSettings.maxConcurrentStreams).toBe(connectionLimits.streams)
  })

  it('on which too many calls are refused is cut; one that is known from the same address stays', async () => {
    const honest = await connected()
    expect(await honest.call(listPath as Path, list, { authorization })).toBe(code('OK'))
    const { perSecond, burst } = connectionLimits.refusals
    const stranger = await connected()
    let refused = 0
    const isCut = async (): Promise<boolean> => {
      if ((await stranger.call(submitPath as Path, Buffer.alloc(0))) === code('UNAUTHENTICATED')) refused += 1
      return !stranger.isOpen()
    }
    expect(await until(clock, isCut, { withinMs: 15_000, everyMs: 0 })).toBe(true)
    expect(refused).toBeGreaterThan(perSecond)
    expect(refused).toBeLessThan(burst + 15 * perSecond)
    expect(honest.isOpen()).toBe(true)
    expect(await honest.call(listPath as Path, list, { authorization })).toBe(code('OK'))
  })
})
