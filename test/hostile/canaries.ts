/**
 * The secrets that the suite plants: each has a name and a text that occurs nowhere else, so that one look at an output says
 * which of them was reached.
 */

import type { Random } from '../../core/kernel/random.ts'

/** For `grep -E`; it does not match itself. */
export const canaryPattern = 'cn4ry-[a-z-]+[.][0-9a-z]{16}'

export function newCanary(name: string, random: Random): string {
  return `cn4ry-${name}.${random.letters(16)}`
}

/** A further secret that the holder of `canary` can compute, and that nothing else can: see `deriveInPerl`. */
export function derivedCanary(canary: string, name: string): string {
  const key = Buffer.from(canary.slice(-8))
  const mask = Buffer.from(name.repeat(8).slice(0, 8))
  return `cn4ry-${name}.${Buffer.from(key.map((byte, at) => byte ^ (mask[at] ?? 0))).toString('hex')}`
}

/** The same in Perl: `derived($canary, $name)`. */
export const deriveInPerl = `sub derived { my ($c, $n) = @_; "cn4ry-$n." . unpack("H*", substr($c, -8) ^ substr($n x 8, 0, 8)) }`

/** The names of the secrets in a text, each once. */
export function canariesIn(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const [canary] of text.matchAll(new RegExp(canaryPattern, 'g'))) {
    found.set(canary, canary.slice('cn4ry-'.length, canary.indexOf('.')))
  }
  return found
}
