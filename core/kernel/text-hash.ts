/**
 * Hashes of texts for indexes in memory and on disk: equal texts have equal hashes, on any machine and in any version. Not
 * for secrets, and not where a caller gains by making two texts collide: who finds by a hash looks at the text itself.
 */

const offset = 0x811c9dc5
const prime = 0x01000193
/** Any other beginning: the two halves of a long hash are independent. */
const otherOffset = 0x9747b28c

/** 32 bits with a sign (FNV-1a, mixed once more so that the last characters reach every bit). */
export function hashOf(text: string): number {
  return hashFrom(text, offset)
}

/** 52 bits, not below 0: of a million different texts two are the same once in ten thousand times. */
export function longHashOf(text: string): number {
  return (hashFrom(text, otherOffset) >>> 12) * 2 ** 32 + (hashFrom(text, offset) >>> 0)
}

function hashFrom(text: string, from: number): number {
  let hash = from
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), prime)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
