/** The keys of a cloud of kind ec2: what they become, what is refused, and that the driver is opened with them. */

import { memoryKeep } from '../../support/memory-keep.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { compileConfig } from '../../../services/run/configuration.ts'
import type { Installation } from '../../../services/run/installation.ts'
import { openCloud, readSecretsFor } from '../../../services/run/ports.ts'
import { document, openEc2Server } from '../../support/ec2-server.ts'

const closing: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const flavor = { name: 'm5.large', cores: 2, memory: '8GiB' }
const keys = { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'KEY' } }

function configured(ec2: object, flavors: readonly object[] = [flavor]) {
  const grpc = { advertise: ['pilotage.example.org:7400'], plaintext: true }
  const context = { agents: { advertise: ['http://pilotage.example.org:7402'] } }
  return compileConfig({ grpc, context, clouds: [{ name: 'far', kind: 'ec2', flavors, images: [{ name: 'el9' }], ec2 }] })
}

function wrong(ec2: object, flavors?: readonly object[]): string {
  try {
    configured(ec2, flavors)
  } catch (thrown) {
    if (!(thrown instanceof PilotageError)) throw thrown
    return thrown.violations.map(({ path, value, rule }) => `${path} ${value}: ${rule}`).join('\n')
  }
  return 'nothing'
}

it('has a default for everything but region and keys', () => {
  expect(configured({ region: 'eu-west-1', ...keys }).clouds[0]?.driver.options).toEqual({
    region: 'eu-west-1',
    credentials: { kind: 'keys', ...keys },
    machine: { subnets: [], securityGroups: [], rootVolume: { size: 'flavor' }, tags: {} },
    imageOwners: ['self'],
    quotaFromAccount: false,
  })
})

it('leaves disks to a launch template, unless they are spoken of', () => {
  const machineOf = (more: object) => {
    const driver = configured({ region: 'x', defaultChain: true, launchTemplate: { id: 'lt-1' }, ...more }).clouds[0]?.driver
    return driver?.kind === 'ec2' ? (driver.options as { readonly machine: object }).machine : undefined
  }
  expect(machineOf({})).toEqual({
    launchTemplate: { id: 'lt-1', version: '$Default' },
    subnets: [],
    securityGroups: [],
    tags: {},
  })
  expect(machineOf({ rootVolume: { size: 'image' }, tags: ['a=b', 'c='] })).toMatchObject({
    rootVolume: { size: 'image' },
    tags: { a: 'b', c: '' },
  })
})

const spot = (ref: string) => [{ ...flavor, ref }]

it.each<[string, object, readonly object[] | undefined, string]>([
  ['no region', keys, undefined, 'ec2.region'],
  ['no keys', { region: 'x' }, undefined, 'ec2.secretAccessKey'],
  ['two ways to credentials', { region: 'x', ...keys, defaultChain: true }, undefined, 'beside defaultChain'],
  ['a secret itself', { region: 'x', ...keys, secretAccessKey: 'hush' }, undefined, 'a secret has no place here'],
  ['a plain address', { region: 'x', ...keys, endpoint: 'http://ec2.example.org' }, undefined, 'ec2.endpoint'],
  ['an address with an account', { region: 'x', ...keys, endpoint: 'https://a:hush@b' }, undefined, 'ec2.endpoint'],
  ['a template by nothing', { region: 'x', ...keys, launchTemplate: { version: '1' } }, undefined, 'not one of two'],
  ['a subnet twice', { region: 'x', ...keys, subnets: ['a', 'a'] }, undefined, 'named twice'],
  ['no owner', { region: 'x', ...keys, imageOwners: [] }, undefined, 'imageOwners'],
  ['a tag of ours', { region: 'x', ...keys, tags: ['pilotage-vm=me'] }, undefined, 'not a tag'],
  ['a tag without a value', { region: 'x', ...keys, tags: ['lonely'] }, undefined, 'not a tag'],
  ['a flavor without a type', { region: 'x', ...keys }, spot('properties:market=spot'), 'names no type'],
  ['a flavor of another market', { region: 'x', ...keys }, spot('properties:type=a,market=flea'), 'not a market'],
  ['a price on demand', { region: 'x', ...keys }, spot('properties:type=a,maxPrice=1'), 'on demand'],
  ['a price that is none', { region: 'x', ...keys }, spot('properties:type=a,market=spot,maxPrice=0'), 'not a price'],
  ['a flavor with more', { region: 'x', ...keys }, spot('properties:type=a,cores=2'), 'no property'],
])('refuses %s', (_what, ec2, flavors, expected) => {
  const refusals = wrong(ec2, flavors)
  expect(refusals).toContain(expected)
  expect(refusals).not.toContain('hush')
})

it('opens the driver with what files and variables hold', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'pilotage-ec2-'))
  closing.push(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'id'), 'AKIAFROMFILE\n')
  const server = await openEc2Server(() => document('DescribeInstances', '<reservationSet/>'))
  closing.push(server.close)
  const accessKeyId = { file: join(dir, 'id') }
  const config = configured({ region: 'x', endpoint: server.url, ...keys, accessKeyId })
  const path = 'clouds.far.ec2.secretAccessKey'
  const unset = expect.objectContaining({ violations: [expect.objectContaining({ path, value: 'KEY' })] })
  expect(() => readSecretsFor(config, ['director'], {})).toThrow(unset)
  const secrets = readSecretsFor(config, ['director'], { KEY: 'hush' })
  expect(readSecretsFor(config, ['api'], {}).clouds.size).toBe(0)
  const [cloud] = config.clouds
  if (!cloud) throw new Error('no cloud')
  const installation = { name: 'here', path: (name: string) => name } as Installation
  const driver = await openCloud(cloud, {
    installation,
    clock: systemClock(),
    log: silentLog(),
    secrets,
    notes: memoryKeep(),
  })
  expect(await driver.list()).toEqual([])
  expect(server.calls[0]?.headers.authorization).toContain('Credential=AKIAFROMFILE/')
  expect(server.calls[0]?.body).toContain('here')
})
