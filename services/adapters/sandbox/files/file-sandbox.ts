/**
 * What payloads wrote, as files: `<directory>/<thousand>/<job>/<attempt>.<name>`. Written beside, synced, then renamed: what
 * stands under a name is whole.
 */

import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { AttemptRef, JobId } from '../../../../core/ids.ts'
import { outputChunkBytes } from '../../../../core/limits.ts'
import type { OutputName, Sandbox } from '../../../../core/ports/sandbox.ts'

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
      await mkdir(folderOf(attempt.jobId), { recursive: true, mode: 0o700 })
      let bytes = 0
      const file = await open(beside, 'w', 0o600)
      try {
        for await (const piece of pieces) {
          await file.write(piece)
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
