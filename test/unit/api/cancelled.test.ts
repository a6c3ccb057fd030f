/** Callers that go away in the middle of a stream, 500 of each method: nothing that was opened for them stays open. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sleep, systemClock, until } from '../../../core/kernel/clock.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { Bus } from '../../../core/ports/bus.ts'
import {
  GetOutputRequest,
  OutputName,
  JobServiceService,
  SubmitJobsRequest,
  WatchJobsRequest,
} from '../../../proto/gen/pilotage/v1/job.ts'
import { PilotMessage, PutOutputRequest, VmServiceService } from '../../../proto/gen/pilotage/v1/vm.ts'
import { fileSandbox } from '../../../services/adapters/sandbox/files/file-sandbox.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { framed, openConnection, type Path } from '../../e2e/strangers/raw-http2.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'
import { activeVm, alice, sampleSpec } from '../../../sim/samples.ts'

const clock = systemClock()
const hour = 60 * 60 * 1000
const calls = 500
const perConnection = 10
/** More than every window and buffer on the way: a reader that does not read is waited for. */
const outputBytes = 4 * 1024 * 1024
const vm = activeVm('cancelled', { endByMs: clock.nowMs() + hour })

let dir: string
let api: ApiInParts
let jobId: JobId
let tokens: { readonly user: string; readonly vm: string }
/** Who listens to the bus, streams of pilots that are open. */
const open = { listeners: 0, streams: new Set<unknown>() }

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-cancelled-'))
  api = await startApiInParts()
  const sandbox = fileSandbox(dir)
  Object.assign(api.queue, { sandbox, bus: counted(api.queue.bus) })
  Object.assign(api.matching, { streams: { ...api.matching.streams, ...streams } })
  await api.store.intend(vm, clock.nowMs())
  const { jobIds } = await submit(api.queue, { owner: alice, jobs: [sampleSpec()], idempotencyKey: '' })
  jobId = jobIds[0] as JobId
  const untilMs = clock.nowMs() + hour
  await api.store.change([{ kind: 'claim', jobId, vmId: vm.id as VmId, cores: 1, untilMs }], clock.nowMs())
  await sandbox.keep({ jobId, attempt: 1 }, 'stderr', once(Buffer.alloc(outputBytes)))
  tokens = {
    user: await api.tokenFor({ kind: 'user', owner: alice, roles: ['user'] }),
    vm: await api.tokenFor({ kind: 'vm', vmId: vm.id }),
  }
})

afterAll(async () => {
  await api.stop()
  rmSync(dir, { recursive: true, force: true })
})

/** Two streams of one VM would replace each other: here each is one of its own, so that only its caller ends it. */
const streams = {
  enter: (_: string, stream: unknown) => void open.streams.add(stream),
  leave: (_: string, stream: unknown) => void open.streams.delete(stream),
}

function counted(bus: Bus): Bus {
  const listen: Bus['listen'] = (kind, hear) => {
    const deafen = bus.listen(kind, hear)
    open.listeners += 1
    return () => {
      open.listeners -= 1
      deafen()
    }
  }
  return { ...bus, listen }
}

type Streamed = {
  readonly path: Path
  readonly send: 'ask' | 'pour'
  readonly bytes: Uint8Array
  readonly token: () => string
}

const methods: readonly Streamed[] = [
  {
    path: JobServiceService.getOutput.path,
    send: 'ask',
    bytes: GetOutputRequest.encode({ jobId: 1, attempt: 1, name: OutputName.STDERR }).finish(),
    token: () => tokens.user,
  },
  {
    path: JobServiceService.watchJobs.path,
    send: 'ask',
    bytes: WatchJobsRequest.encode({ jobIds: [1] }).finish(),
    token: () => tokens.user,
  },
  {
    path: JobServiceService.submitJobStream.path,
    send: 'pour',
    bytes: SubmitJobsRequest.encode({ jobs: [], idempotencyKey: 'never whole' }).finish().subarray(0, 5),
    token: () => tokens.user,
  },
  {
    path: VmServiceService.session.path,
    send: 'pour',
    bytes: PilotMessage.encode(PilotMessage.fromPartial({ hello: { pilotVersion: 'test' } })).finish(),
    token: () => tokens.vm,
  },
  {
    path: VmServiceService.putOutput.path,
    send: 'pour',
    bytes: PutOutputRequest.encode(
      PutOutputRequest.fromPartial({ attempt: { jobId: 1, attempt: 1 }, name: 'stdout', totalBytes: 10 }),
    ).finish(),
    token: () => tokens.vm,
  },
]

const openFiles = (): number => readdirSync('/proc/self/fd').length

describe('callers who go away', () => {
  it.each(methods)('of $path leave nothing open', async ({ path, send, bytes, token }) => {
    expect(jobId).toBe(1)
    const before = { files: openFiles(), listeners: open.listeners }
    for (let done = 0; done < calls; done += perConnection) {
      const connection = await openConnection(clock, api.server)
      if (!connection) throw new Error('not let in')
      const head = { authorization: `Bearer ${token()}` }
      const streams = Array.from({ length: perConnection }, () => connection[send](path, framed(Buffer.from(bytes)), head))
      // Some before the service has looked at them, some while it waits for them.
      await sleep(clock, done % 50 === 0 ? 5 : 40)
      if (done % 20 === 0) for (const stream of streams) stream.close(8)
      connection.close()
    }
    const isBack = (): boolean =>
      openFiles() <= before.files && open.listeners <= before.listeners && open.streams.size === 0
    await until(clock, isBack, { withinMs: 10_000, everyMs: 50 })
    expect({ files: openFiles(), listeners: open.listeners, streams: open.streams.size }).toEqual({
      ...before,
      streams: 0,
    })
  })
})

async function* once(piece: Uint8Array): AsyncGenerator<Uint8Array> {
  yield piece
}
