/**
 * A stream of bytes as lines, some at a time. Holds no more than a piece of the stream and one line; a line without an end
 * makes the text not whole, and one beyond all measure is no line of ours.
 */

import { PilotageError } from '../../core/kernel/errors.ts'

/** The bytes are what a digest is made of: text that is not UTF-8 would lose what was wrong with it. */
export type Line = { readonly bytes: Buffer; readonly text: string }

/** A record is some kilobytes; a description has 64 KiB at most, a note of a large plan some megabytes. */
const maxLineBytes = 64 * 1024 * 1024
const newline = 0x0a

/** Bytes are with their line end, texts without. */
export async function* linesOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly Line[]> {
  let begun: Buffer[] = []
  let begunBytes = 0
  for await (const piece of pieces) {
    const lines: Line[] = []
    let from = 0
    for (let at = piece.indexOf(newline); at >= 0; at = piece.indexOf(newline, from)) {
      const bytes = Buffer.concat([...begun, piece.subarray(from, at + 1)])
      lines.push({ bytes, text: bytes.toString('utf8', 0, bytes.length - 1) })
      begun = []
      begunBytes = 0
      from = at + 1
    }
    if (from < piece.length) {
      begun.push(piece.subarray(from))
      begunBytes += piece.length - from
    }
    if (begunBytes > maxLineBytes) {
      throw new PilotageError('invalid-argument', `this is no archive: a line has more than ${maxLineBytes} bytes`)
    }
    if (lines.length > 0) yield lines
  }
  if (begunBytes > 0) throw new PilotageError('invalid-argument', 'the archive is not whole: it ends within a line')
}
