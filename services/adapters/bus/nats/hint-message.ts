/**
 * A hint as it travels: `{"ids":[...]}`, and its kind is in the subject. A message is small whatever is hinted; what is
 * larger, or is no hint, is not read. The ids are all that there is: a forged one wakes a loop and nothing else.
 */

import type { Hint } from '../../../../core/ports/bus.ts'

type Id = Hint['ids'][number]

const maxIds = 500
/** 500 ids of 128 letters, the longest. NATS itself takes 1 MiB. */
const maxBytes = 64 * 1024

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** In as many messages as it needs. An id that no process would read is left out. */
export function hintMessages(ids: readonly Id[]): readonly Uint8Array[] {
  const sound = ids.filter(isId)
  return Array.from({ length: Math.ceil(sound.length / maxIds) }, (_, at) =>
    encoder.encode(JSON.stringify({ ids: sound.slice(at * maxIds, (at + 1) * maxIds) })),
  )
}

/** Undefined for what is no hint. */
export function readHintMessage(bytes: Uint8Array): readonly Id[] | undefined {
  if (bytes.length > maxBytes) return undefined
  try {
    const message: unknown = JSON.parse(decoder.decode(bytes))
    if (typeof message !== 'object' || message === null || !('ids' in message)) return undefined
    const { ids } = message
    return Array.isArray(ids) && ids.length > 0 && ids.length <= maxIds && ids.every(isId) ? ids : undefined
  } catch {
    return undefined
  }
}

/** Numbers, and words in which each letter is a byte: all that ids of ours are. */
function isId(id: unknown): id is Id {
  return typeof id === 'number' ? Number.isSafeInteger(id) : typeof id === 'string' && /^[!#-[\]-~]{1,128}$/.test(id)
}
