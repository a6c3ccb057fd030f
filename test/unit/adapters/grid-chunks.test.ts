import fc from 'fast-check'
import { expect, it } from 'vitest'
import { inChunks } from '../../../services/adapters/store/mongo/grid-chunks.ts'

/** Each where the one before was. */
async function* piecesOf(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  const memory = Buffer.alloc(100)
  for (const part of parts) {
    memory.set(part)
    yield memory.subarray(0, part.length)
    memory.fill(0xff)
  }
}

it('cuts chunks of one size from pieces of any, whose memory is used again', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }),
      fc.integer({ min: 1, max: 150 }),
      async (parts, size) => {
        const chunks: Buffer[] = []
        for await (const chunk of inChunks(piecesOf(parts), size)) chunks.push(chunk)
        const all = Buffer.concat(parts)
        expect(Buffer.concat(chunks).equals(all)).toBe(true)
        const sizes = Array.from({ length: Math.ceil(all.length / size) }, (_, at) => Math.min(size, all.length - at * size))
        expect(chunks.map((chunk) => chunk.length)).toEqual(sizes)
      },
    ),
  )
})
