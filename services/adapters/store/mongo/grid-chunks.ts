/** Pieces of any size on their way to a home that takes chunks of one size. */

/** Of `chunkBytes` each but for the last. */
export async function* inChunks(pieces: AsyncIterable<Uint8Array>, chunkBytes: number): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = []
  let bytes = 0
  for await (const piece of pieces) {
    waiting.push(piece)
    bytes += piece.length
    if (bytes < chunkBytes) continue
    const whole = Buffer.concat(waiting)
    const rest = bytes % chunkBytes
    for (let at = 0; at + chunkBytes <= bytes; at += chunkBytes) yield whole.subarray(at, at + chunkBytes)
    waiting = rest > 0 ? [whole.subarray(bytes - rest)] : []
    bytes = rest
  }
  if (bytes > 0) yield Buffer.concat(waiting)
}
