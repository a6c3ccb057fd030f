/**
 * A person who endorses images, for installations of tests: goes the way of docs/how-to/manage-images.md, with a key of
 * their own and an operator's client.
 */

import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { endorse, newEndorserKey } from '../../client/endorser-key.ts'
import { readImageEntry } from '../../client/image-document.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'

export type AdmittedImage = {
  readonly name: string
  /** By the cloud's name: how it calls the image. */
  readonly references: Readonly<Record<string, string>>
  readonly sites: readonly string[]
}

export type Endorser = {
  /** What the configuration says under `images`. */
  readonly config: { readonly trusted: readonly { readonly name: string; readonly file: string }[] }
  /** From then on VMs may be made from it at these sites. */
  admit(operator: PilotageClient, image: AdmittedImage): Promise<void>
}

/** `dir`: where the public key is put. */
export function newEndorser(dir: string): Endorser {
  const { privatePem, publicPem } = newEndorserKey()
  const file = join(dir, 'endorser.pub')
  writeFileSync(file, publicPem)
  return {
    config: { trusted: [{ name: 'tester', file }] },
    async admit(operator, { name, references, sites }) {
      const digest = `sha256:${createHash('sha256').update(name).digest('hex')}`
      const written = { name, os: 'linux', architecture: 'x86_64', digest, references, validUntil: '2999-01-01' }
      const entry = readImageEntry(JSON.stringify(written), 'tester')
      await operator.addImage({ entry, signature: endorse(entry, privatePem) })
      for (const site of sites) await operator.approveImage(name, site)
    },
  }
}
