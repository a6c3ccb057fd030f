/** The keys of a cloud of kind openstack: what they become, and what is refused. */

import { expect, it } from 'vitest'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { compileConfig } from '../../../services/run/configuration.ts'
import { readSecretsFor } from '../../../services/run/ports.ts'

const usual = { authUrl: 'https://keystone.example.org:5000/v3', networks: ['inner'] }
const byPassword = { ...usual, user: 'pilot', password: { env: 'WORD' }, project: 'vo' }

function configured(openstack: object) {
  const flavors = [{ name: 'one', cores: 1, memory: '2GiB' }]
  const grpc = { advertise: ['pilotage.example.org:7400'], plaintext: true }
  const context = { agents: { advertise: ['http://pilotage.example.org:7402'] } }
  return compileConfig({
    grpc,
    context,
    clouds: [{ name: 'north', kind: 'openstack', flavors, images: [{ name: 'el9' }], openstack }],
  })
}

function wrong(openstack: object): readonly string[] {
  try {
    configured(openstack)
  } catch (error) {
    if (error instanceof PilotageError) return error.violations.map(({ path, rule }) => `${path}: ${rule}`)
  }
  return []
}

it('logs in as the secret says that is named', () => {
  const driverOf = (openstack: object) => configured(openstack).clouds[0]?.driver.options
  expect(driverOf({ ...byPassword, metadata: ['a=b=c'], region: 'one' })).toMatchObject({
    region: 'one',
    interface: 'public',
    login: { method: 'password', userDomain: 'Default', project: { by: 'name', name: 'vo', domain: 'Default' } },
    secret: { key: 'password', source: { env: 'WORD' } },
    machines: { networks: ['inner'], bootFrom: 'image', ownPorts: false, metadata: { a: 'b=c' } },
  })
  expect(driverOf({ ...usual, applicationCredential: 'id-1', secret: { file: '/run/secret' } })).toMatchObject({
    login: { method: 'application-credential', credential: 'id-1' },
    secret: { key: 'secret', source: { file: '/run/secret' } },
  })
  expect(driverOf({ ...usual, token: { env: 'TOKEN' }, projectId: 'p-1' })).toMatchObject({
    login: { method: 'token', project: { by: 'id', id: 'p-1' } },
  })
})

it('reads its secret for directors only, and names the key of one that is not there', () => {
  const config = configured(byPassword)
  expect(readSecretsFor(config, ['director'], { WORD: 'secret' }).clouds.get('north')).toEqual({ login: 'secret' })
  expect(readSecretsFor(config, ['api'], {}).clouds.size).toBe(0)
  try {
    readSecretsFor(config, ['director'], {})
    expect.unreachable('there is no secret')
  } catch (error) {
    const paths = error instanceof PilotageError ? error.violations.map(({ path }) => path) : []
    expect(paths).toEqual(['clouds.north.openstack.password'])
  }
})

it.each<[string, object, string]>([
  ['no way to log in', usual, 'password: not one way'],
  ['two ways', { ...byPassword, token: { env: 'T' } }, 'password: not one way'],
  ['a secret in the file', { ...byPassword, password: 'word' }, 'password: a secret has no place here'],
  ['no project', { ...byPassword, project: undefined }, 'project: missing'],
  [
    'a project beside a credential',
    { ...usual, applicationCredential: 'x', secret: { env: 'S' }, project: 'p' },
    'project: has no effect',
  ],
  ['an address that is none', { ...byPassword, authUrl: 'keystone:5000' }, 'authUrl: not an address'],
  ['floating addresses without a network', { ...byPassword, networks: [], floatingNetwork: 'outer' }, 'networks: missing'],
  ['a type of volume without a volume', { ...byPassword, volumeType: 'ssd' }, 'volumeType: has no effect'],
  ['a microversion that is none', { ...byPassword, microversion: '3' }, 'microversion: not a microversion'],
  ['a tag with a comma', { ...byPassword, tags: ['a,b'] }, 'tags: not a tag'],
  ['our own mark', { ...byPassword, metadata: ['pilotage-vm=x'] }, 'metadata: not a pair'],
])('refuses %s', (_what, openstack, expected) => {
  expect(wrong(openstack).join('\n')).toContain(expected)
})
