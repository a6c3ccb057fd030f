/** Files of jobs over gRPC: what each caller may do with them, and what is left of transfers that fail. */

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectPilotage, type PilotageClient } from '../../../client/pilotage-client.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { Owner } from '../../../core/model/owner.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { PutFileRequest, SandboxServiceService } from '../../../proto/gen/pilotage/v1/sandbox.ts'
import { PutOutputFileRequest, VmServiceService } from '../../../proto/gen/pilotage/v1/vm.ts'
import { collection } from '../../../services/sandboxes/collect.ts'
import { activeVm } from '../../../sim/samples.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'

const clock = systemClock()
const ada: Owner = { vo: 'lhcb', group: 'users', owner: 'ada' }
const ben: Owner = { ...ada, owner: 'ben' }
const eve: Owner = { vo: 'belle', group: 'users', owner: 'eve' }
const [vmId, otherVm] = ['vm-aaaaaaaaaa', 'vm-bbbbbbbbbb'] as VmId[]
const maxSandboxBytes = 400_000

let api: ApiInParts
const tokens = new Map<Owner | VmId, string>()
const clients = new Map<Owner, PilotageClient>()

beforeAll(async () => {
  api = await startApiInParts({ policy: { maxSandboxBytes } })
  for (const owner of [ada, ben, eve]) {
    const token = await api.tokenFor({ kind: 'user', owner, roles: ['user'] })
    tokens.set(owner, token)
    clients.set(owner, connectPilotage({ server: api.server, token, patienceMs: 1000 }))
  }
  for (const id of [vmId, otherVm] as VmId[]) {
    await api.store.intend(activeVm(id.slice(3)), clock.nowMs())
    tokens.set(id, await api.tokenFor({ kind: 'vm', vmId: id }))
  }
})
afterAll(async () => {
  for (const client of clients.values()) client.close()
  await api?.stop()
})

function clientOf(owner: Owner): PilotageClient {
  return clients.get(owner) as PilotageClient
}

function contentOf(data: Buffer) {
  return { digest: createHash('sha256').update(data).digest('hex'), bytes: data.length }
}

async function put(owner: Owner, data: Buffer): Promise<{ digest: string; bytes: number }> {
  await clientOf(owner).putFile(contentOf(data), async function* () {
    yield data
  })
  return contentOf(data)
}

const jobWith = (file: { digest: string; bytes: number }) =>
  JobSpec.fromPartial({ executable: 'true', inputFiles: [{ ...file, path: 'in' }], outputFiles: ['out'] })

async function leased(owner: Owner, spec: JobSpec): Promise<number> {
  const [jobId = 0] = (await clientOf(owner).submit([spec])).jobIds
  const nowMs = clock.nowMs()
  await api.store.change(
    [{ kind: 'claim', jobId: jobId as JobId, vmId: vmId as VmId, cores: 1, untilMs: nowMs + 60_000 }],
    nowMs,
  )
  return jobId
}

it('gives a digest to no other user, of the same VO or another', async () => {
  const file = await put(ada, Buffer.from('private'))
  expect(await clientOf(ada).missingFiles([file.digest])).toEqual([])
  for (const other of [ben, eve]) {
    expect(await clientOf(other).missingFiles([file.digest])).toEqual([file.digest])
    const refused = clientOf(other).submit([jobWith(file)])
    await expect(refused).rejects.toMatchObject({
      code: 'invalid-argument',
      violations: [{ path: 'jobs[0].input_files[0]', rule: 'not put' }],
    })
    // Nor by the announcement of it with other content.
    const guessed = api.raw.call(
      SandboxServiceService.putFile,
      [PutFileRequest.fromPartial({ ...file, data: Buffer.from('private'.replace('p', 'q')) })],
      { token: tokens.get(other) },
    )
    expect((await guessed).error?.code).toBe('invalid-argument')
    await expect(clientOf(other).submit([jobWith(file)])).rejects.toMatchObject({ code: 'invalid-argument' })
  }
  // With the content itself it is theirs as well, and stored once per VO.
  await put(ben, Buffer.from('private'))
  expect((await clientOf(ben).submit([jobWith(file)])).jobIds).toHaveLength(1)
})

it('refuses a size that is not that of the content', async () => {
  const file = await put(ada, Buffer.from('of nine b'))
  const refused = clientOf(ada).submit([jobWith({ ...file, bytes: 8 })])
  await expect(refused).rejects.toMatchObject({ violations: [{ rule: 'wrong size', accepted: '9 bytes' }] })
})

it('shows nothing of a put that breaks off, and takes it again', async () => {
  const data = Buffer.alloc(100_000, 1)
  const file = contentOf(data)
  const half = await api.raw.call(
    SandboxServiceService.putFile,
    [PutFileRequest.fromPartial({ ...file, data: data.subarray(0, 60_000) })],
    { token: tokens.get(ada) },
  )
  expect(half.error?.code).toBe('invalid-argument')
  expect(await clientOf(ada).missingFiles([file.digest])).toEqual([file.digest])
  await put(ada, data)
  expect(await clientOf(ada).missingFiles([file.digest])).toEqual([])
})

