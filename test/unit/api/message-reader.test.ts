/**
 * The reader of a call's messages: whole messages from any cut of their bytes, and every bound refused at the message's
 * head.
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PilotageError } from '../../../core/kernel/errors.ts'
import { outputChunkBytes } from '../../../core/kernel/limits.ts'
import { type MessageReader, messageReader } from '../../../services/api/grpc/message-reader.ts'
import { openPieceBuffers, type PieceBuffers } from '../../../services/api/grpc/piece-buffers.ts'
import { framed } from '../../e2e/strangers/raw-http2.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

function reading({
  maxBytes = 1000,
  single = false,
  roomBytes = 1000,
  buffers,
}: {
  maxBytes?: number
  single?: boolean
  roomBytes?: number
  buffers?: PieceBuffers
} = {}) {
  const clock = virtualClock()
  const refusals: PilotageError[] = []
  const meter = {
    held: 0,
    take(bytes: number) {
      if (meter.held + bytes > roomBytes) return false
      meter.held += bytes
      return true
    },
    give(bytes: number) {
      meter.held -= bytes
    },
  }
  const refuse = (error: PilotageError): void => void refusals.push(error)
  const reader = messageReader({
    clock,
    maxBytes,
    withinMs: 1000,
    single,
    freeBytes: 100,
    meter,
    buffers,
    refuse,
    onMessage: () => {},
  })
  return { clock, reader, meter, codes: () => refusals.map(({ code }) => code) }
}

const headOf = (length: number, flag = 0): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt8(flag, 0)
  head.writeUInt32BE(length, 1)
  return head
}

function inPieces(reader: MessageReader, bytes: Buffer, sizes: readonly number[]): readonly Buffer[] {
  const whole: Buffer[] = []
  let at = 0
  for (let turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    whole.push(...reader.write(bytes.subarray(at, at + size)))
    at += size
  }
  return whole
}

describe('messages', () => {
  it('come whole, however their bytes are cut', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 900 }), { maxLength: 6 })
    const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(bodies, cuts, (messages, sizes) => {
        const { reader, meter, codes } = reading()
        const sent = messages.map((message) => framed(Buffer.from(message)))
        const came = inPieces(reader, Buffer.concat(sent), sizes)
        expect(came.map((message) => message.toString('hex'))).toEqual(sent.map((message) => message.toString('hex')))
        expect([meter.held, codes()]).toEqual([0, []])
      }),
    )
  })

  it('are refused at their head where they are too large', () => {
    const { reader, codes } = reading()
    expect(reader.write(headOf(1001))).toEqual([])
    expect(codes()).toEqual(['too-large'])
    expect(reader.write(Buffer.alloc(100))).toEqual([])
    const other = reading()
    other.reader.write(headOf(1000))
    expect(other.codes()).toEqual([])
  })

  it('are refused at their head where they are compressed', () => {
    const { reader, codes } = reading()
    expect(reader.write(Buffer.concat([headOf(3, 1), Buffer.from('abc')]))).toEqual([])
    expect(codes()).toEqual(['unsupported'])
  })

  it('must be complete in time, the first one from the beginning', async () => {
    const silent = reading()
    await silent.clock.advance(1001)
    expect(silent.codes()).toEqual(['unavailable'])
    const slow = reading()
    slow.reader.write(headOf(10))
    await slow.clock.advance(900)
    slow.reader.write(Buffer.alloc(9))
    await slow.clock.advance(101)
    expect(slow.codes()).toEqual(['unavailable'])
    const steady = reading()
    for (let at = 0; at < 5; at += 1) {
      steady.reader.write(headOf(0))
      // Between messages a stream may be silent.
      await steady.clock.advance(5000)
    }
    expect(steady.codes()).toEqual([])
  })
})

describe('pieces of files', () => {
  const piece = (letter: string) => framed(Buffer.alloc(outputChunkBytes, letter))

  it('come in memory that is used again once it is given back, and not before', () => {
    const buffers = openPieceBuffers(2)
    const { reader } = reading({ maxBytes: 100_000, roomBytes: 100_000, buffers })
    const [first, second] = ['a', 'b'].map((letter) => inPieces(reader, piece(letter), [16_384])[0])
    if (!first || !second) throw new Error('no message came')
    expect([first.equals(piece('a')), second.equals(piece('b'))]).toEqual([true, true])
    buffers.give(first)
    const [third] = inPieces(reader, piece('c'), [10_000])
    expect(third?.equals(piece('c'))).toBe(true)
    expect(third?.buffer).toBe(first.buffer)
    expect(second.equals(piece('b'))).toBe(true)
  })

  it('give back their memory where they are cut', () => {
    const buffers = openPieceBuffers(2)
    const cut = reading({ maxBytes: 100_000, roomBytes: 100_000, buffers })
    const taken = buffers.take(outputChunkBytes)
    if (!taken) throw new Error('it takes no piece')
    buffers.give(taken)
    cut.reader.write(piece('a').subarray(0, 1000))
    expect(buffers.take(outputChunkBytes)?.buffer).not.toBe(taken.buffer)
    cut.reader.close()
    expect(buffers.take(outputChunkBytes)?.buffer).toBe(taken.buffer)
  })
})

describe('a call with one message', () => {
  it('must end in time as well, and may then take its time', async () => {
    const hanging = reading({ single: true })
    hanging.reader.write(headOf(0))
    await hanging.clock.advance(1001)
    expect(hanging.codes()).toEqual(['unavailable'])
    const whole = reading({ single: true })
    whole.reader.write(headOf(0))
    whole.reader.ended()
    await whole.clock.advance(100_000)
    expect(whole.codes()).toEqual([])
  })
})

describe('what is held of large messages', () => {
  it('is counted from their head on, and refused above the room', () => {
    const { reader, meter, codes } = reading({ roomBytes: 500 })
    reader.write(headOf(400))
    expect(meter.held).toBe(400)
    reader.write(Buffer.alloc(400))
    expect(meter.held).toBe(0)
    reader.write(headOf(501))
    expect(codes()).toEqual(['overloaded'])
    const small = reading({ roomBytes: 0 })
    small.reader.write(headOf(100))
    expect(small.codes()).toEqual([])
  })

  it('is given back when the call ends, also in the middle', () => {
    const { reader, meter } = reading()
    reader.write(headOf(400))
    reader.write(Buffer.alloc(10))
    reader.close()
    expect(meter.held).toBe(0)
    expect(reader.write(Buffer.alloc(390))).toEqual([])
  })

  it('is kept for the whole of a call with one message', () => {
    const { reader, meter } = reading({ single: true })
    expect(reader.write(framed(Buffer.alloc(400)))).toHaveLength(1)
    expect(meter.held).toBe(400)
    reader.close()
    reader.close()
    expect(meter.held).toBe(0)
  })
})
