/**
 * The text of a file that should be UTF-8; or a refusal that names what the file is instead, by its first bytes.
 *
 * What stays true: no byte is replaced silently, and text in another encoding is never read as if it were ours.
 */

import { PilotageError } from './errors.ts'

/** Enough of the beginning to know the kind. */
const headBytes = 8

const kinds: readonly (readonly [kind: string, head: readonly number[]])[] = [
  ['a gzip file', [0x1f, 0x8b]],
  ['a zstd file', [0x28, 0xb5, 0x2f, 0xfd]],
  ['an xz file', [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ['a bzip2 file', [0x42, 0x5a, 0x68]],
  ['a zip file', [0x50, 0x4b, 0x03, 0x04]],
  ['UTF-32 text', [0xff, 0xfe, 0, 0]],
  ['UTF-32 text', [0, 0, 0xfe, 0xff]],
  ['UTF-16 text', [0xff, 0xfe]],
  ['UTF-16 text', [0xfe, 0xff]],
]

export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b
}

/** `what` is the file, for the refusal. Pieces may be cut anywhere. */
export function utf8Reader(what: string): { next(piece: Uint8Array): string; end(): string } {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let head: Uint8Array = new Uint8Array()
  let isKnown = false

  function decode(piece: Uint8Array, stream: boolean): string {
    try {
      return decoder.decode(piece, { stream })
    } catch (cause) {
      throw new PilotageError('invalid-argument', `${what} is not UTF-8 text`, { cause })
    }
  }

  function begin(): Uint8Array {
    isKnown = true
    const kind = kindOf(head)
    if (kind === undefined) return head
    throw new PilotageError('invalid-argument', `${what} is ${kind}; accepted: UTF-8 text`)
  }

  return {
    next(piece) {
      if (isKnown) return decode(piece, true)
      head = joined(head, piece)
      return head.length < headBytes ? '' : decode(begin(), true)
    },
    end: () => decode(isKnown ? new Uint8Array() : begin(), false),
  }
}

export function utf8Text(bytes: Uint8Array, what: string): string {
  const reader = utf8Reader(what)
  return reader.next(bytes) + reader.end()
}

/** Text of ours has no NUL, and the first character of nearly every UTF-16 text without a mark has one. */
function kindOf(head: Uint8Array): string | undefined {
  const [kind] = kinds.find(([, bytes]) => bytes.every((byte, at) => head[at] === byte)) ?? []
  if (kind !== undefined) return kind
  const zeros = head.subarray(0, 4).filter((byte) => byte === 0).length
  if (zeros === 0) return undefined
  if (zeros === 4) return 'not text (it begins with zeros)'
  return zeros === 3 ? 'UTF-32 text' : 'UTF-16 text'
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length)
  whole.set(a)
  whole.set(b, a.length)
  return whole
}
