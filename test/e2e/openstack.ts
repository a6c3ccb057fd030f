/**
 * The openstack scenario: fifty VMs on a real OpenStack, with a quota of forty on the way and a service that is killed in
 * the middle; then an image that no machine can boot, whose breaker opens, is probed once, and delays no other VM.
 *
 * The cloud is real up to its hypervisor, which runs no guests: they are played here with the real agents. Everything is
 * counted by the cloud's own answers, and what is left at the end is asked of Nova and Neutron.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { until } from '../../core/kernel/clock.ts'
import { JobSpec } from '../../proto/gen/pilotage/v1/job.ts'
import { neededPeer } from '../peers/find-peers.ts'
import { openOpenStack, type OpenStackFacts, raiseOpenStack } from '../peers/openstack-peer.ts'
import { openRaw, openRawAdmin, type Raw, type RawAnswer } from '../peers/openstack-raw.ts'
import { newEndorser } from '../support/endorser.ts'
import { freePorts } from '../support/free-ports.ts'
import { connectAdmin, connectUser, serviceFiles, startServiceProcess } from '../support/service-process.ts'
import { type Guests, playGuests } from './openstack-guests.ts'
import { backoffSeconds, bootSeconds, failures, playBreaker } from './openstack-breaker.ts'
import { endStates, type Site } from './openstack-site.ts'
import { type Outcome, promised, type Scenario, type Stage } from './scenario.ts'

const wanted = 50
const quota = 40
/** On two quiet cores fifty servers take five minutes. */
const upMs = 10 * 60_000
const downMs = 4 * 60_000
const mib = 1024 ** 2

export const openstack: Scenario = {
  name: 'openstack',
  about: '50 VMs on a real OpenStack around a quota of 40, and an image that no machine can boot',
  async run(stage) {
    const { clock, dir } = stage
    const place = neededPeer(stage.peers, 'openstack')
    const down = await raiseOpenStack(clock, place, dir)
    try {
      const { facts } = openOpenStack(place, dir)
      const admin = openRawAdmin(facts)
      const deadImage = await copyImage(admin, facts)
      stage.say('the cloud is up')
      const projectId = facts.projects.peer.id
      const guests = playGuests({ clock, dir, raw: admin, projectId, deadImage: deadImage.id })
      try {
        return await play(stage, facts, admin, guests, deadImage)
      } finally {
        await guests.stop()
        await admin('image', 'DELETE', `/v2/images/${deadImage.id}`)
      }
    } finally {
      await down()
    }
  },
}

type Image = { readonly id: string; readonly name: string }

/** Another image, of which this scenario says that no machine can boot it. */
async function copyImage(raw: Raw, facts: OpenStackFacts): Promise<Image> {
  const name = 'never-boots'
  const made = { name, disk_format: 'raw', container_format: 'bare', visibility: 'public' }
  const { status, body } = await raw('image', 'POST', '/v2/images', made)
  if (status !== 201) throw new Error(`Glance answers ${status} to a new image beside ${facts.image.name}`)
  const id = String(body.id)
  const put = await raw('image', 'PUT', `/v2/images/${id}/file`, Buffer.alloc(mib), {
    'content-type': 'application/octet-stream',
  })
  if (put.status !== 204) throw new Error(`Glance answers ${put.status} to the data of an image`)
  return { id, name }
}

async function setQuota(raw: Raw, { projects }: OpenStackFacts, instances: number): Promise<void> {
  const { status } = await raw('compute', 'PUT', `/os-quota-sets/${projects.peer.id}`, { quota_set: { instances } })
  if (status !== 200) throw new Error(`Nova answers ${status} to a quota`)
}

