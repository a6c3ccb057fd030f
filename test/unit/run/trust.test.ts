/** Whether an endorsement holds: with the keys that are trusted now, whichever were trusted before. */

import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openTrust } from '../../../services/images/trust.ts'
import { readSecrets } from '../../../services/run/secrets.ts'
import { sampleEntry, sampleKey } from '../../../sim/sample-images.ts'

it('believes the trusted key, for what it has signed', () => {
  const [ops, other] = [sampleKey(), sampleKey()]
  const entry = sampleEntry()
  const signature = ops.sign(entry)
  const trust = openTrust(new Map([['ops', ops.publicPem]]))
  expect(trust.distrust(entry, signature)).toBe('')
  // Also where it is remembered.
  expect(trust.distrust(entry, signature)).toBe('')
  expect(trust.distrust(sampleEntry({ os: 'other' }), signature)).toMatch(/not by the key of ops/)
  expect(trust.distrust(entry, other.sign(entry))).toMatch(/not by the key of ops/)
  for (const odd of ['', 'signature', `${signature}=`, signature.slice(4)]) {
    expect(trust.distrust(entry, odd)).toMatch(/not by the key of ops/)
  }
  expect(trust.distrust(sampleEntry({ endorsedBy: 'eve' }), signature)).toBe('its endorser eve is not trusted')
  expect(openTrust().distrust(entry, signature)).toBe('its endorser ops is not trusted')
  // Another key under the same name.
  expect(openTrust(new Map([['ops', other.publicPem]])).distrust(entry, signature)).toMatch(/not by the key of ops/)
})

it('takes public keys for endorsing and nothing else', () => {
  const dir = mkdtempSync(join(tmpdir(), 'pilotage-trust-'))
  try {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const ed = generateKeyPairSync('ed25519')
    const texts = {
      'ops.pub': sampleKey().publicPem,
      rsa: rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      private: ed.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      text: 'no key',
    }
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(dir, name), text)
    const reader = readSecrets()
    for (const name of [...Object.keys(texts), 'none']) reader.endorserKey(`images.trusted ${name}`, join(dir, name))
    expect(() => reader.settle()).toThrow(
      expect.objectContaining({
        violations: ['rsa', 'private', 'text', 'none'].map((name) =>
          expect.objectContaining({ path: `images.trusted ${name}` }),
        ),
      }),
    )
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
