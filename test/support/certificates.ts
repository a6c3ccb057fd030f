/**
 * Certificates for tests, made when they are needed: an authority, and what it signs for this machine's names. So no private
 * key lies in the repository, and none expires in it. Knows just as much of X.509 as that takes.
 */

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

export type Signed = { readonly certPem: string; readonly keyPem: string }

export type Authority = {
  readonly caPem: string
  /** For these names and IPv4 addresses. */
  sign(...names: readonly string[]): Signed
}

export function newAuthority(name = 'a test'): Authority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = nameOf(name)
  const basic = extension([2, 5, 29, 19], true, sequence(tlv(0x01, Buffer.from([0xff]))))
  return {
    caPem: certificate({ issuer, subject: issuer, subjectKey: own.publicKey, extensions: [basic], by: own.privateKey }),
    sign(...names) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const alternatives = extension([2, 5, 29, 17], false, sequence(...names.map(alternative)))
      const subject = nameOf(names[0] ?? 'unnamed')
      const certPem = certificate({ issuer, subject, subjectKey: publicKey, extensions: [alternatives], by: own.privateKey })
      return { certPem, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
    },
  }
}

type Parts = {
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly subjectKey: KeyObject
  readonly extensions: readonly Buffer[]
  readonly by: KeyObject
}

let serial = 0

function certificate({ issuer, subject, subjectKey, extensions, by }: Parts): string {
  serial += 1
  const algorithm = sequence(objectId([1, 2, 840, 10045, 4, 3, 2]))
  const validity = sequence(tlv(0x18, Buffer.from('20200101000000Z')), tlv(0x18, Buffer.from('21000101000000Z')))
  const tbs = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.from([1, serial >> 8, serial & 0xff])),
    algorithm,
    issuer,
    validity,
    subject,
    subjectKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions)),
  )
  const signature = sign('sha256', tbs, { key: by, dsaEncoding: 'der' })
  const der = sequence(tbs, algorithm, tlv(0x03, Buffer.concat([Buffer.from([0]), signature])))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function nameOf(text: string): Buffer {
  return sequence(tlv(0x31, sequence(objectId([2, 5, 4, 3]), tlv(0x0c, Buffer.from(text)))))
}

function alternative(name: string): Buffer {
  const isAddress = /^\d+(?:\.\d+){3}$/.test(name)
  return isAddress ? tlv(0x87, Buffer.from(name.split('.').map(Number))) : tlv(0x82, Buffer.from(name))
}

function extension(id: readonly number[], isCritical: boolean, value: Buffer): Buffer {
  const critical = isCritical ? [tlv(0x01, Buffer.from([0xff]))] : []
  return sequence(objectId(id), ...critical, tlv(0x04, value))
}

function objectId([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  return tlv(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(value: number): readonly number[] {
  const digits = [value & 0x7f]
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80)
  return digits
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, ...parts)
}

function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
