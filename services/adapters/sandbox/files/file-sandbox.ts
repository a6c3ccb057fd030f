/**
 * What payloads wrote, as files: `<directory>/<thousand>/<job>/<attempt>.<name>`. Written beside, synced, then renamed: what
 * stands under a name is whole.
 */

import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { AttemptRef, JobId } from '../../../../core/kernel/ids.ts'
import { outputChunkBytes } from '../../../../core/kernel/limits.ts'
import type { OutputName } from '../../../../core/model/live-output.ts'
import type { Sandbox } from '../../../../core/ports/sandbox.ts'

export function fileSandbox(directory: string): Sandbox {
  // A thousand jobs a folder: no folder grows without bound.
  const folderOf = (jobId: JobId): string => join(directory, String(Math.floor(jobId / 1000)), String(jobId))
  const pathOf = ({ jobId, attempt }: AttemptRef, name: OutputName): string => join(folderOf(jobId), `${attempt}.${name}`)
  let writes = 0

  return {
    async keep(attempt, name, pieces) {
      const path = pathOf(attempt, name)
      writes += 1
      const beside = `${path}.${writes}.part`
      const folder = folderOf(attempt.jobId)
      const made = await mkdir(folder, { recursive: true, mode: 0o700 })
      let bytes = 0
      const file = await open(beside, 'w', 0o600)
      try {
        for await (const piece of pieces) {
          // Not `write`, which may take a part of it on a disk that is nearly full.
          await file.appendFile(piece)
          bytes += piece.length
        }
        await file.sync()
      } catch (error) {
        await rm(beside, { force: true })
        throw error
      } finally {
        await file.close()
      }
      await rename(beside, path)
      // A name is on disk when its folder is, and a new folder when the one above is.
      await syncFolder(folder)
      if (made !== undefined) for (const above of [dirname(folder), directory]) await syncFolder(above)
      return bytes
    },
    async read(attempt, name) {
      const path = pathOf(attempt, name)
      const found = await stat(path).catch(() => undefined)
      return found && createReadStream(path, { highWaterMark: outputChunkBytes })
    },
    async forget(jobIds) {
      for (const jobId of jobIds) await rm(folderOf(jobId), { recursive: true, force: true })
    },
  }
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
