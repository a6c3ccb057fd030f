/**
 * What a test of the OpenStack driver sees of the real cloud without the driver: its own login and plain requests, so that
 * it can prove the driver wrong. With orders for the smallest machine and drivers under an installation name of their own.
 */

import { createServer, request as forward } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import { systemClock, until } from '../../core/kernel/clock.ts'
import { newVmId } from '../../core/kernel/ids.ts'
import { silentLog } from '../../core/ports/log.ts'
import type { CloudVm } from '../../core/model/cloud.ts'
import type { VmOrder } from '../../core/ports/cloud.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { openStackCloud, type OpenStackCloud } from '../../services/adapters/cloud/openstack/cloud.ts'
import type { Reference } from '../../core/model/reference.ts'
import type { Access, Login, Machines, OpenStackOptions } from '../../services/adapters/cloud/openstack/options.ts'
import type { OpenStackFacts } from './openstack-peer.ts'
import { leftOf, openRaw, ourServers, type Raw } from './openstack-raw.ts'
import { noAmounts } from '../../core/model/resources.ts'

export const clock = systemClock()
/** On a busy machine a boot takes a quarter of a minute. */
export const patience = { withinMs: 120_000, everyMs: 500 }

export type Project = 'peer' | 'peer-small'

export type Changes = {
  readonly access?: Partial<Access>
  readonly project?: Project
} & Pick<Partial<OpenStackOptions>, 'maxMicroversion' | 'pageSize'>

export type World = {
  readonly installation: string
  cloud(machines?: Partial<Machines>, more?: Changes): OpenStackCloud
  order(shape?: Partial<VmOrder['shape']>): VmOrder
  readonly raw: Raw
  password(project?: Project): Login
  /** Ends every machine of the installation, closes its clouds, and fails if anything of it is left. */
  close(): Promise<void>
}

export function openWorld(facts: OpenStackFacts): World {
  const installation = `test-${systemRandom().letters(8)}`
  const clouds: OpenStackCloud[] = []
  const session = openRaw(facts)
  const password = (project: Project = 'peer'): Login => {
    const { name: user, domain: userDomain, password: secret } = facts.user
    return {
      method: 'password',
      user,
      userDomain,
      password: secret,
      project: { by: 'name', name: project, domain: 'Default' },
    }
  }
  return {
    installation,
    password,
    raw: session,
    cloud(machines = {}, { access = {}, project = 'peer', ...more } = {}) {
      const made = openStackCloud({
        name: 'real',
        installation,
        clock,
        log: silentLog(),
        references: references(facts),
        access: { authUrl: facts.authUrl, region: facts.region, interface: 'public', login: password(project), ...access },
        machines: { ...plain(facts), ...machines },
        ...more,
      })
      clouds.push(made)
      return made
    },
    order: (shape = {}) => ({
      vmId: newVmId(systemRandom()),
      shape: { ...smallest, ...shape },
      imageRef: imageRefs(facts).get(shape.image ?? smallest.image),
      userData: '#cloud-config\n{}\n',
    }),
    async close() {
      const servers = await ourServers(session, installation)
      for (const id of servers) await session('compute', 'DELETE', `/servers/${id}`)
      await until(clock, async () => (await ourServers(session, installation)).length === 0, patience)
      for (const one of clouds) await one.close()
      expect(await leftOf(session, installation)).toEqual([])
    },
  }
}

/** By our names for them: how this cloud calls its images. */
export function imageRefs({ image }: OpenStackFacts): ReadonlyMap<string, Reference> {
  return new Map<string, Reference>([
    ['any', { by: 'name', name: image.name }],
    ['same', { by: 'id', id: image.id }],
    ['known', { by: 'properties', properties: { 'owner_specified.openstack.object': `images/${image.name}` } }],
    ['absent', { by: 'id', id: '00000000-0000-4000-8000-000000000000' }],
  ])
}

export function references({ flavors }: OpenStackFacts): OpenStackOptions['references'] {
  const byName = (name: string) => ({ by: 'name', name }) as const
  return {
    flavors: new Map<string, Reference>([
      ['small', byName('peer.1')],
      ['sized', { by: 'properties', properties: { vcpus: '2', ram: '2048' } }],
      ['large', byName('peer.8')],
      ['homeless', { by: 'id', id: flavors['peer.nohost'] ?? '' }],
    ]),
  }
}

function plain({ network, securityGroup, keypair, zones }: OpenStackFacts): Machines {
  return {
    networks: [network.name],
    ownPorts: false,
    securityGroups: [securityGroup],
    keyPair: keypair.name,
    availabilityZone: zones.works,
    configDrive: true,
    bootFrom: 'image',
    tags: ['pilots'],
    metadata: { owner: 'tests' },
  }
}

const smallest: VmOrder['shape'] = {
  cloud: 'real',
  site: 'home',
  flavor: 'small',
  image: 'any',
  platform: 'x86_64',
  tags: [],
  vos: [],
  cores: 1,
  ...noAmounts,
  memoryBytes: 2 ** 30,
  diskBytes: 2 ** 30,
  pricePerHour: 0,
}

export async function end(cloud: OpenStackCloud, ref: string): Promise<void> {
  expect(await until(clock, async () => (await cloud.destroy(ref)) === 'gone', patience)).toBe(true)
}

export async function comesTo(cloud: OpenStackCloud, ref: string, holds: (vm: CloudVm) => boolean): Promise<CloudVm> {
  let found: CloudVm | undefined
  const isThere = async (): Promise<boolean> => {
    found = (await cloud.list()).find((vm) => vm.ref === ref)
    return found !== undefined && holds(found)
  }
  expect(await until(clock, isThere, patience)).toBe(true)
  if (!found) throw new Error('it is there')
  return found
}

/** Keystone with a recorder before it: the tokens that it gave, newest last. */
export async function listeningKeystone(authUrl: string) {
  const tokens: string[] = []
  const target = new URL(authUrl)
  const server = createServer((asked, answered) => {
    const options = {
      host: target.hostname,
      port: target.port,
      method: asked.method,
      path: asked.url,
      headers: asked.headers,
    }
    const passed = forward(options, (answer) => {
      const token = answer.headers['x-subject-token']
      if (typeof token === 'string') tokens.push(token)
      answered.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(answered)
    })
    asked.pipe(passed)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    authUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v3`,
    tokens,
    async revoke(token: string): Promise<void> {
      const headers = { 'x-auth-token': token, 'x-subject-token': token }
      const { status } = await fetch(`${authUrl}/auth/tokens`, { method: 'DELETE', headers })
      expect(status).toBe(204)
    },
    close: () => new Promise((done) => server.close(done).closeAllConnections()),
  }
}
