import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
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
