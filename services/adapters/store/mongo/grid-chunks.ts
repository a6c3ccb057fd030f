/** Pieces of any size on their way to a home that takes chunks of one size. */

/** Of `chunkBytes` each but for the last. Copies: the memory of a piece may be used again. */
export async function* inChunks(pieces: AsyncIterable<Uint8Array>, chunkBytes: number): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = []
  let bytes = 0
  for await (const piece of pieces) {
    bytes += piece.length
    if (bytes < chunkBytes) {
      waiting.push(Uint8Array.from(piece))
      continue
    }
    const whole = Buffer.concat([...waiting, piece])
    const rest = bytes % chunkBytes
    for (let at = 0; at + chunkBytes <= bytes; at += chunkBytes) yield whole.subarray(at, at + chunkBytes)
    waiting = rest > 0 ? [whole.subarray(bytes - rest)] : []
    bytes = rest
  }
  if (bytes > 0) yield Buffer.concat(waiting)
}