async function play(stage: Stage, facts: OpenStackFacts, raw: Raw, guests: Guests, dead: Image): Promise<Outcome> {
  const { clock, dir } = stage
  const own = openRaw(facts)
  const before = await belongings(own)
  const [grpcPort = 0, pagePort = 0, agentsPort = 0] = await freePorts(3)
  writeFileSync(join(dir, 'password'), facts.user.password, { mode: 0o600 })
  const endorser = newEndorser(dir)
  const config = configOf(facts, dead, { grpcPort, pagePort, agentsPort })
  const files = serviceFiles(dir, { ...config, images: endorser.config })
  let service = startServiceProcess(clock, files)
  const admin = connectAdmin(clock, files, await service.serving(60_000), 60_000)
  const user = await connectUser(admin, 'biomed', 'ada')
  const { name, id } = facts.image
  await endorser.admit(admin, { name, references: { here: `id:${id}`, second: `name:${name}` }, sites: ['here', 'there'] })
  await endorser.admit(admin, { name: dead.name, references: { first: `id:${dead.id}` }, sites: ['there'] })
  const submit = async (count: number, site: string, file: string): Promise<readonly number[]> => {
    const specs = Array.from({ length: count }, () => waitingJob(site, join(dir, file)))
    return (await user.submit(specs)).jobIds
  }
  const site: Site = { stage, facts, user, admin, guests, submit }
  try {
    const fleet = await playFleet(site, raw, async () => {
      await service.ended('SIGKILL')
      service = startServiceProcess(clock, files)
      await service.serving(60_000)
    })
    const breaker = await playBreaker(site, dead.id)
    const left = await leftOver(site, own, before)
    // A record ends later than its machine: by lists that no longer show it.
    const ended = await admin.vms({ ended: true })
    const gone = ended.filter(({ cloud, state }) => cloud === 'here' && state === 'Gone').length
    return {
      figures: { ...fleet.figures, ...breaker.figures, gone, left: left.length },
      shortfalls: [
        ...fleet.shortfalls,
        ...breaker.shortfalls,
        ...promised(gone === wanted, `${gone} of ${wanted} VMs ended as Gone`),
        ...left.map((what) => `left in the cloud: ${what}`),
        ...guests.troubles.map((what) => `a guest could not be played: ${what}`),
      ],
    }
  } finally {
    user.close()
    admin.close()
    await service.ended('SIGTERM')
  }
}

/**
 * Fifty jobs for fifty VMs: forty come up, ten wait and are shown the reason, the service is killed, ten more come up, all
 * go.
 */
async function playFleet(site: Site, raw: Raw, restart: () => Promise<void>): Promise<Outcome> {
  const { stage, facts, user, guests, submit } = site
  const { clock, dir, say } = stage
  const beginMs = clock.monotonicMs()
  const since = (): number => Math.round((clock.monotonicMs() - beginMs) / 1000)
  await setQuota(raw, facts, quota)
  const jobIds = await submit(wanted, 'here', 'fleet')
  const running = async (): Promise<number> => {
    let count = 0
    for await (const { state } of user.list({ jobIds })) count += Number(state === 'Running')
    return count
  }
  const isFull = await until(clock, async () => (await running()) >= quota, { withinMs: upMs, everyMs: 2000 })
  const full_s = since()
  // While creates are under way, the cloud is reported as not read; afterwards the plan says what the other jobs wait for.
  let why = ''
  const isExplained = async (): Promise<boolean> => {
    why = await whyWaits(user, jobIds)
    return why.includes(`${quota} of ${quota}`)
  }
  await until(clock, isExplained, { withinMs: 60_000, everyMs: 1000 })
  say(`${await running()} run after ${full_s} s; the others: ${why}`)
  await restart()
  const { peak } = guests.counts()
  await setQuota(raw, facts, wanted)
  const isWhole = await until(clock, async () => (await running()) === wanted, { withinMs: upMs, everyMs: 2000 })
  const up_s = since()
  const made = guests.seen.size
  say(isWhole ? `all ${wanted} run after ${up_s} s` : `${await running()} of ${wanted} run`)
  writeFileSync(join(dir, 'fleet'), '')
  const done = await endStates(site, jobIds)
  const isEmpty = await until(clock, () => guests.counts().now === 0, { withinMs: downMs, everyMs: 2000 })
  const down_s = since()
  say(`the cloud is ${isEmpty ? 'empty' : 'not empty'} after ${down_s} s`)
  return {
    figures: { vms: made, quota, most_before: peak, full_s, up_s, down_s },
    shortfalls: [
      ...promised(isFull && peak === quota, `${peak} servers were there under a quota of ${quota}`),
      ...promised(/quota/.test(why) && why.includes(`${quota} of ${quota}`), `explain says "${why}"`),
      ...promised(isWhole, `never ran ${wanted} jobs at a time`),
      ...promised(made === wanted, `${made} servers were made for ${wanted} jobs`),
      ...promised(done.size === 1 && done.get('Done') === wanted, `jobs ended as ${JSON.stringify([...done])}`),
      ...promised(isEmpty, 'the cloud was not empty in time'),
    ],
  }
}

