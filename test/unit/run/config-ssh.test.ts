/**
 * The keys of a cloud of kind ssh and of the delivery by SSH: what they become, what is refused, and what their machines
 * get.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { compileConfig } from '../../../services/run/configuration.ts'
import { exampleVm } from '../../../services/context/size-check.ts'
import { type VmContext, vmContext } from '../../../services/context/vm-context.ts'
import { contextSources } from '../../../services/run/context-sources.ts'
import type { Config } from '../../../services/config/document.ts'
import type { Offering } from '../../../core/model/cloud.ts'
import { readSecretsFor } from '../../../services/run/ports.ts'
import { newKey } from '../../support/ssh-server.ts'

const host = { address: 'node1.example.org', flavor: 'one' }
const usual = { privateKey: { env: 'KEY' }, hosts: [host] }
const grpc = { advertise: ['pilotage.example.org:7400'], plaintext: true }
const advertise = ['http://pilotage.example.org:7402']
const agents = {
  pilot: { path: '/p', sha256: 'a'.repeat(64) },
  monitor: { path: '/m', sha256: 'b'.repeat(64) },
}

const dirs: string[] = []
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true })
})

function configured(ssh: object, cloud: object = {}, context: object = {}) {
  const flavors = [{ name: 'one', cores: 2, memory: '4GiB' }]
  const one = { name: 'rack', kind: 'ssh', site: 'here', flavors, ssh, ...cloud }
  return compileConfig({ grpc, context: { agents: { advertise }, ...context }, clouds: [one] }, '/etc/pilotage')
}

function contextOf(config: Config, offering: Offering): VmContext {
  const place = { dataDir: '/data', endpoint: 'pilotage.example.org:7400', bases: advertise }
  const sources = contextSources({ config, agents, texts: new Map(), caPem: undefined, ...place })
  return vmContext({ vm: exampleVm(2e12), offering, squids: [] }, sources)
}

function wrong(build: () => unknown): readonly string[] {
  try {
    build()
  } catch (error) {
    if (error instanceof PilotageError) return error.violations.map(({ path, rule }) => `${path}: ${rule}`)
    throw error
  }
  return []
}

describe('a cloud of hosts', () => {
  it('is what its keys say, and offers each flavor with what a host has', () => {
    const [cloud] = configured({ ...usual, privateKey: { file: 'key' }, sudo: true, user: 'ada' }).clouds
    expect(cloud?.driver.options).toEqual({
      user: 'ada',
      sudo: true,
      privateKey: { file: '/etc/pilotage/key' },
      hosts: [{ ...host, port: 22 }],
    })
    expect(cloud?.offerings).toMatchObject([{ flavor: 'one', image: 'plain', cores: 2 }])
  })

  it.each<[string, object, object, string]>([
    ['no host', { ...usual, hosts: [] }, {}, 'clouds[0].ssh.hosts: missing'],
    ['one host twice', { ...usual, hosts: [host, host] }, {}, 'clouds[0].ssh.hosts[1].address: used twice'],
    [
      'a flavor that is none',
      { ...usual, hosts: [{ ...host, flavor: 'x' }] },
      {},
      'clouds[0].ssh.hosts[0].flavor: no flavor',
    ],
    ['a key that is none', { ...usual, hosts: [{ ...host, hostKey: 'MD5:aa' }] }, {}, 'clouds[0].ssh.hosts[0].hostKey: not'],
    [
      'words for an address',
      { ...usual, hosts: [{ ...host, address: '-oProxy=x' }] },
      {},
      'clouds[0].ssh.hosts[0].address: not',
    ],
    [
      'a key in the configuration',
      { ...usual, privateKey: 'x' },
      {},
      'clouds[0].ssh.privateKey: a secret has no place here',
    ],
    ['an account that is none', { ...usual, user: 'a b' }, {}, 'clouds[0].ssh.user: not an account'],
    ['no flavors', usual, { flavors: undefined }, 'clouds[0].flavors: missing'],
    ['two images', usual, { images: [{ name: 'a' }, { name: 'b' }] }, 'clouds[0].images: more than a host has'],
  ])('with %s is refused', (_what, ssh, cloud, message) => {
    expect(wrong(() => configured(ssh, cloud)).join()).toContain(message)
  })

  it('is no place for a squid', () => {
    const sites = [{ name: 'here', squid: 'managed' }]
    expect(wrong(() => configured(usual, {}, { sites })).join()).toContain('context.sites[0].squid: no machine')
  })

  it('reads its key for directors only, and knows one', () => {
    const config = configured(usual)
    const key = newKey()
    expect(readSecretsFor(config, ['director'], { KEY: key }).clouds.get('rack')).toEqual({ privateKey: key })
    expect(readSecretsFor(config, ['api'], {}).clouds.size).toBe(0)
    const path = 'clouds.rack.ssh.privateKey'
    expect(wrong(() => readSecretsFor(config, ['director'], {}))).toEqual([`${path}: is not set`])
    expect(wrong(() => readSecretsFor(config, ['director'], { KEY: 'ssh-ed25519 AAAA' }))).toEqual([
      `${path}: holds no private key`,
    ])
  })

  it('has its machines set up by a script that never switches them off', () => {
    const config = configured(usual)
    const [cloud] = config.clouds
    const [offering] = cloud?.offerings ?? []
    if (!cloud || !offering) throw new Error('no offering')
    const { text } = contextOf(config, offering)
    expect(text).toMatch(/^#!\/bin\/sh\n/)
    expect(text).not.toContain('poweroff')
  })
})

describe('an image without cloud-init', () => {
  const openstack = { authUrl: 'https://k:5000/v3', token: { env: 'TOKEN' } }
  const cloud = { name: 'north', kind: 'openstack', openstack, ssh: undefined, images: [{ name: 'bare' }, { name: 'el9' }] }
  const ssh = { user: 'ada', privateKey: { file: 'key' }, sudo: true }

  it('is set up by a script, whose size is no matter of the cloud’s', () => {
    const config = configured({}, cloud, { ssh, images: [{ name: 'bare', method: 'ssh' }] })
    expect(config.context.ssh).toEqual({ ...ssh, privateKey: { file: '/etc/pilotage/key' }, port: 22 })
    const [north] = config.clouds
    for (const offering of north?.offerings ?? []) {
      const { text, carrier, limit } = contextOf(config, offering)
      const isBare = offering.image === 'bare'
      expect(text.split('\n')[0]).toBe(isBare ? '#!/bin/sh' : '#cloud-config')
      // It is a machine of ours, unlike a host.
      expect(text).toContain('poweroff')
      expect(carrier).toBe(isBare ? 'delivery over SSH' : 'cloud north')
      expect(limit === north?.traits.userData).toBe(!isBare)
    }
  })

  it('needs an account to log in as, and has no use for a cloud-config', () => {
    const images = [{ name: 'bare', method: 'ssh', cloudConfig: 'x' }]
    expect(wrong(() => configured({}, cloud, { images }))).toEqual([
      'context.images[0].method: has no account to log in with',
      'context.images[0].cloudConfig: has no effect',
    ])
  })

  it('has its key read from a file', () => {
    const dir = mkdtempSync(join(tmpdir(), 'pilotage-key-'))
    dirs.push(dir)
    const file = join(dir, 'key')
    const key = newKey()
    writeFileSync(file, key)
    const config = configured({}, cloud, { ssh: { privateKey: { file } }, images: [{ name: 'bare', method: 'ssh' }] })
    expect(readSecretsFor(config, ['director'], { TOKEN: 't' }).deliveryKey).toBe(key)
    expect(readSecretsFor(config, ['api'], {}).deliveryKey).toBeUndefined()
  })
})
