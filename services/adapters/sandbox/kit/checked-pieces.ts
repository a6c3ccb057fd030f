/** Content on its way to its home: every home writes what comes out here, and makes it visible only after the last piece. */

import { createHash } from 'node:crypto'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { Content } from '../../../../core/model/sandbox-file.ts'

/** The pieces. Throws `invalid-argument` after or instead of the last one where they are not this content. */
export async function* checkedPieces(
  { digest, bytes }: Content,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256')
  let came = 0
  for await (const piece of pieces) {
    came += piece.length
    if (came > bytes) throw notTheContent(`more than the ${bytes} bytes that were announced`, bytes)
    hash.update(piece)
    yield piece
  }
  if (came < bytes) throw notTheContent(`${came} bytes where ${bytes} were announced`, bytes)
  const found = hash.digest('hex')
  if (found !== digest) throw notTheContent(`content of the digest ${found} where ${digest} was announced`, bytes)
}

function notTheContent(what: string, bytes: number): PilotageError {
  const violations = [
    { path: 'data', value: what, rule: 'not the announced content', accepted: `${bytes} bytes of the digest` },
  ]
  return new PilotageError('invalid-argument', `a file has ${what}: it was not kept`, { violations })
}