/** What is said of the first that waits. */
async function whyWaits(user: PilotageClient, jobIds: readonly number[]): Promise<string> {
  for await (const { jobId, state } of user.list({ jobIds })) {
    if (state !== 'Waiting') continue
    const { summary, places } = await user.explain(jobId)
    return [summary, ...places.map(({ note }) => note)].filter((text) => text.includes('quota'))[0] ?? summary
  }
  return 'none waits'
}

type Ports = { readonly grpcPort: number; readonly pagePort: number; readonly agentsPort: number }

function configOf(facts: OpenStackFacts, dead: Image, { grpcPort, pagePort, agentsPort }: Ports): object {
  const cloud = (name: string, site: string, pricePerHour: number, image: string, machines: object, more: object = {}) => ({
    name,
    site,
    kind: 'openstack',
    limits: { maxVms: 60, maxCores: 60, maxCreatesPerStep: 10 },
    flavors: [{ name: 'one', ref: 'name:peer.1', cores: 1, memory: '1GiB', disk: '10GiB', pricePerHour }],
    images: [{ name: image }],
    openstack: {
      authUrl: facts.authUrl,
      region: facts.region,
      user: facts.user.name,
      password: { file: 'password' },
      project: 'peer',
      networks: [facts.network.name],
      securityGroups: [facts.securityGroup],
      keyPair: facts.keypair.name,
      availabilityZone: facts.zones.works,
      ...machines,
    },
    ...more,
  })
  const { image, externalNetwork } = facts
  const whole = { ownPorts: true, floatingNetwork: externalNetwork.name }
  return {
    grpc: { port: grpcPort, advertise: [`127.0.0.1:${grpcPort}`] },
    dashboard: { port: pagePort },
    director: { interval: '5s', settle: '60s' },
    vm: { idleTimeout: '10s', heartbeatInterval: '5s', heartbeatTimeout: '60s', contactTimeout: '60s', bootTimeout: '5m' },
    breaker: { failures, backoff: `${backoffSeconds}s`, maxBackoff: '10m' },
    context: { agents: { port: agentsPort, advertise: [`http://127.0.0.1:${agentsPort}`] } },
    clouds: [
      cloud('here', 'here', 1, image.name, {}),
      cloud('first', 'there', 1, dead.name, {}, { bootTimeout: `${bootSeconds}s` }),
      cloud('second', 'there', 2, image.name, whole),
    ],
  }
}

function waitingJob(site: string, file: string): JobSpec {
  return JobSpec.fromPartial({
    name: 'wait',
    executable: '/bin/sh',
    arguments: ['-c', 'until [ -e "$0" ]; do sleep 2; done', file],
    requirements: {
      cores: { min: 1, max: 1 },
      memoryBytes: 64 * mib,
      diskBytes: mib,
      wallMs: 30 * 60_000,
      sites: { allowed: [site] },
    },
  })
}

/** What the project has of what machines bring with them, by kind and id. */
async function belongings(raw: Raw): Promise<ReadonlySet<string>> {
  const [servers, ports, addresses] = await Promise.all([
    raw('compute', 'GET', '/servers'),
    raw('network', 'GET', '/ports'),
    raw('network', 'GET', '/floatingips'),
  ])
  const named = (kind: string, { body }: RawAnswer, key: string): readonly string[] =>
    (body[key] as readonly { id: string }[]).map(({ id }) => `${kind} ${id}`)
  return new Set([
    ...named('server', servers, 'servers'),
    ...named('port', ports, 'ports'),
    ...named('floating IP', addresses, 'floatingips'),
  ])
}

/** In the cloud more than before, and VMs whose record has not ended; waits for it to go. */
async function leftOver({ admin, stage }: Site, raw: Raw, before: ReadonlySet<string>): Promise<readonly string[]> {
  const look = async (): Promise<readonly string[]> => [
    ...[...(await belongings(raw))].filter((one) => !before.has(one)),
    ...(await admin.vms()).map(({ vmId, state }) => `record ${vmId} ${state}`),
  ]
  let left: readonly string[] = []
  const isEmpty = async (): Promise<boolean> => {
    left = await look()
    return left.length === 0
  }
  await until(stage.clock, isEmpty, { withinMs: downMs, everyMs: 2000 })
  return left
}
