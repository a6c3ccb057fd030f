import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import type { PilotageError } from '../../../core/kernel/errors.ts'
import { gatherViolations } from '../../../core/kernel/violations.ts'
import { schema } from '../../../services/adapters/cloud/opennebula/config.ts'
import type { RawFlavor } from '../../../services/config/flavors.ts'
import { readSecrets } from '../../../services/run/secrets.ts'
import { noAmounts } from '../../../core/model/resources.ts'

const directory = mkdtempSync(join(tmpdir(), 'pilotage-config-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const minimal = { endpoint: 'https://one.example.org/RPC2', user: 'grid', password: { file: 'grid.password' } }
const placed = (file: string): string => join(directory, file)

function wrong(raw: object, flavors: readonly RawFlavor[] = []): readonly string[] {
  const violations = gatherViolations()
  const read = schema.keys(raw, 'here.opennebula', violations)
  if (read) schema.check(read, { flavors, images: [] }, 'here', violations)
  try {
    violations.settle('reading')
    return []
  } catch (thrown) {
    return (thrown as PilotageError).violations.map(
      ({ path, value, rule }) => `${path.slice('here.'.length)}: ${rule} (${value})`,
    )
  }
}

function compiled(raw: object) {
  const read = schema.keys(raw, 'here.opennebula', gatherViolations())
  if (!read) throw new Error('it is wrong')
  return schema.compile(read, placed)
}

it('needs an address, a user and where the password is', () => {
  expect(wrong({})).toEqual([
    'opennebula.endpoint: missing (nothing)',
    'opennebula.user: missing (nothing)',
    'opennebula.password: missing (nothing)',
  ])
  expect(wrong(minimal)).toEqual([])
  expect(compiled(minimal)).toEqual({
    endpoint: 'https://one.example.org/RPC2',
    user: 'grid',
    password: { file: join(directory, 'grid.password') },
    cpuPerCore: 1,
    disk: 'flavor',
    networks: [],
    groupQuota: true,
    powerOffDoubtMs: 180_000,
  })
})

it('names templates and networks as OpenNebula does', () => {
  const { template, networks, sshKeys } = compiled({
    ...minimal,
    template: { name: 'worker', owner: 'oneadmin' },
    networks: [{ id: 3 }, { name: 'private', owner: 'oneadmin' }],
    sshKeys: ['ssh-rsa AAAA a', 'ssh-rsa BBBB b'],
  })
  expect(template).toEqual({ by: 'properties', properties: { NAME: 'worker', UNAME: 'oneadmin' } })
  expect(networks.map((one) => Object.fromEntries(one))).toEqual([
    { NETWORK_ID: '3' },
    { NETWORK: 'private', NETWORK_UNAME: 'oneadmin' },
  ])
  expect(sshKeys).toBe('ssh-rsa AAAA a\nssh-rsa BBBB b')
  expect(compiled({ ...minimal, template: { id: 0 } }).template).toEqual({ by: 'id', id: '0' })
})

it.each([
  [{ endpoint: 'one.example.org:2633' }, 'opennebula.endpoint: not an address (not shown)'],
  [{ endpoint: 'https://a:secret@one.example.org/RPC2' }, 'opennebula.endpoint: not an address (not shown)'],
  [{ endpoint: 'http://one.example.org:2633/RPC2' }, 'opennebula.endpoint: not encrypted'],
  [{ user: 'grid:secret' }, 'opennebula.user: not the name of a user'],
  [{ password: 'secret' }, 'opennebula.password: a secret has no place here ((not shown))'],
  [{ template: {} }, 'opennebula.template: not one of two'],
  [{ template: { id: 1, name: 'x' } }, 'opennebula.template: not one of two'],
  [{ networks: [{ id: 1, owner: 'x' }] }, 'opennebula.networks[0]: not one of two'],
  [{ cpuPerCore: 0 }, 'opennebula.cpuPerCore: out of range'],
  [{ sshKeys: ['-----BEGIN'] }, 'opennebula.sshKeys[0]: not a public key'],
])('refuses %o', (more, expected) => {
  expect(wrong({ ...minimal, ...more }).join('\n')).toContain(expected.replace(' (not shown)', ''))
  expect(wrong({ ...minimal, ...more }).join('\n')).not.toMatch(/a:secret/)
})

it('takes plain HTTP on this machine, and elsewhere where the configuration says so', () => {
  expect(wrong({ ...minimal, endpoint: 'http://127.0.0.1:2633/RPC2' })).toEqual([])
  expect(wrong({ ...minimal, endpoint: 'http://one.example.org:2633/RPC2', plaintext: true })).toEqual([])
})

it('takes no reference to a flavor, which would mean nothing', () => {
  const size = { cores: 1, ...noAmounts, memoryBytes: 1, diskBytes: 1, pricePerHour: 1, tags: [] }
  const flavors = [
    { name: 'a', ref: undefined, ...size },
    { name: 'b', ref: 'name:m1.large', ...size },
  ]
  expect(wrong(minimal, flavors)).toEqual(['flavors[1].ref: has no effect (name:m1.large)'])
})

it('reads the password out of the file, one line', () => {
  writeFileSync(placed('grid.password'), 'sesame\n')
  const reader = readSecrets({})
  expect(reader.secret('opennebula.password', compiled(minimal).password)).toBe('sesame')
  reader.settle()
})
