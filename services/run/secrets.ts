/**
 * The files that a configuration names, read once when the service starts: certificates, keys, and addresses with accounts.
 *
 * A refusal names what cannot be used by its key and by the file's path. What a file holds is in no error and no log. A
 * process reads only what its roles need: a director has no business with the key of an edge.
 */

import { isUtf8 } from 'node:buffer'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { TlsFiles, TlsPair } from '../../core/ports/served-tls.ts'
import { gatherViolations, type Violations } from '../../core/kernel/violations.ts'

import type { SecretSource } from '../config/fields.ts'

/** Reads and checks files; `settle` throws `invalid-argument` with all that was wrong. */
export type SecretReader = {
  tls(path: string, files: Pick<TlsFiles, 'certFile' | 'keyFile'>): TlsPair
  certificate(path: string, file: string): string
  /** The public key of an endorser of images: Ed25519, in PEM. */
  endorserKey(path: string, file: string): string
  /** One line, without what stands around it. `shape` says what is accepted, by words and by a test. */
  line(path: string, file: string, shape?: LineShape): string
  text(path: string, file: string): string
  /** A private key for SSH, out of a file or a variable. */
  privateKey(path: string, source: SecretSource): string
  /** One line out of a file or a variable. */
  secret(path: string, source: SecretSource): string
  settle(): void
}

export type LineShape = { readonly rule?: string; readonly accepted: string; holds(text: string): boolean }

export type Environment = Readonly<Record<string, string | undefined>>

/** A chain of certificates is some kilobytes. */
const maxFileBytes = 256 * 1024

export function readSecrets(env: Environment = {}): SecretReader {
  const violations = gatherViolations()
  const text = (path: string, file: string): string => readText(path, file, violations)
  const certificate = (path: string, file: string): string => {
    const pem = text(path, file)
    if (pem !== '' && !asCertificate(pem))
      violations.add(path, file, 'holds no certificate', 'a file with a certificate in PEM')
    return pem
  }
  return {
    text,
    certificate,
    endorserKey(path, file) {
      const pem = text(path, file)
      if (pem !== '' && !isEndorserKey(pem)) {
        violations.add(path, file, 'holds no public key of an endorser', 'what pilotage image keygen writes as NAME.pub')
      }
      return pem
    },
    tls(path, { certFile, keyFile }) {
      const certPem = certificate(`${path}.certFile`, certFile)
      const keyPem = text(`${path}.keyFile`, keyFile)
      const cert = certPem === '' ? undefined : asCertificate(certPem)
      if (cert && keyPem !== '' && !isKeyOf(cert, keyPem)) {
        violations.add(
          `${path}.keyFile`,
          keyFile,
          'not the key of the certificate',
          `the private key of ${certFile}, in PEM`,
        )
      }
      return { certPem, keyPem }
    },
    line(path, file, shape) {
      const line = text(path, file).trim()
      const isWrong = line.includes('\n') || (shape && line !== '' && !shape.holds(line))
      if (isWrong)
        violations.add(
          path,
          file,
          shape?.rule ?? 'does not hold what it should',
          `a file with one line: ${shape?.accepted ?? 'the secret'}`,
        )
      return line
    },
    privateKey(path, source) {
      const [key, at] =
        'file' in source ? [text(path, source.file), source.file] : [env[source.env] ?? '', `variable ${source.env}`]
      // A file that cannot be read was refused already.
      if (key === '' && 'env' in source) violations.add(path, at, 'is not set', 'a variable with a private key')
      if (key !== '' && !/^-----BEGIN [A-Z ]*PRIVATE KEY-----/m.test(key)) {
        violations.add(path, at, 'holds no private key', 'what ssh-keygen writes, without a passphrase')
      }
      return key
    },
    secret(path, source) {
      if ('file' in source) return this.line(path, source.file)
      const value = env[source.env] ?? ''
      if (value === '') violations.add(path, source.env, 'is not set', 'a variable of the environment with the secret')
      return value
    },
    settle: () => violations.settle('reading the files that the configuration names'),
  }
}

/** For a change while the service runs. Throws `invalid-argument` with all that was wrong. */
export function readTlsPair(path: string, files: TlsFiles): TlsPair {
  const reader = readSecrets()
  const pair = reader.tls(path, files)
  reader.settle()
  return pair
}

function readText(path: string, file: string, violations: Violations): string {
  try {
    const bytes = readFileSync(file)
    const text = bytes.toString('utf8')
    // What is not text would be changed silently where it is used: in a certificate, a token, a file for machines.
    if (!isUtf8(bytes) || text.includes('\0')) violations.add(path, file, 'is not UTF-8 text', 'a file of UTF-8 text')
    else if (text.trim() === '') violations.add(path, file, 'is empty', 'a file with something in it')
    else if (text.length > maxFileBytes) violations.add(path, file, 'too large', 'at most 256 KiB')
    else return text
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    violations.add(path, file, `cannot be read (${code})`, 'a file that the service may read')
  }
  return ''
}

function asCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

/** A private key would do as well, and has no business here. */
function isEndorserKey(pem: string): boolean {
  try {
    return !pem.includes('PRIVATE KEY') && createPublicKey(pem).asymmetricKeyType === 'ed25519'
  } catch {
    return false
  }
}

function isKeyOf(cert: X509Certificate, keyPem: string): boolean {
  try {
    return cert.checkPrivateKey(createPrivateKey(keyPem))
  } catch {
    return false
  }
}
