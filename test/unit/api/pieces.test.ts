/** Files go through memory that is used again: each arrives as it was, however many move at one time and however slowly. */

import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openUplink, type Uplink } from '../../../agents/kit/uplink.ts'
import { connectPilotage, type PilotageClient } from '../../../client/pilotage-client.ts'
import { sleep, systemClock } from '../../../core/kernel/clock.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import { outputChunkBytes, streamLimits } from '../../../core/kernel/limits.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { fileBlobs } from '../../../services/adapters/sandbox/files/file-blobs.ts'
import { sent, type WritableCall } from '../../../services/api/grpc/stream.ts'
import { activeVm, alice } from '../../../sim/samples.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

describe('files of several transfers', () => {
  const clock = systemClock()
  const vmId = 'vm-aaaaaaaaaa' as VmId
  const directory = mkdtempSync(join(tmpdir(), 'pilotage-pieces-'))
  const { signal } = new AbortController()
  let api: ApiInParts
  let user: PilotageClient
  let vm: Uplink

  beforeAll(async () => {
    api = await startApiInParts({ blobs: fileBlobs(directory) })
    const token = await api.tokenFor({ kind: 'user', owner: alice, roles: ['user'] })
    user = connectPilotage({ server: api.server, token, patienceMs: 1000 })
    await api.store.intend(activeVm(vmId.slice(3)), clock.nowMs())
    const credential = await api.tokenFor({ kind: 'vm', vmId })
    vm = openUplink({ clock, endpoint: api.server, credential })
  })
  afterAll(async () => {
    user?.close()
    vm?.close()
    await api?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** No two pieces of it are alike, nor of two of them; more than waits on the way to one who does not read. */
  function fileOf(seed: number): Buffer {
    const words = Uint32Array.from({ length: 40 * 16_384 + seed }, (_, at) => seed * 10_000_000 + at)
    return Buffer.from(words.buffer)
  }

  async function* piecesOf(data: Buffer): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < data.length; at += outputChunkBytes) {
      if (at % 7 === 0) await sleep(clock, 1)
      yield data.subarray(at, at + outputChunkBytes)
    }
  }

  const digestOf = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

  it('come and go as they were', async () => {
    const files = Array.from({ length: 6 }, (_, at) => fileOf(at))
    const inputFiles = files.map((data, at) => ({ path: `in-${at}`, digest: digestOf(data), bytes: data.length }))
    await Promise.all(
      files.map((data) => user.putFile({ digest: digestOf(data), bytes: data.length }, () => piecesOf(data))),
    )
    const spec = JobSpec.fromPartial({ executable: 'true', inputFiles, outputFiles: ['out-*'] })
    const [jobId = 0] = (await user.submit([spec])).jobIds
    const ref = { jobId: jobId as JobId, attempt: 1 }
    const nowMs = clock.nowMs()
    await api.store.change([{ kind: 'claim', jobId: ref.jobId, vmId, cores: 1, untilMs: nowMs + 60_000 }], nowMs)
    await Promise.all(
      inputFiles.map(async ({ path }, at) => {
        const parts: Uint8Array[] = []
        for await (const piece of vm.fetchInput(ref, path, signal)) {
          await sleep(clock, parts.length === 0 ? 300 : at)
          parts.push(piece)
        }
        const came = Buffer.concat(parts)
        expect(came.equals(files[at] ?? Buffer.alloc(0))).toBe(true)
        const changed = Buffer.concat([came, Buffer.from('!')])
        const output = { path: `out-${at}`, digest: digestOf(changed), bytes: changed.length, executable: false }
        await vm.putOutputFile(ref, output, piecesOf(changed), signal)
      }),
    )
    await Promise.all(
      files.map(async (data, at) => {
        const parts: Uint8Array[] = []
        for await (const piece of user.outputFile(jobId, `out-${at}`)) parts.push(piece)
        expect(Buffer.concat(parts).equals(Buffer.concat([data, Buffer.from('!')]))).toBe(true)
      }),
    )
  })
})

describe('a message', () => {
  function fakeCall() {
    const events = new EventEmitter()
    const done: (() => void)[] = []
    const call: WritableCall<string> = {
      cancelled: false,
      destroyed: false,
      on: (event, hear) => events.on(event, hear),
      off: (event, hear) => events.off(event, hear),
      // Always has room for more: what is written may still wait here.
      write(_, then) {
        if (then) done.push(then)
        return true
      },
    }
    return { call, done }
  }

  it('is sent when nothing of it waits here any more', async () => {
    const { call, done } = fakeCall()
    const answers: boolean[] = []
    const writing = sent(virtualClock(), call, new AbortController().signal, 'a').then((is) => answers.push(is))
    await Promise.resolve()
    expect(answers).toEqual([])
    done[0]?.()
    await writing
    expect(answers).toEqual([true])
  })

  it('is not sent to a caller that is gone, before or while it waits', async () => {
    const { call, done } = fakeCall()
    const gone = new AbortController()
    const writing = sent(virtualClock(), call, gone.signal, 'a')
    gone.abort()
    expect(await writing).toBe(false)
    expect(await sent(virtualClock(), call, gone.signal, 'b')).toBe(false)
    expect(done).toHaveLength(1)
  })

  it('that the caller does not read ends the call after a time', async () => {
    const clock = virtualClock()
    const writing = expect(sent(clock, fakeCall().call, new AbortController().signal, 'a')).rejects.toMatchObject({
      code: 'unavailable',
    })
    await clock.advance(streamLimits.stallMs + 1)
    await writing
  })
})
