/**
 * Chance, as an argument. Only this file asks the machine for it, so that a seeded run repeats exactly.
 */

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** `count` letters and digits that are hard to misread (32 of them, five bits each). Unguessable from `systemRandom`. */
  letters(count: number): string
}

const alphabet = 'abcdefghjkmnpqrstuvwxyz023456789'

export function systemRandom(): Random {
  return {
    next: () => (globalThis.crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32,
    letters: (count) => [...globalThis.crypto.getRandomValues(new Uint8Array(count))].map(letter).join(''),
  }
}

/** The same seed gives the same sequence (mulberry32: 32 bits of state, passes the usual small tests). For tests only. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { next, letters: (count) => Array.from({ length: count }, () => letter(Math.floor(next() * 32))).join('') }
}

/** A delay around `ms`: from half of it to one and a half, so that many machines do not come back at one instant. */
export function jitter(ms: number, random: Random): number {
  return ms * (0.5 + random.next())
}

function letter(byte: number): string {
  return alphabet.charAt(byte & 31)
}
