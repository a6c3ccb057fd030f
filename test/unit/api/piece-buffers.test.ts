import { expect, it } from 'vitest'
import { outputChunkBytes } from '../../../core/kernel/limits.ts'
import { openPieceBuffers } from '../../../services/api/grpc/piece-buffers.ts'

const bytes = outputChunkBytes + 20

it('hands out again what was given back, and only that', () => {
  const buffers = openPieceBuffers(2)
  const [first, second] = [buffers.take(bytes), buffers.take(bytes)]
  if (!first || !second) throw new Error('it takes no piece')
  expect(first.buffer).not.toBe(second.buffer)
  expect(first.length).toBeGreaterThanOrEqual(bytes)
  // A part of it names it.
  buffers.give(first.subarray(9, 100))
  expect(buffers.take(bytes)?.buffer).toBe(first.buffer)
  expect(buffers.take(bytes)?.buffer).not.toBe(second.buffer)
})

it('hands out nothing twice at one time, whatever is given back', () => {
  const buffers = openPieceBuffers(4)
  const own = buffers.take(bytes)
  if (!own) throw new Error('it takes no piece')
  buffers.give(Buffer.alloc(outputChunkBytes + 1024))
  buffers.give(own)
  buffers.give(own)
  const taken = [1, 2, 3, 4].map(() => buffers.take(bytes)?.buffer)
  expect(new Set(taken).size).toBe(4)
})

it('keeps a bounded number, and no memory for what is no piece', () => {
  const buffers = openPieceBuffers(1)
  const two = [buffers.take(bytes), buffers.take(bytes)]
  for (const one of two) if (one) buffers.give(one)
  const again = [buffers.take(bytes)?.buffer, buffers.take(bytes)?.buffer]
  expect(again.filter((one) => two.some((before) => before?.buffer === one))).toHaveLength(1)
  expect(buffers.take(100)).toBeUndefined()
  expect(buffers.take(2 * outputChunkBytes)).toBeUndefined()
})
