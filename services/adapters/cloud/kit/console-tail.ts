/** The end of a console log, as much as the cloud port returns. */

import { consoleBytes } from '../../../../core/kernel/limits.ts'

/** At most `consoleBytes` in UTF-8, beginning with a whole letter. */
export function consoleTail(text: string | Uint8Array): string {
  const bytes = Buffer.from(text as Uint8Array)
  let from = Math.max(0, bytes.length - consoleBytes)
  while (from > 0 && ((bytes[from] ?? 0) & 0xc0) === 0x80) from += 1
  const tail = bytes.subarray(from).toString()
  // A byte that is no text becomes a letter of three bytes.
  const excess = Buffer.byteLength(tail) - consoleBytes
  return excess > 0 ? tail.slice(excess) : tail
}
