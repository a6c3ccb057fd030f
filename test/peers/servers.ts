/**
 * Real servers for the tests in this folder: `startMongo` and `startNats`, of the programs that `npm run test:peers` found.
 * A test file needs a peer if it starts it, by one of these names: the runner reads that, and does not run a file whose peer
 * is absent, but says so.
 *
 * Whatever else starts real servers (scenarios, benchmarks) uses mongo-servers.ts and nats-servers.ts with a place of its
 * own.
 */

import { mkdtempSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inject } from 'vitest'
import { systemClock } from '../../core/kernel/clock.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import type { Stage } from '../e2e/scenario.ts'
import type { PeerName, Place } from './peer.ts'
import { type MongoOrder, type MongoServers, openMongo } from './mongo-servers.ts'
import { type MotoServer, openMoto } from './moto-server.ts'
import { type NatsOrder, type NatsServer, openNats } from './nats-servers.ts'
import { recordingsAt } from './opennebula-peer.ts'
import { type OpenNebulaServer, openNebulaServer } from './opennebula-server.ts'
import { type CloudInit, openCloudInit } from './cloud-init-peer.ts'
import { openOpenStack, type OpenStackPeer } from './openstack-peer.ts'
import { openSshHosts, type SshHosts } from './sshd-peer.ts'
import { openSquid, type SquidServer, type SquidSettings } from './squid-server.ts'
import { bootOnly } from '../e2e/vm.ts'

/** What the runner hands to every test file. */
export type PeersForTests = {
  readonly places: Readonly<Partial<Record<PeerName, Place>>>
  /** For everything that a server writes; the runner looks there for what is left. */
  readonly dir: string
}

declare module 'vitest' {
  interface ProvidedContext {
    peers: PeersForTests
  }
}

export function startMongo(order: Pick<MongoOrder, 'members' | 'parameters'>): Promise<MongoServers> {
  return openMongo({ ...order, ...at('mongod') })
}

export function startNats(order: Pick<NatsOrder, 'arguments'> = {}): Promise<NatsServer> {
  return openNats({ ...order, ...at('nats-server') })
}

export function startMoto(): Promise<MotoServer> {
  return openMoto(at('moto_server'))
}

export function startSquid(order: SquidSettings): Promise<SquidServer> {
  return openSquid({ ...order, ...at('squid') })
}

/** Starts nothing: a program that reads what cloud-init would be given. */
export function cloudInit(): CloudInit {
  return openCloudInit(at('cloud-init'))
}

/** Recorded answers: no process, and each its own. */
export function startOpenNebula(): Promise<OpenNebulaServer> {
  const { clock, place } = at('opennebula')
  return openNebulaServer(recordingsAt(place), clock)
}

/** `count` hosts, each its own. */
export function startSshHosts(count: number): Promise<SshHosts> {
  return openSshHosts({ ...at('sshd'), count })
}

/** For a scenario that boots the machine of the tests. */
export function stageForVm(): Stage {
  const { clock, place, dir } = at('vm')
  if (place.kind === 'url') throw new Error('a machine is booted, and not found')
  return {
    clock,
    random: systemRandom(),
    dir: mkdtempSync(join(dir, 'vm-')),
    peers: [],
    cache: dirname(dirname(place.program)),
    // The attacks are tried once, by the scenario itself.
    only: bootOnly,
    say: () => undefined,
    signal: new AbortController().signal,
  }
}

/** The one that the runner has brought up, for all tests together: whatever a test makes there it removes. */
export function startOpenStack(): OpenStackPeer {
  const { place, dir } = at('openstack')
  return openOpenStack(place, dir)
}

/** Why a test that kills or moves a server cannot be run; undefined where it can. Give it to `context.skip`. */
export function whyNotOurs(name: PeerName): string | undefined {
  return at(name).place.kind === 'url' ? `${name} is a running server that is not ours` : undefined
}

function at(name: PeerName): Pick<MongoOrder, 'clock' | 'place' | 'dir'> {
  const { places, dir } = inject('peers') ?? { places: {}, dir: '' }
  const place = places[name]
  if (!place) throw new Error(`${name} is not here: these tests are run by npm run test:peers`)
  return { clock: systemClock(), place, dir }
}
