import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it, vi } from 'vitest'
import { sandboxLimits } from '../../../core/kernel/sandbox-limits.ts'
import { fileBlobs } from '../../../services/adapters/sandbox/files/file-blobs.ts'
import { memoryBlobs } from '../../../services/adapters/sandbox/memory/memory-blobs.ts'
import { blobsContract, contentOf } from '../../contract/blobs.ts'

const directory = mkdtempSync(join(tmpdir(), 'pilotage-blobs-'))
let opened = 0

afterAll(() => rmSync(directory, { recursive: true, force: true }))

function place(): string {
  opened += 1
  return join(directory, String(opened))
}

blobsContract('files', async () => fileBlobs(place()))
blobsContract('memory', async () => memoryBlobs())

it('on disk leaves nothing of a put that failed, and sweeps what a process that died left', async () => {
  const dir = place()
  const blobs = fileBlobs(dir)
  const data = Buffer.from('whole')
  async function* half(): AsyncGenerator<Uint8Array> {
    yield data.subarray(0, 2)
    throw new Error('gone')
  }
  await expect(blobs.put('lhcb', contentOf(data), half())).rejects.toThrow('gone')
  expect(readdirSync(join(dir, 'arriving'))).toEqual([])
  const [old, young] = [join(dir, 'arriving', 'old'), join(dir, 'arriving', 'young')]
  mkdirSync(join(dir, 'arriving'), { recursive: true })
  for (const path of [old, young]) writeFileSync(path, 'half')
  utimesSync(old, 1000, 1000)
  await blobs.sweep(2_000_000)
  expect([existsSync(old), existsSync(young)]).toEqual([false, true])
})

it('on disk closes what it opened, read to the end, in part or not at all', async () => {
  const blobs = fileBlobs(place())
  const data = Buffer.alloc(200_000, 1)
  const content = contentOf(data)
  await blobs.put('lhcb', content, piecesOf(data))
  const isOpen = (): number =>
    readdirSync('/proc/self/fd').filter((fd) => nameOf(`/proc/self/fd/${fd}`).endsWith(content.digest)).length
  for (const reads of [0, 1, 100]) {
    const found = await blobs.read({ vo: 'lhcb', digest: content.digest }, 0)
    const reading = found?.[Symbol.asyncIterator]()
    expect(isOpen()).toBe(1)
    for (let at = 0; at < reads; at += 1) await reading?.next()
    await reading?.return?.()
    expect(isOpen()).toBe(0)
    expect((await reading?.next())?.done).toBe(true)
  }
})

it('on disk syncs a little at a time, one file after the other', async () => {
  const dir = place()
  mkdirSync(dir)
  const handle = await open(join(dir, 'any'), 'w')
  const files = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const [unsynced, most] = [new Map<FileHandle, number>(), { bytes: 0, atOnce: 0 }]
  let syncing = 0
  const { appendFile, datasync, sync } = files
  const synced = (real: () => Promise<void>) =>
    async function (this: FileHandle): Promise<void> {
      // A folder has few bytes.
      if (!unsynced.has(this)) return real.call(this)
      syncing += 1
      most.atOnce = Math.max(most.atOnce, syncing)
      await real.call(this)
      unsynced.set(this, 0)
      syncing -= 1
    }
  vi.spyOn(files, 'appendFile').mockImplementation(async function (this: FileHandle, data) {
    await appendFile.call(this, data)
    const bytes = (unsynced.get(this) ?? 0) + (data as Uint8Array).length
    unsynced.set(this, bytes)
    most.bytes = Math.max(most.bytes, bytes)
  })
  vi.spyOn(files, 'datasync').mockImplementation(synced(datasync))
  vi.spyOn(files, 'sync').mockImplementation(synced(sync))
  const blobs = fileBlobs(dir)
  await Promise.all(
    [1, 2, 3, 4].map((letter) => {
      const data = Buffer.alloc(3 * sandboxLimits.unsyncedBytes + 1000, letter)
      return blobs.put('lhcb', contentOf(data), piecesOf(data))
    }),
  )
  vi.restoreAllMocks()
  expect(most.bytes).toBeLessThan(sandboxLimits.unsyncedBytes + 64 * 1024)
  expect([...unsynced.values()]).toEqual([0, 0, 0, 0])
  expect(most.atOnce).toBe(1)
})

async function* piecesOf(data: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += 64 * 1024) yield data.subarray(at, at + 64 * 1024)
}

/** Where a link leads; empty where it is gone. */
function nameOf(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return ''
  }
}
