/** What every sandbox must do. An adapter's test calls this with a way to open an empty one. */

import { describe, expect, it } from 'vitest'
import type { JobId } from '../../core/kernel/ids.ts'
import type { OutputName } from '../../core/model/live-output.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'

const attempt = (jobId: number, number = 1) => ({ jobId: jobId as JobId, attempt: number })

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('half')
  throw new Error('the stream broke')
}

async function read(sandbox: Sandbox, ref: ReturnType<typeof attempt>, name: OutputName): Promise<string | undefined> {
  const found = await sandbox.read(ref, name)
  if (!found) return undefined
  const parts: Uint8Array[] = []
  for await (const part of found) parts.push(part)
  return Buffer.concat(parts).toString()
}

export function sandboxContract(name: string, open: () => Promise<Sandbox>): void {
  describe(`sandbox: ${name}`, () => {
    it('keeps outputs by attempt and name, also an empty one', async () => {
      const sandbox = await open()
      expect(await sandbox.keep(attempt(1), 'stdout', pieces('hello ', 'world'))).toBe(11)
      expect(await sandbox.keep(attempt(1), 'stderr', pieces())).toBe(0)
      expect(await read(sandbox, attempt(1), 'stdout')).toBe('hello world')
      expect(await read(sandbox, attempt(1), 'stderr')).toBe('')
      expect(await read(sandbox, attempt(1, 2), 'stdout')).toBeUndefined()
      expect(await read(sandbox, attempt(2), 'stdout')).toBeUndefined()
    })

    it('replaces an output whole, or leaves the old one', async () => {
      const sandbox = await open()
      await sandbox.keep(attempt(1), 'stdout', pieces('first'))
      await expect(sandbox.keep(attempt(1), 'stdout', broken())).rejects.toThrow('the stream broke')
      expect(await read(sandbox, attempt(1), 'stdout')).toBe('first')
      await sandbox.keep(attempt(1), 'stdout', pieces('second'))
      expect(await read(sandbox, attempt(1), 'stdout')).toBe('second')
    })

    it('gives large outputs back in pieces of at most 64 KiB', async () => {
      const sandbox = await open()
      const large = 'x'.repeat(300_000)
      await sandbox.keep(attempt(1), 'stdout', pieces(large))
      const sizes: number[] = []
      for await (const piece of (await sandbox.read(attempt(1), 'stdout')) ?? []) sizes.push(piece.length)
      expect(Math.max(...sizes)).toBeLessThanOrEqual(64 * 1024)
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(300_000)
    })

    it('forgets jobs whole, as often as asked', async () => {
      const sandbox = await open()
      await sandbox.keep(attempt(1), 'stdout', pieces('a'))
      await sandbox.keep(attempt(2), 'stdout', pieces('b'))
      await sandbox.forget([1 as JobId, 3 as JobId])
      await sandbox.forget([1 as JobId])
      expect(await read(sandbox, attempt(1), 'stdout')).toBeUndefined()
      expect(await read(sandbox, attempt(2), 'stdout')).toBe('b')
    })
  })
}
