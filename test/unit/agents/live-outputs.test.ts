/** The pilot's part: from the beginning, as it grows, until no user reads. */

import { expect, it } from 'vitest'
import { openLiveOutputs } from '../../../agents/pilot/live-outputs.ts'
import type { Uplink } from '../../../agents/kit/uplink.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { liveOutputLimits } from '../../../core/kernel/limits.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const output = { jobId: 1 as JobId, attempt: 1, name: 'stdout' } as const
const { tailEveryMs, askEveryMs } = liveOutputLimits

function world() {
  const clock = virtualClock()
  const said: string[] = []
  const state = {
    text: '',
    isWanted: true,
    isThere: true,
    isUp: true,
    lost: 0,
    refusal: undefined as PilotageError | undefined,
  }
  let bytes = 0
  const uplink = {
    async putLiveOutput(_, offset, data, isCaughtUp) {
      if (state.refusal) throw state.refusal
      said.push(`${offset} ${Buffer.from(data)}${isCaughtUp ? '' : ' ...'}`)
      if (offset === bytes) bytes += data.length
      return { bytes, isWanted: state.isWanted }
    },
  } as Pick<Uplink, 'putLiveOutput'> as Uplink
  const outputs = openLiveOutputs({
    clock,
    uplink: () => (state.isUp ? uplink : undefined),
    payload: () =>
      state.isThere
        ? {
            written(_name, offset) {
              const data = Buffer.from(state.text).subarray(offset, offset + 4)
              return { data, isAll: offset + data.length === state.text.length }
            },
          }
        : undefined,
    signal: new AbortController().signal,
  })
  const forget = (): void => {
    bytes = 0
  }
  return { clock, said, state, outputs, forget }
}

it('sends what there is in pieces, and then what comes', async () => {
  const { clock, said, state, outputs } = world()
  state.text = 'abcdef'
  outputs.send(output)
  await clock.advance(1)
  expect(said.splice(0)).toEqual(['0 abcd ...', '4 ef'])
  await clock.advance(tailEveryMs)
  expect(said).toEqual([])
  state.text += 'gh'
  await clock.advance(tailEveryMs)
  expect(said).toEqual(['6 gh'])
})

it('says that there is nothing yet, and asks whether it is still read', async () => {
  const { clock, said, state, outputs } = world()
  outputs.send(output)
  await clock.advance(1)
  expect(said.splice(0)).toEqual(['0 '])
  await clock.advance(askEveryMs + tailEveryMs)
  expect(said.splice(0)).toEqual(['0 '])
  state.isWanted = false
  await clock.advance(askEveryMs + tailEveryMs)
  expect(said.splice(0)).toEqual(['0 '])
  state.text = 'unread'
  await clock.advance(2 * askEveryMs)
  expect(said).toEqual([])
  // Asked again, it begins again.
  state.isWanted = true
  outputs.send(output)
  await clock.advance(1)
  expect(said[0]).toBe('0 unre ...')
})

it('begins anew where the service has lost what it had', async () => {
  const { clock, said, state, outputs, forget } = world()
  state.text = 'abc'
  outputs.send(output)
  await clock.advance(1)
  forget()
  state.text = 'abcd'
  await clock.advance(2 * tailEveryMs)
  expect(said).toEqual(['0 abc', '3 d', '0 abcd'])
})

it('goes on when the service is back, is sent once however often it is asked for, and ends with its payload', async () => {
  const { clock, said, state, outputs } = world()
  state.text = 'abc'
  state.isUp = false
  outputs.send(output)
  outputs.send(output)
  await clock.advance(10 * tailEveryMs)
  expect(said).toEqual([])
  state.isUp = true
  state.refusal = new PilotageError('unavailable', 'gone')
  await clock.advance(2 * tailEveryMs)
  state.refusal = undefined
  await clock.advance(tailEveryMs)
  expect(said.splice(0)).toEqual(['0 abc'])
  state.isThere = false
  await clock.advance(2 * askEveryMs)
  expect(said).toEqual([])
})

it('ends where it is refused, and sends a bounded number at a time', async () => {
  const { clock, said, state, outputs } = world()
  state.refusal = new PilotageError('forbidden', 'not yours')
  outputs.send(output)
  await clock.advance(1)
  state.refusal = undefined
  await clock.advance(2 * askEveryMs)
  expect(said).toEqual([])
  for (let jobId = 1; jobId <= liveOutputLimits.perPilot + 1; jobId += 1) outputs.send({ ...output, jobId: jobId as JobId })
  await clock.advance(1)
  expect(said).toHaveLength(liveOutputLimits.perPilot)
})
