/** Large requests of one caller are decoded and begun one after the other, with a pause; all others are begun at once. */

import type { Metadata } from '@grpc/grpc-js'
import { expect, it } from 'vitest'
import { messageBytes } from '../../../core/kernel/limits.ts'
import type { Identity } from '../../../core/model/owner.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { JobServiceService, WatchJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import type { Caller } from '../../../services/api/grpc/admission.ts'
import { edge } from '../../../services/api/grpc/edge.ts'
import { newLoads } from '../../../services/api/grpc/load.ts'
import { decoderOf, readable } from '../../../services/api/grpc/readable.ts'
import { alice, bob } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const { requestDeserialize } = readable(JobServiceService).watchJobs
const encoded = (count: number): Buffer =>
  Buffer.from(WatchJobsRequest.encode({ jobIds: Array.from({ length: count }, (_, at) => at + 1) }).finish())
const large = encoded(10_000)
const small = encoded(100)

/** Handlers that occupy the thread for 30 ms and answer how many ids they were sent. */
function world() {
  const time = virtualClock()
  let computedMs = 0
  const clock = { ...time, monotonicMs: () => time.monotonicMs() + computedMs }
  const loads = newLoads(clock)
  const begun: string[] = []
  const edges = edge({ callerOf: (metadata) => metadata as unknown as Caller }, silentLog())
  const ask = (name: string, owner: Identity & { kind: 'user' }, bytes: Buffer) => {
    const caller = { identity: owner, load: loads.of(owner, '127.0.0.1') } as Caller
    const request = requestDeserialize(bytes) as WatchJobsRequest
    const call = { metadata: caller as unknown as Metadata, request, cancelled: false }
    const answer = Promise.withResolvers<number>()
    const handler = edges.unary('watchJobs', async ({ jobIds }: WatchJobsRequest) => {
      begun.push(name)
      computedMs += 30
      return jobIds.length
    })
    handler(call as never, (error, ids) => (error ? answer.reject(error) : answer.resolve(ids as number)))
    return { call, answer: answer.promise }
  }
  return { clock, begun, ask }
}

const user = (owner: typeof alice) => ({ kind: 'user', owner, roles: ['user'] }) as const

it('of one caller begin one after the other, with a pause as long as the beginning of each took', async () => {
  const { clock, begun, ask } = world()
  const first = ask('first', user(alice), large)
  const second = ask('second', user(alice), large)
  expect(await first.answer).toBe(10_000)
  await clock.advance(29)
  expect(begun).toEqual(['first'])
  await clock.advance(2)
  expect(await second.answer).toBe(10_000)
})

it('keep neither other callers nor small requests waiting', async () => {
  const { begun, ask } = world()
  ask('first', user(alice), large)
  ask('second', user(alice), large)
  expect(await ask('other', user(bob), large).answer).toBe(10_000)
  expect(await ask('small', user(alice), small).answer).toBe(100)
  expect(begun.toSorted()).toEqual(['first', 'other', 'small'])
})

it('of a caller that disconnected are not decoded', async () => {
  const { clock, begun, ask } = world()
  await ask('first', user(alice), large).answer
  const gone = ask('gone', user(alice), large)
  gone.call.cancelled = true
  const refused = expect(gone.answer).rejects.toMatchObject({ code: 1 })
  await clock.advance(100)
  await refused
  expect(begun).toEqual(['first'])
})

it('that are no message refuse to be looked at, as small ones do', () => {
  const broken = requestDeserialize(Buffer.alloc(10, 0xff)) as WatchJobsRequest
  expect(() => broken.jobIds).toThrow('cannot be read')
  const decode = decoderOf(requestDeserialize(Buffer.alloc(messageBytes.small + 1, 0xff)))
  expect(() => (decode?.() as WatchJobsRequest | undefined)?.jobIds).toThrow('cannot be read')
})
