import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { readSecrets, type SecretReader } from '../../../services/run/secrets.ts'
import { newAuthority } from '../../support/certificates.ts'

const directory = mkdtempSync(join(tmpdir(), 'pilotage-secrets-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

function bytesFile(name: string, bytes: readonly number[]): string {
  const path = join(directory, name)
  writeFileSync(path, Buffer.from(bytes))
  return path
}

const authority = newAuthority()
const one = authority.sign('localhost')
const two = authority.sign('localhost')
const certFile = file('one.crt', one.certPem)
const keyFile = file('one.key', one.keyPem)
const otherKey = file('two.key', two.keyPem)
const empty = file('empty', ' \n')
const words = file('words', 'not what you think\nhush')

it('gives what the files hold', () => {
  const secrets = readSecrets()
  expect(secrets.tls('grpc.tls', { certFile, keyFile })).toEqual(one)
  expect(secrets.certificate('grpc.caFile', file('ca.crt', authority.caPem))).toBe(authority.caPem)
  expect(secrets.line('store.urlFile', file('url', 'mongodb://db\n'))).toBe('mongodb://db')
  expect(() => secrets.settle()).not.toThrow()
})

it.each<[string, (secrets: SecretReader) => unknown, readonly string[]]>([
  ['that is not there', (s) => s.text('a', join(directory, 'none')), ['a: cannot be read (ENOENT)']],
  ['that is a directory', (s) => s.text('a', directory), ['a: cannot be read (EISDIR)']],
  ['that is Latin-1', (s) => s.text('a', bytesFile('latin1', [0x63, 0xe9])), ['a: is not UTF-8 text']],
  ['that is a program', (s) => s.text('a', bytesFile('program', [0x7f, 0x45, 0x4c, 0x46, 0, 1])), ['a: is not UTF-8 text']],
  ['that is empty', (s) => s.line('a', empty), ['a: is empty']],
  ['that is too large', (s) => s.text('a', file('large', 'x'.repeat(300_000))), ['a: too large']],
  ['that is no certificate', (s) => s.certificate('a', words), ['a: holds no certificate']],
  ['that is no key', (s) => s.tls('t', { certFile, keyFile: words }), ['t.keyFile: not the key of the certificate']],
  [
    "that is another's key",
    (s) => s.tls('t', { certFile, keyFile: otherKey }),
    ['t.keyFile: not the key of the certificate'],
  ],
  ['of many lines', (s) => s.line('a', words), ['a: does not hold what it should']],
  [
    'of another form',
    (s) => s.line('a', certFile, { accepted: 'a number', holds: (text) => /^\d+$/.test(text) }),
    ['a: does not hold what it should'],
  ],
])('refuses a file %s, by its key and never with what it holds', (_, read, expected) => {
  const secrets = readSecrets()
  read(secrets)
  let error: unknown
  try {
    secrets.settle()
  } catch (thrown) {
    error = thrown
  }
  if (!(error instanceof PilotageError)) throw new Error('it should have been refused')
  expect(error.violations.map(({ path, rule }) => `${path}: ${rule}`)).toEqual(expected)
  expect(JSON.stringify([error.message, error.violations])).not.toMatch(/hush|BEGIN|xxx/)
})
