/**
 * Messages that carry a piece of a file and nothing else, without the copies of the generated code and of grpc-js.
 *
 * They make six buffers of a piece that goes out and four of one that comes in. Buffers lie outside of the heap of
 * JavaScript, and their bytes bring on full collections of garbage: seven per second at 27 MiB/s, each with 10 ms in which
 * no job starts. Here a piece goes out through one buffer per call, and comes in through a few that are used again.
 *
 * What stays true: the same bytes as the generated code's. Messages with other fields (the head of a transfer) are left to
 * it.
 */

import { outputChunkBytes } from '../../../core/kernel/limits.ts'

/** The number of the field that has the bytes, in the messages that carry pieces. */
export const pieceFields: {
  readonly responses: Readonly<Record<string, number>>
  readonly requests: Readonly<Record<string, number>>
} = {
  responses: { fetchInput: 1, getOutputFile: 2 },
  requests: { putFile: 3, putOutputFile: 6 },
}

const lengthDelimited = 2
/** Of gRPC: whether it is compressed, and the length. */
const framingBytes = 5
/** The tag of a field below 16, and a length below 2^21. */
const headBytes = 4

type Method = { readonly requestDeserialize: (bytes: Buffer) => unknown }

/** The same service; the data of a piece is a part of the message's own bytes. */
export function withPieceRequests<Definition extends Readonly<Record<string, Method>>>(definition: Definition): Definition {
  const methods = Object.entries(definition).map(([name, method]) => {
    const field = pieceFields.requests[name]
    if (field === undefined) return [name, method]
    return [name, { ...method, requestDeserialize: pieceReader(field, method.requestDeserialize) }]
  })
  return Object.fromEntries(methods) as Definition
}

function pieceReader(field: number, otherwise: (bytes: Buffer) => unknown): (bytes: Buffer) => unknown {
  const empty = otherwise(Buffer.alloc(0)) as object
  return (bytes) => {
    if (bytes[0] !== tagOf(field)) return otherwise(bytes)
    let [at, length] = [1, 0]
    for (let shift = 0; at < headBytes; shift += 7) {
      const byte = bytes[at++] ?? 0
      length |= (byte & 0x7f) << shift
      if (byte <= 0x7f) break
    }
    return length > 0 && at + length === bytes.length ? { ...empty, data: bytes.subarray(at) } : otherwise(bytes)
  }
}

type Frame = (message: unknown) => Buffer

/**
 * Writes the answers of one call of the method, framed; undefined: it answers no pieces. A frame is written over by the next
 * one: the handler writes a message when the one before is sent. `otherwise`: as grpc-js does it.
 */
export function pieceFrames(method: string, otherwise: Frame): Frame | undefined {
  const field = pieceFields.responses[method]
  if (field === undefined) return undefined
  let room: Buffer | undefined
  return (message) => {
    const { data, ...rest } = message as { readonly data: Buffer }
    const isPiece =
      data.length > 0 && data.length <= outputChunkBytes && Object.values(rest).every((one) => one === undefined)
    if (!isPiece) return otherwise(message)
    room ??= Buffer.alloc(framingBytes + headBytes + outputChunkBytes)
    let at = framingBytes
    room[at++] = tagOf(field)
    let left = data.length
    for (; left > 0x7f; left >>>= 7) room[at++] = (left & 0x7f) | 0x80
    room[at++] = left
    room.set(data, at)
    at += data.length
    room[0] = 0
    room.writeUInt32BE(at - framingBytes, 1)
    return room.subarray(0, at)
  }
}

function tagOf(field: number): number {
  return (field << 3) | lengthDelimited
}
