/** What a payload writes to one of its streams: the head of it goes to a file, the rest is counted and let go. */

import { closeSync, openSync, writeSync } from 'node:fs'
import type { Readable } from 'node:stream'

export type Capture = {
  /** Resolves when no process has the other end open any more. */
  readonly over: Promise<void>
  /** Stops reading at once, and returns how many bytes were kept and how many were dropped. */
  end(): { readonly keptBytes: number; readonly droppedBytes: number }
}

/** Writes are synchronous: at most `capBytes` into the page cache, and no order to get wrong. */
export function captureTo(path: string, stream: Readable, capBytes: number): Capture {
  const file = openSync(path, 'wx', 0o600)
  let keptBytes = 0
  let droppedBytes = 0
  let closed = false
  stream.on('data', (data: Buffer) => {
    if (closed) return
    const head = data.subarray(0, capBytes - keptBytes)
    // A full disk drops what it cannot take; the payload learns of a full disk by itself.
    const written = head.length === 0 ? 0 : write(file, head)
    keptBytes += written
    droppedBytes += data.length - written
  })
  const over = new Promise<void>((resolve) => {
    stream.on('close', resolve)
    stream.on('error', () => resolve())
  })
  return {
    over,
    end() {
      if (!closed) {
        closed = true
        stream.destroy()
        closeSync(file)
      }
      return { keptBytes, droppedBytes }
    },
  }
}

function write(file: number, data: Buffer): number {
  try {
    return writeSync(file, data)
  } catch {
    return 0
  }
}
