/** Small files, as options name them: read whole within a bound. */

import { closeSync, openSync, readSync } from 'node:fs'
import { PilotageError } from '../core/kernel/errors.ts'
import { utf8Text } from '../core/kernel/file-text.ts'

/** Reads `maxBytes` at most, whatever size the file claims to have. */
export function readSmallFile(path: string, maxBytes: number): string {
  const buffer = Buffer.alloc(maxBytes + 1)
  let length = 0
  try {
    const file = openSync(path, 'r')
    try {
      for (let got = -1; got !== 0 && length <= maxBytes; length += got)
        got = readSync(file, buffer, length, buffer.length - length, null)
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    throw new PilotageError('not-found', `reading ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
  if (length > maxBytes) throw new PilotageError('too-large', `${path} is larger than ${maxBytes} bytes`)
  return utf8Text(buffer.subarray(0, length), path)
}
