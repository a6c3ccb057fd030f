/**
 * Memory of pieces of files that arrive, used again when a piece is stored: what is made anew for each piece is made so fast
 * that collecting it as garbage holds up everything else.
 *
 * What is not given back (a call was cut) is garbage as ever. What is given back is written over: only by who knows that no
 * other has it.
 */

import { outputChunkBytes } from '../../../core/kernel/limits.ts'

export type PieceBuffers = {
  /** At least as large; of any content. Undefined: not the size of a piece, memory for it is not kept. */
  take(bytes: number): Buffer | undefined
  /** Memory that is not of here is left alone. At most once per `take`. */
  give(part: Uint8Array): void
}

/** 5 bytes of framing, the other fields of the message, and the piece. */
const bufferBytes = outputChunkBytes + 1024

/** `max`: how many are kept while they are not in use. */
export function openPieceBuffers(max: number): PieceBuffers {
  const ours = new WeakSet<ArrayBufferLike>()
  const free: Buffer[] = []
  return {
    take(bytes) {
      if (bytes > bufferBytes || bytes < outputChunkBytes / 2) return undefined
      const buffer = free.pop() ?? Buffer.allocUnsafeSlow(bufferBytes)
      ours.add(buffer.buffer)
      return buffer
    },
    give({ buffer }) {
      // In use only: what is given back twice would be handed out twice.
      if (ours.delete(buffer) && free.length < max) free.push(Buffer.from(buffer as ArrayBuffer))
    },
  }
}
