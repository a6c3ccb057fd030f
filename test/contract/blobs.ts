/** What every home of sandbox content must do. An adapter's test calls this with a way to open an empty one. */

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../core/kernel/clock.ts'
import type { Blobs } from '../../core/ports/blobs.ts'
import type { Content } from '../../core/model/sandbox-file.ts'

export function contentOf(data: Uint8Array): Content {
  return { digest: createHash('sha256').update(data).digest('hex'), bytes: data.length }
}

/** Pieces of odd sizes, each where the one before was. */
async function* pieces(data: Buffer): AsyncGenerator<Uint8Array> {
  const memory = Buffer.alloc(50_001)
  for (let at = 0; at < data.length; at += memory.length) {
    const bytes = data.copy(memory, 0, at)
    yield memory.subarray(0, bytes)
    memory.fill(0xff)
  }
}

async function* broken(data: Buffer): AsyncGenerator<Uint8Array> {
  yield* pieces(data)
  throw new Error('the stream broke')
}

async function read(blobs: Blobs, vo: string, digest: string, offset = 0): Promise<Buffer | undefined> {
  const found = await blobs.read({ vo, digest }, offset)
  if (!found) return undefined
  const parts: Uint8Array[] = []
  for await (const part of found) {
    expect(part.length).toBeLessThanOrEqual(64 * 1024)
    parts.push(Uint8Array.from(part))
  }
  return Buffer.concat(parts)
}

/** Above a part of a multipart upload and several chunks of GridFS, and no multiple of anything. */
const large = Buffer.from(Array.from({ length: 9_000_001 }, (_, at) => (at * 31 + (at >> 8)) & 0xff))

export function blobsContract(name: string, open: () => Promise<Blobs>): void {
  describe(`content: ${name}`, () => {
    it.each([
      ['nothing', Buffer.alloc(0)],
      ['a byte', Buffer.from('x')],
      ['two pieces', Buffer.alloc(64 * 1024 + 1, 7)],
      ['much', large],
    ])('of %s is given back as it was put, from any offset', async (_, data) => {
      const blobs = await open()
      const content = contentOf(data)
      expect(await blobs.has({ vo: 'lhcb', digest: content.digest })).toBe(false)
      await blobs.put('lhcb', content, pieces(data))
      expect(await blobs.has({ vo: 'lhcb', digest: content.digest })).toBe(true)
      for (const offset of [0, 1, data.length >> 1, data.length].filter((one) => one <= data.length))
        expect((await read(blobs, 'lhcb', content.digest, offset))?.equals(data.subarray(offset))).toBe(true)
    })

    it('is of one VO, whatever characters its name has', async () => {
      const blobs = await open()
      const data = Buffer.from('content')
      const content = contentOf(data)
      for (const vo of ['lhcb', 'a/b', '..', '.', 'arriving', 'é %2F']) {
        expect(await read(blobs, vo, content.digest)).toBeUndefined()
        await blobs.put(vo, content, pieces(data))
        expect((await read(blobs, vo, content.digest))?.toString()).toBe('content')
      }
      await blobs.remove([{ vo: '..', digest: content.digest }])
      expect(await read(blobs, '..', content.digest)).toBeUndefined()
      expect((await read(blobs, 'lhcb', content.digest))?.toString()).toBe('content')
    })

    it.each([
      ['other bytes', (data: Buffer) => Buffer.concat([data.subarray(1), Buffer.from('!')])],
      ['less', (data: Buffer) => data.subarray(1)],
      ['more', (data: Buffer) => Buffer.concat([data, Buffer.from('!')])],
    ])('is refused where %s come, and is not there', async (_, change) => {
      const blobs = await open()
      for (const data of [Buffer.from('small'), large]) {
        const content = contentOf(data)
        await expect(blobs.put('lhcb', content, pieces(change(data)))).rejects.toMatchObject({ code: 'invalid-argument' })
        expect(await blobs.has({ vo: 'lhcb', digest: content.digest })).toBe(false)
        expect(await read(blobs, 'lhcb', content.digest)).toBeUndefined()
      }
    })

    it('is not there where its stream breaks, and stays where it was there', async () => {
      const blobs = await open()
      const content = contentOf(large)
      await expect(blobs.put('lhcb', content, broken(large))).rejects.toThrow('the stream broke')
      expect(await blobs.has({ vo: 'lhcb', digest: content.digest })).toBe(false)
      await blobs.put('lhcb', content, pieces(large))
      await expect(blobs.put('lhcb', content, broken(large))).rejects.toThrow('the stream broke')
      expect((await read(blobs, 'lhcb', content.digest))?.equals(large)).toBe(true)
    })

    it('is whole when it is put several times at once', async () => {
      const blobs = await open()
      const content = contentOf(large)
      await Promise.all([1, 2, 3].map(() => blobs.put('lhcb', content, pieces(large))))
      // What the losers left is not what is read.
      await blobs.sweep(systemClock().nowMs() + 3_600_000)
      expect((await read(blobs, 'lhcb', content.digest))?.equals(large)).toBe(true)
    })

    it('is removed as often as asked, and can be put again', async () => {
      const blobs = await open()
      const data = Buffer.from('again')
      const ref = { vo: 'lhcb', digest: contentOf(data).digest }
      await blobs.put('lhcb', contentOf(data), pieces(data))
      await blobs.remove([ref, { vo: 'lhcb', digest: '0'.repeat(64) }])
      await blobs.remove([ref])
      expect(await blobs.has(ref)).toBe(false)
      await blobs.put('lhcb', contentOf(data), pieces(data))
      expect((await read(blobs, 'lhcb', ref.digest))?.toString()).toBe('again')
    })
  })
}
