/** The key of a person who endorses images: made here, used here, offline. The service sees the public half only. */

import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { PilotageError } from '../core/kernel/errors.ts'
import { type ImageEntry, signedText } from '../core/model/image-entry.ts'

export type EndorserKey = { readonly privatePem: string; readonly publicPem: string }

export function newEndorserKey(): EndorserKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return {
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  }
}

/** In base64. Throws `invalid-argument` for what is no private key of an endorser; nothing of it is in the message. */
export function endorse(entry: ImageEntry, privatePem: string): string {
  return sign(null, Buffer.from(signedText(entry)), privateKeyIn(privatePem)).toString('base64')
}

function privateKeyIn(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // What it says of the text is not for a terminal.
  }
  throw new PilotageError('invalid-argument', 'the file holds no private key of an endorser (Ed25519, PEM, no passphrase)')
}
