/**
 * Content of sandbox files on a local disk: `<directory>/<vo>/<two digits>/<digest>`. Written beside, checked, synced, then
 * renamed: what stands under a name is whole and right. A file beside that is old was left by a put that never ended.
 *
 * The store commits on the same disk, and a commit waits for what the disk has to write before it. So content is synced a
 * little at a time, one file after the other: a commit waits for one such part, however many files arrive.
 */

import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { asPilotageError, PilotageError } from '../../../../core/kernel/errors.ts'
import { outputChunkBytes } from '../../../../core/kernel/limits.ts'
import { sandboxLimits } from '../../../../core/kernel/sandbox-limits.ts'
import type { BlobRef, Blobs } from '../../../../core/ports/blobs.ts'
import { checkedPieces } from '../kit/checked-pieces.ts'
import { syncFolder } from './file-sandbox.ts'

export function fileBlobs(directory: string): Blobs {
  const beside = join(directory, 'arriving')
  const pathOf = ({ vo, digest }: BlobRef): string => join(directory, folderName(vo), digest.slice(0, 2), digest)
  const inTurn = oneAtATime()
  let puts = 0

  async function write(
    part: string,
    content: Parameters<Blobs['put']>[1],
    pieces: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const file = await open(part, 'wx', 0o600)
    try {
      let unsynced = 0
      for await (const piece of checkedPieces(content, pieces)) {
        // Not `write`, which may take a part of it on a disk that is nearly full.
        await file.appendFile(piece)
        unsynced += piece.length
        if (unsynced < sandboxLimits.unsyncedBytes) continue
        await inTurn(() => file.datasync())
        unsynced = 0
      }
      await inTurn(() => file.sync())
    } finally {
      await file.close()
    }
  }

  return {
    async put(vo, content, pieces) {
      const path = pathOf({ vo, digest: content.digest })
      puts += 1
      const part = join(beside, `${process.pid}.${puts}.${content.digest}`)
      await mkdir(beside, { recursive: true, mode: 0o700 })
      try {
        await write(part, content, pieces)
        const folder = dirname(path)
        const made = await mkdir(folder, { recursive: true, mode: 0o700 })
        await rename(part, path)
        await syncFolder(folder)
        if (made !== undefined) for (const above of [dirname(folder), directory]) await syncFolder(above)
      } catch (thrown) {
        await rm(part, { force: true })
        throw isOfDisk(thrown)
          ? new PilotageError('unavailable', 'the disk of the sandbox is full or failed', { cause: thrown })
          : thrown
      }
    },
    has: (blob) => stat(pathOf(blob)).then((found) => found.isFile(), ifAbsent(false)),
    async read(blob, offset) {
      const file = await open(pathOf(blob)).catch(ifAbsent(undefined))
      // Opened already: it can be read to its end, also if it is removed now.
      return file && piecesOf(file, offset)
    },
    async remove(blobs) {
      for (const blob of blobs) await rm(pathOf(blob), { force: true })
    },
    async sweep(beganBeforeMs) {
      for (const name of await readdir(beside).catch(ifAbsent([] as string[]))) {
        const path = join(beside, name)
        const found = await stat(path).catch(ifAbsent(undefined))
        if (found && found.mtimeMs < beganBeforeMs) await rm(path, { force: true })
      }
    },
  }
}

/** Runs what it is given in the order of the calls, the next one when the one before is over. */
function oneAtATime(): (run: () => Promise<void>) => Promise<void> {
  let last = Promise.resolve()
  return (run) => {
    const own = last.then(run)
    last = own.catch(() => undefined)
    return own
  }
}

/** To the end of the file. Its own iterator, since one that a function generates closes nothing if it is left unread. */
function piecesOf(file: FileHandle, offset: number): AsyncIterableIterator<Uint8Array> {
  // Not before the first read: one that waits for its turn has no memory yet.
  let piece: Buffer | undefined
  let [at, isClosed] = [offset, false]
  const close = async (): Promise<IteratorReturnResult<undefined>> => {
    if (!isClosed) {
      isClosed = true
      await file.close()
    }
    return { done: true, value: undefined }
  }
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      if (isClosed) return { done: true, value: undefined }
      piece ??= Buffer.allocUnsafe(outputChunkBytes)
      const { bytesRead } = await file.read(piece, 0, piece.length, at)
      if (bytesRead === 0) return close()
      at += bytesRead
      return { done: false, value: piece.subarray(0, bytesRead) }
    },
    return: close,
  }
}

/** A VO's name may hold any character: no name leads elsewhere, and none is hidden or the folder of arriving files. */
function folderName(vo: string): string {
  return `vo-${encodeURIComponent(vo).replaceAll('.', '%2E')}`
}

function ifAbsent<Otherwise>(otherwise: Otherwise): (error: NodeJS.ErrnoException) => Otherwise {
  return (error) => {
    if (error.code === 'ENOENT') return otherwise
    throw asPilotageError(error, 'reading the sandbox')
  }
}

function isOfDisk(thrown: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EIO'].includes((thrown as NodeJS.ErrnoException).code ?? '')
}
