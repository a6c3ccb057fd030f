/** Outputs over the wire: what a VM did not send to its end is not kept, whatever broke it off. */

import { connect, createServer, type Socket } from 'node:net'
import { credentials, Metadata, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { Sandbox } from '../../../core/ports/sandbox.ts'
import { VmServiceClient } from '../../../proto/gen/pilotage/v1/vm.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'
import { activeVm, alice, sampleSpec } from '../../../sim/samples.ts'

const clock = systemClock()
const hour = 60 * 60 * 1000
const vm = activeVm('output', { endByMs: clock.nowMs() + hour })
/** Pieces that have come, and what became of each output. */
let pieces = 0
const fates: string[] = []
let api: ApiInParts
let jobId: JobId

const keep: Sandbox['keep'] = async (_attempt, _name, coming) => {
  let bytes = 0
  try {
    for await (const piece of coming) {
      pieces += 1
      bytes += piece.length
    }
    fates.push(`kept ${bytes}`)
  } catch (error) {
    fates.push('refused')
    throw error
  }
  return bytes
}

beforeAll(async () => {
  api = await startApiInParts()
  Object.assign(api.queue, { sandbox: { ...api.queue.sandbox, keep } })
  await api.store.intend(vm, clock.nowMs())
  const { jobIds } = await submit(api.queue, { owner: alice, jobs: [sampleSpec()], idempotencyKey: '' })
  jobId = jobIds[0] as JobId
  const untilMs = clock.nowMs() + hour
  await api.store.change([{ kind: 'claim', jobId, vmId: vm.id as VmId, cores: 1, untilMs }], clock.nowMs())
})

afterAll(() => api.stop())

/** A way to the service that can be cut. */
async function cuttable(): Promise<{ server: string; cut(): void }> {
  const ends: Socket[] = []
  const relay = createServer((near) => {
    const far = connect(Number(api.server.split(':')[1]), '127.0.0.1')
    for (const end of [near, far]) ends.push(end.on('error', () => {}))
    near.pipe(far).pipe(near)
  })
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  const at = relay.address()
  const cut = (): void => {
    for (const end of ends) end.destroy()
    relay.close()
  }
  return { server: `127.0.0.1:${typeof at === 'object' ? at?.port : 0}`, cut }
}

/** One piece goes out; when the service has it, the stream ends in one way or another. */
async function sent(
  server: string,
  totalBytes: number,
  end: (stream: { end(): void; cancel(): void }) => void,
): Promise<string> {
  const client = new VmServiceClient(server, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${await api.tokenFor({ kind: 'vm', vmId: vm.id })}`)
  const [piecesBefore, fatesBefore] = [pieces, fates.length]
  const stream = client.putOutput(metadata, () => {})
  stream.on('error', () => {})
  stream.write({ attempt: { jobId, attempt: 1 }, name: 'stdout', totalBytes, data: Buffer.alloc(1000) })
  const bounds = { withinMs: 5000, everyMs: 5 }
  expect(await until(clock, () => pieces > piecesBefore, bounds)).toBe(true)
  end(stream)
  expect(await until(clock, () => fates.length > fatesBefore, bounds)).toBe(true)
  client.close()
  return fates.at(-1) ?? ''
}

describe('an output', () => {
  it('is kept when its stream came to its end', async () => {
    expect(await sent(api.server, 1000, (stream) => stream.end())).toBe('kept 1000')
  })

  it('is not kept when it is longer than was announced', async () => {
    expect(await sent(api.server, 999, (stream) => stream.end())).toBe('refused')
  })

  it('comes on one stream at a time: a second one is refused while the first is open', async () => {
    const client = new VmServiceClient(api.server, credentials.createInsecure(), {})
    const metadata = new Metadata()
    metadata.set('authorization', `Bearer ${await api.tokenFor({ kind: 'vm', vmId: vm.id })}`)
    const refused = (name: string): Promise<number> =>
      new Promise((resolve) => {
        const stream = client.putOutput(metadata, (error) => resolve(error?.code ?? 0))
        stream.on('error', () => {})
        stream.write({ attempt: { jobId, attempt: 1 }, name, totalBytes: 4, data: Buffer.from('text') })
        stream.end()
      })
    const codes: number[] = []
    const before = fates.length
    await sent(api.server, 1000, (stream) => {
      refused('stdout')
        .then((code) => codes.push(code))
        .then(() => refused('stderr'))
        .then((code) => codes.push(code))
        .finally(() => stream.end())
    })
    // What was kept is known here before its sender hears of it.
    expect(await until(clock, () => codes.length === 2, { withinMs: 5000, everyMs: 5 })).toBe(true)
    expect(codes).toEqual([status.RESOURCE_EXHAUSTED, status.OK])
    const isBoth = (): boolean => fates.slice(before).sort().join() === 'kept 1000,kept 4'
    expect(await until(clock, isBoth, { withinMs: 5000, everyMs: 5 })).toBe(true)
    expect(await refused('stdout')).toBe(status.OK)
    client.close()
  })

  it('is not kept when the VM hung up', async () => {
    for (let times = 0; times < 10; times += 1) {
      expect(await sent(api.server, 2000, (stream) => stream.cancel())).toBe('refused')
    }
  })

  it('is not kept when the way was cut', async () => {
    for (let times = 0; times < 10; times += 1) {
      const { server, cut } = await cuttable()
      expect(await sent(server, 2000, cut)).toBe('refused')
    }
  })
})
