/**
 * Whom this installation trusts to endorse images, and whether an endorsement holds. The one place where a signature of an
 * entry is looked at: when it is added, and again whenever VMs are to be made from it, so that a key that is trusted no more
 * stops its images.
 */

import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { type ImageEntry, signedText } from '../../core/model/image-entry.ts'

export type Trust = {
  /** The names of the trusted keys. */
  readonly endorsers: readonly string[]
  /** Why the endorsement does not hold; empty: it does. */
  distrust(entry: ImageEntry, signature: string): string
}

/**
 * `keys`: public keys in PEM, by name; each an Ed25519 key, as `isEndorserKey` says. Without any, no endorser is trusted.
 */
export function openTrust(keys: ReadonlyMap<string, string> = new Map()): Trust {
  const known = new Map([...keys].map(([name, pem]) => [name, createPublicKey(pem)]))
  // Looking is dear beside remembering, and every step of a director looks at all images.
  const held = new Map<string, string>()
  const endorsers = [...known.keys()]

  function holds(key: KeyObject, entry: ImageEntry, signature: string): boolean {
    const text = signedText(entry)
    if (held.get(signature) === text) return true
    if (!isSignature(signature) || !verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64'))) return false
    if (held.size >= maxRemembered) held.clear()
    held.set(signature, text)
    return true
  }

  return {
    endorsers,
    distrust(entry, signature) {
      const key = known.get(entry.endorsedBy)
      if (!key) return `its endorser ${entry.endorsedBy} is not trusted`
      return holds(key, entry, signature) ? '' : `its signature is not by the key of ${entry.endorsedBy} that is trusted`
    },
  }
}

/** A catalogue is smaller. */
const maxRemembered = 4096

/** 64 bytes. */
function isSignature(text: string): boolean {
  return /^[A-Za-z0-9+/]{86}==$/.test(text)
}
