/**
 * What a payload writes to one of its streams: the head of it goes to a file, the rest is counted and let go.
 *
 * A disk that takes no more is the machine's failure and not the payload's: what the file cannot take stays in memory,
 * within the same bound, until the disk takes it or the output is delivered.
 */

import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { outputChunkBytes } from '../../core/kernel/limits.ts'

export type Capture = {
  /** Resolves when no process has the other end open any more. */
  readonly over: Promise<void>
  /** From the offset on, at most one piece; `isAll`: there is no more now. Nothing after the end. */
  read(offset: number): Written
  /** Stops reading at once. */
  end(): Captured
}

export type Written = { readonly data: Uint8Array; readonly isAll: boolean }

export type Captured = {
  /** In the file and in memory. */
  readonly keptBytes: number
  readonly droppedBytes: number
  /** What comes after the content of the file, and could not be written to it. */
  readonly unwritten: Buffer
  /** Why it could not: a code of the system; empty: all is in the file. */
  readonly failure: string
}

/** Writes are synchronous: at most `maxBytes` into the page cache, and no order to get wrong. Never throws. */
export function captureTo(path: string, stream: Readable, maxBytes: number): Capture {
  const file = outputFile(path)
  let keptBytes = 0
  let droppedBytes = 0
  let ended: Captured | undefined
  stream.on('data', (data: Buffer) => {
    if (ended) return
    const head = data.subarray(0, maxBytes - keptBytes)
    if (head.length > 0) file.append(head)
    keptBytes += head.length
    droppedBytes += data.length - head.length
  })
  const over = new Promise<void>((resolve) => {
    stream.on('close', resolve)
    stream.on('error', () => resolve())
  })
  return {
    over,
    read: (offset) => (ended ? nothingWritten : file.read(offset)),
    end() {
      if (ended) return ended
      stream.destroy()
      ended = { keptBytes, droppedBytes, ...file.close() }
      return ended
    },
  }
}

export const nothingWritten: Written = { data: new Uint8Array(), isAll: true }

type OutputFile = {
  append(data: Buffer): void
  read(offset: number): Written
  close(): Pick<Captured, 'unwritten' | 'failure'>
}

/** Once a write has failed everything after it waits in memory, so that the order stays. */
function outputFile(path: string): OutputFile {
  const waiting: Buffer[] = []
  let file: number | undefined
  let failure = ''

  function write(data: Buffer): void {
    let written = 0
    try {
      file ??= openSync(path, 'wx+', 0o600)
      while (written < data.length) written += writeSync(file, data, written)
    } catch (error) {
      failure = (error as NodeJS.ErrnoException).code ?? String(error)
      // A copy: the stream uses its memory again.
      waiting.push(Buffer.from(data.subarray(written)))
    }
  }

  write(Buffer.alloc(0))
  return {
    append(data) {
      if (failure === '') write(data)
      else waiting.push(Buffer.from(data))
    },
    read(offset) {
      if (file === undefined) return nothingWritten
      const data = Buffer.alloc(outputChunkBytes)
      try {
        const bytes = readSync(file, data, 0, data.length, offset)
        return { data: data.subarray(0, bytes), isAll: bytes < data.length }
      } catch {
        return nothingWritten
      }
    },
    close() {
      const rest = Buffer.concat(waiting.splice(0))
      failure = ''
      write(rest)
      if (file !== undefined) closeSync(file)
      return { unwritten: Buffer.concat(waiting), failure }
    },
  }
}
