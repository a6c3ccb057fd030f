/** Images for tests, endorsed by a key that is made for them. */

import { generateKeyPairSync, sign } from 'node:crypto'
import type { Image, ImageEvent } from '../core/model/image.ts'
import { changeImage } from '../core/model/image.ts'
import { type ImageEntry, signedText } from '../core/model/image-entry.ts'
import { PilotageError } from '../core/kernel/errors.ts'

/** A key of an endorser: what an installation trusts, and what signs. */
export function sampleKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return {
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: (entry: ImageEntry): string => sign(null, Buffer.from(signedText(entry)), privateKey).toString('base64'),
  }
}

export function sampleEntry(changes: Partial<ImageEntry> = {}): ImageEntry {
  return {
    name: 'plain',
    os: 'almalinux-9',
    architecture: 'x86_64',
    digest: `sha256:${'ab'.repeat(32)}`,
    references: { here: 'id:image-1' },
    validUntilMs: 10 ** 13,
    endorsedBy: 'ops',
    ...changes,
  }
}

/** An image with this past. */
export function sampleImage(events: readonly ImageEvent[], nowMs = 1000): Image {
  let image: Image | undefined
  for (const event of events) {
    const decision = changeImage(image, event, 0, nowMs)
    if (!decision.ok) throw new PilotageError('internal', `the sample was refused: ${decision.why}`)
    image = decision.next
  }
  if (!image) throw new Error('an image has a past')
  return image
}