it('says which limit an owner exceeds, and what would fit', async () => {
  await put(eve, Buffer.alloc(300_000, 9))
  await expect(put(eve, Buffer.alloc(150_000, 8))).rejects.toMatchObject({
    code: 'quota-exceeded',
    message: expect.stringContaining('sandbox.maxBytesPerOwner'),
    violations: [{ path: 'bytes', rule: 'quota exceeded', accepted: expect.stringContaining('at most 97') }],
  })
  const large = { digest: 'a'.repeat(64), bytes: 2 ** 31 }
  const refused = clientOf(eve).putFile(large, async function* () {})
  await expect(refused).rejects.toMatchObject({ code: 'too-large', violations: [{ path: 'bytes' }] })
  const piece = PutFileRequest.fromPartial({ ...contentOf(Buffer.alloc(66_000)), data: Buffer.alloc(66_000) })
  const answer = await api.raw.call(SandboxServiceService.putFile, [piece], { token: tokens.get(eve) })
  expect(answer.error?.code).toBe('too-large')
})

it('gives inputs to the VM that has the lease, and takes outputs from it alone', async () => {
  const data = Buffer.from('input')
  const jobId = await leased(ada, jobWith(await put(ada, data)))
  const attempt = { jobId, attempt: 1 }
  const out = Buffer.from('output')
  const file = { ...contentOf(out), path: 'sub/out', executable: true }
  const ask = (of: VmId, path = 'in', ref = attempt) =>
    api.raw.call(VmServiceService.fetchInput, [{ attempt: ref, path }], { token: tokens.get(of) })
  const give = (of: VmId, changes: object = {}) =>
    api.raw.call(
      VmServiceService.putOutputFile,
      [PutOutputFileRequest.fromPartial({ attempt, ...file, data: out, ...changes })],
      { token: tokens.get(of) },
    )
  expect((await ask(vmId as VmId)).responses.map((one) => one.data.toString()).join('')).toBe('input')
  expect((await ask(vmId as VmId, 'absent')).error?.code).toBe('not-found')
  expect((await ask(otherVm as VmId)).error?.code).toBe('forbidden')
  expect((await ask(vmId as VmId, 'in', { jobId, attempt: 2 })).error?.code).toBe('forbidden')
  expect((await give(otherVm as VmId)).error?.code).toBe('forbidden')
  for (const path of ['../out', '/out', 'a\\b', ''])
    expect((await give(vmId as VmId, { path })).error?.code).toBe('invalid-argument')
  expect((await give(vmId as VmId, { data: Buffer.from('outpuT') })).error?.code).toBe('invalid-argument')
  expect(await clientOf(ada).outputFiles(jobId)).toEqual({ attempt: 1, files: [] })
  expect((await give(vmId as VmId)).code).toBe(0)
  expect(await clientOf(ada).outputFiles(jobId)).toEqual({ attempt: 1, files: [file] })
  // A user who may not read the job's output does not read its files.
  await expect(clientOf(ben).outputFiles(jobId)).rejects.toMatchObject({ code: 'forbidden' })
  await expect(clientOf(eve).outputFiles(jobId)).rejects.toMatchObject({ code: 'not-found' })
  await expect(clientOf(ben).outputFile(jobId, 'sub/out').next()).rejects.toMatchObject({ code: 'forbidden' })
  const parts: string[] = []
  for await (const piece of clientOf(ada).outputFile(jobId, 'sub/out')) parts.push(Buffer.from(piece).toString())
  expect(parts.join('')).toBe('output')
  await expect(clientOf(ada).outputFile(jobId, 'in').next()).rejects.toMatchObject({ code: 'not-found' })
  // The attempt is over: the VM may touch nothing of it any more.
  const nowMs = clock.nowMs()
  await api.store.change([{ kind: 'lost', jobId: jobId as JobId, attempt: 1, why: 'test' }], nowMs)
  expect((await ask(vmId as VmId)).error?.code).toBe('forbidden')
  expect((await give(vmId as VmId)).error?.code).toBe('forbidden')
})

it('removes what no job names a day later, and keeps what one names', async () => {
  const [used, unused] = [Buffer.from('used'), Buffer.from('unused')]
  await clientOf(ada).submit([jobWith(await put(ada, used))])
  await put(ada, unused)
  const later = { ...clock, nowMs: () => clock.nowMs() + 25 * 60 * 60 * 1000 }
  const step = collection({ ...api.queue, clock: later }).step
  const has = (data: Buffer) => api.queue.blobs.has({ vo: ada.vo, digest: contentOf(data).digest })
  await step(undefined)
  expect([await has(used), await has(unused)]).toEqual([true, true])
  await step({ role: 'sweeper', fence: 1 })
  expect([await has(used), await has(unused)]).toEqual([true, false])
  // It can be put again at once.
  await put(ada, unused)
  expect(await has(unused)).toBe(true)
})
