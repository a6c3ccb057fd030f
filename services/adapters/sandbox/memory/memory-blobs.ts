/** Content of sandbox files in the memory of one process: for the simulator and for tests. Lost with the process. */

import { outputChunkBytes } from '../../../../core/kernel/limits.ts'
import type { BlobRef, Blobs } from '../../../../core/ports/blobs.ts'
import { checkedPieces } from '../kit/checked-pieces.ts'

export function memoryBlobs(): Blobs {
  const all = new Map<string, Buffer>()
  const keyOf = ({ vo, digest }: BlobRef): string => `${digest} ${vo}`
  return {
    async put(vo, content, pieces) {
      const parts: Uint8Array[] = []
      for await (const piece of checkedPieces(content, pieces)) parts.push(Uint8Array.from(piece))
      all.set(keyOf({ vo, digest: content.digest }), Buffer.concat(parts))
    },
    has: async (blob) => all.has(keyOf(blob)),
    async read(blob, offset) {
      const data = all.get(keyOf(blob))
      return data && inPieces(data.subarray(offset))
    },
    async remove(blobs) {
      for (const blob of blobs) all.delete(keyOf(blob))
    },
    sweep: async () => undefined,
  }
}

async function* inPieces(data: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < data.length; at += outputChunkBytes) yield data.subarray(at, at + outputChunkBytes)
}
