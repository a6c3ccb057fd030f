/**
 * Looking for real servers: what is broken, or named and not there, is a state of that peer alone. Whatever needs it fails
 * with the reason, and whatever needs another one does not notice.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Environment, Peer, PeerName } from '../peers/peer.ts'
import { findPeers, neededPeer, whyAbsent } from '../peers/find-peers.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-find-peers-'))
  program('mongod', 'echo "No module named urllib3" >&2; exit 1')
  program('nats-server', 'echo "nats-server: v2.9.10"')
})
afterAll(() => rmSync(dir, { recursive: true }))

const program = (name: string, text: string): void => writeFileSync(join(dir, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
const found = (more: Environment): readonly Peer[] => findPeers({ PATH: dir, XDG_CACHE_HOME: join(dir, 'cache'), ...more })
const one = (peers: readonly Peer[], name: PeerName): Peer => {
  const peer = peers.find((each) => each.name === name)
  if (peer === undefined) throw new Error(`${name} is not among them`)
  return peer
}

describe('a broken program', () => {
  it('is a fault of its own peer, and the others are there', () => {
    const peers = found({})
    expect(one(peers, 'mongod')).toMatchObject({ places: [], fault: `${join(dir, 'mongod')} --version: exit code 1` })
    expect(neededPeer(peers, 'nats-server')).toEqual({
      kind: 'program',
      program: join(dir, 'nats-server'),
      version: '2.9.10',
    })
  })

  it('fails whatever needs it, with the reason', () => {
    expect(() => neededPeer(found({}), 'mongod')).toThrow(/^not run: mongod cannot be used: .*mongod --version: exit code 1/)
  })
})

describe('a variable that leads nowhere', () => {
  const nowhere = '/nowhere/at/all'
  it.each<[string, PeerName]>([
    ['PILOTAGE_NATS_SERVER', 'nats-server'],
    ['PILOTAGE_CLOUD_INIT', 'cloud-init'],
    ['PILOTAGE_MOTO_SERVER', 'moto_server'],
    ['PILOTAGE_OPENSTACK_STATE', 'openstack'],
    ['PILOTAGE_OPENSTACK_PEER', 'openstack'],
    ['PILOTAGE_OPENNEBULA_RECORDINGS', 'opennebula'],
    ['PILOTAGE_SSHD', 'sshd'],
  ])('%s is a fault of that peer alone, though one is in PATH', (variable, name) => {
    const peers = found({ [variable]: nowhere })
    expect(one(peers, name)).toMatchObject({ places: [], fault: expect.stringContaining(`${variable}: ${nowhere}`) })
    expect(() => neededPeer(peers, name)).toThrow(variable)
    const others = peers.filter((peer) => peer.name !== name && peer.name !== 'mongod')
    expect(others.map(({ fault }) => fault)).toEqual(others.map(() => undefined))
  })
})

describe('an absent program', () => {
  it('is no fault, and says where it was looked for', () => {
    const absent = one(found({}), 'moto_server')
    expect(absent.fault).toBeUndefined()
    expect(whyAbsent(absent)).toContain(`moto_server was not found in PILOTAGE_MOTO_URL, PILOTAGE_MOTO_SERVER, PATH, `)
  })
})

it('a running server does not do where a program is needed', () => {
  const peers = found({ PILOTAGE_NATS_URL: 'nats://127.0.0.1:1' })
  expect(neededPeer(peers, 'nats-server').kind).toBe('url')
  expect(() => neededPeer(peers, 'nats-server', true)).toThrow('not run: nats-server is a running server')
})
