/** What a VM may say is bounded: its credential is on a machine that strangers' payloads run on. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import { pilotMessageOf } from '../../../proto/codec/pilot.ts'
import { BeatRequest, PilotMessage, VmServiceService } from '../../../proto/gen/pilotage/v1/vm.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'
import { activeVm, sampleResult } from '../../../sim/samples.ts'

const clock = systemClock()
const vm = activeVm('bounds', { endByMs: clock.nowMs() + 60_000 })
let api: ApiInParts
let token: string

beforeAll(async () => {
  api = await startApiInParts()
  await api.store.intend(vm, clock.nowMs())
  token = await api.tokenFor({ kind: 'vm', vmId: vm.id })
})

afterAll(() => api.stop())

it('a heartbeat whose load is no number is refused and not kept', async () => {
  for (const load1 of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const { error } = await api.raw.call(VmServiceService.beat, [BeatRequest.fromPartial({ load1 })], { token })
    expect(error).toMatchObject({ code: 'invalid-argument', violations: [{ path: 'load1' }] })
  }
  expect((await api.store.vm(vm.id))?.vm.beat).toBeUndefined()
  const { error } = await api.raw.call(VmServiceService.beat, [BeatRequest.fromPartial({ load1: 1.5 })], { token })
  expect(error).toBeUndefined()
})

it('a message that names more attempts than any VM can hold is refused', () => {
  const refs = Array.from({ length: 10_001 }, (_, at) => ({ jobId: at + 1, attempt: 1 }))
  const tooMany = [
    { renew: refs },
    { hello: { held: refs } },
    { reports: refs.map((ref) => ({ ...ref, phase: 'running' })) },
  ]
  for (const said of tooMany) {
    expect(() => pilotMessageOf(PilotMessage.fromPartial(said))).toThrow(/length of 10001: at most 10000/)
  }
  expect(pilotMessageOf(PilotMessage.fromPartial({ renew: refs.slice(1) })).renew).toHaveLength(10_000)
})

it('an end that is reported with a book is refused', () => {
  const ended = (changes: object) =>
    PilotMessage.fromPartial({
      reports: [{ jobId: 1, attempt: 1, phase: 'ended', result: { ...sampleResult(), ...changes } }],
    })
  expect(() => pilotMessageOf(ended({ detail: 'x'.repeat(8193) }))).toThrow(/result.detail/)
  expect(() => pilotMessageOf(ended({ signal: 'x'.repeat(65) }))).toThrow(/result.signal/)
  expect(pilotMessageOf(ended({ detail: 'x'.repeat(8192) })).reports).toHaveLength(1)
})
