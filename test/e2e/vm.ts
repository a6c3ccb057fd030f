/**
 * The vm scenario: a machine that really boots. The director asks a cloud for it as it asks EC2; QEMU boots a Debian with
 * cloud-init from what the director rendered; the agents come through a real squid; a job runs, reads through the squid, and
 * looks for secrets; the machine idles, is let go, and powers itself off.
 *
 * The site has no way past its squid: the names of what is fetched mean nothing in the guest. The secrets are known here,
 * out of the user data and from the store, and must not be in what the payload has found.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { until } from '../../core/kernel/clock.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { accountsFor } from '../../contextualization/bootstrap.ts'
import { JobSpec } from '../../proto/gen/pilotage/v1/job.ts'
import { newEndorser } from '../support/endorser.ts'
import { freePorts } from '../support/free-ports.ts'
import { connectAdmin, connectUser, serviceFiles, startServiceProcess } from '../support/service-process.ts'
import { type Outcome, promised, type Scenario, type Stage } from './scenario.ts'
import { openVmCloud, type VmCloud } from './vm-cloud.ts'
import { openEyes, type Eyes } from './vm-eyes.ts'
import { attackOnVm, type VmAttacks } from './vm-hostile.ts'
import { payloadScript, places } from './vm-payload.ts'
import { startSquid } from './vm-squid.ts'

/** Of a machine that is emulated on two busy cores; a real one takes a twentieth. */
const bootMs = 8 * 60_000
const jobMs = 10 * 60_000
/** Some five minutes of a machine that does nothing else. */
const attacksMs = 15 * 60_000
const attacksByUnshareMs = 15 * 60_000
const endMs = 3 * 60_000
/** More than this machine has: attacks wait as much as they compute. The neighbour and four payloads run at a time. */
const cores = 5
const mib = 1024 ** 2
const center = 'center.test'
const guestView = '10.0.2.2'
/** What every account may read: that nothing else is found has to be more than blindness. */
const operatorsNote = 'the operator was here'
const words = 'only the squid could bring this'

export const vm: Scenario = {
  name: 'vm',
  about: 'a machine booted by QEMU from the rendered context, through a real squid, to its power-off',
  async run(stage) {
    const { clock, dir, cache } = stage
    const image = there(join(cache, 'vm'))
    const boot = there(join(import.meta.dirname, '../../../shared/peers/vm/boot'))
    const [squidPort = 0, grpcPort = 0, pagePort = 0, agentsPort = 0] = await freePorts(4)
    const origin = await openOrigin()
    const squid = await startSquid(clock, there('/usr/sbin/squid'), dir, squidPort, [agentsPort, origin.port])
    const cloud = await openVmCloud({
      clock,
      cores,
      dir,
      boot,
      image,
      timeoutSeconds: (bootMs + jobMs + attacksByUnshareMs + endMs) / 1000,
    })
    const endorser = newEndorser(dir)
    const eyes = await openEyes(clock, stage.random, guestView)
    const commands = [eyes.command, ...(stage.only === undefined ? [eyes.bubblewrapCommand] : [])]
    const config = configOf({ squidPort, grpcPort, pagePort, agentsPort, ec2Url: cloud.url, commands })
    const files = serviceFiles(dir, { ...config, images: endorser.config })
    for (const name of ['key-id', 'key']) writeFileSync(join(dir, name), 'not-a-secret\n', { mode: 0o600 })
    const service = startServiceProcess(clock, files)
    const admin = connectAdmin(clock, files, await service.serving(60_000), 60_000)
    try {
      await endorser.admit(admin, { name: 'debian', references: { qemu: 'id:ami-12345678' }, sites: ['qemu'] })
      return await play(stage, { admin, cloud, origin, squidPort, eyes })
    } finally {
      admin.close()
      await service.ended('SIGTERM')
      await cloud.stop()
      eyes.stop()
      origin.stop()
      await squid.stop()
    }
  },
}

/** Throws `not run: ...`. */
function there(path: string): string {
  if (!existsSync(path)) throw new Error(`not run: there is no ${path}; see test/peers/install`)
  return path
}

type Ports = {
  squidPort: number
  grpcPort: number
  pagePort: number
  agentsPort: number
  ec2Url: string
  commands: readonly string[]
}

function configOf({ squidPort, grpcPort, pagePort, agentsPort, ec2Url, commands }: Ports): object {
  return {
    grpc: { port: grpcPort, plaintext: true, advertise: [`${guestView}:${grpcPort}`] },
    dashboard: { port: pagePort },
    director: { interval: '1s', settle: '30s' },
    queue: { lease: '60s', renewEvery: '15s' },
    vm: { idleTimeout: '15s', heartbeatInterval: '5s', heartbeatTimeout: '120s', bootTimeout: `${bootMs / 1000}s` },
    context: {
      agents: { port: agentsPort, advertise: [`http://${center}:${agentsPort}`] },
      sites: [{ name: 'qemu', proxies: [`http://${guestView}:${squidPort}`], direct: false }],
      vos: [{ name: 'biomed', commands: [`echo "${operatorsNote}" >/etc/pilotage-note`, ...commands] }],
    },
    clouds: [
      {
        name: 'qemu',
        kind: 'ec2',
        site: 'qemu',
        vos: ['biomed'],
        limits: { maxVms: 1, maxCores: cores },
        flavors: [{ name: 'small', ref: 'name:t3.small', cores, memory: '3GiB', disk: '1GiB' }],
        images: [{ name: 'debian' }],
        ec2: {
          region: 'local',
          endpoint: ec2Url,
          accessKeyId: { file: 'key-id' },
          secretAccessKey: { file: 'key' },
        },
      },
    ],
  }
}

/**
 * The scenario's parts. `boot`: without the attacks, which take minutes. `unshare`: on an image without bubblewrap, where
 * the pilot makes each view by dozens of programs, which take an emulated processor twice as long. All: with bubblewrap.
 */
export const bootOnly = 'boot'
const withoutBubblewrap = 'unshare'

type Players = {
  readonly admin: PilotageClient
  readonly cloud: VmCloud
  readonly origin: Origin
  readonly squidPort: number
  readonly eyes: Eyes
}

async function play(stage: Stage, { admin, cloud, origin, squidPort, eyes }: Players): Promise<Outcome> {
  const { clock, say, only } = stage
  const user = await connectUser(admin, 'biomed', 'ada')
  const beginMs = clock.monotonicMs()
  const since = (): number => Math.round((clock.monotonicMs() - beginMs) / 1000)
  const script = payloadScript(`http://${guestView}:${squidPort}`, `http://${center}:${origin.port}/data`)
  const curious = JobSpec.fromPartial({
    name: 'curious',
    executable: '/bin/sh',
    arguments: ['-c', script],
    requirements: { memoryBytes: 256 * mib, diskBytes: 64 * mib, wallMs: jobMs },
  })
  const [jobId = 0] = (await user.submit([curious])).jobIds
  const isActive = async (): Promise<boolean> => (await admin.vms()).some(({ state }) => state === 'Active')
  const active = await until(clock, isActive, { withinMs: bootMs, everyMs: 1000 })
  const active_s = since()
  say(active ? `the machine is active` : `the machine does not come up: ${consoleOf(cloud)}`)
  const ended = await endedState(user, jobId)
  const done_s = since()
  say(`the job is ${ended}`)
  const output = await outputOf(user, jobId)
  const isAttacked = only !== bootOnly
  const hostile = isAttacked ? await attacked(stage, { admin, cloud, eyes }, user) : noAttacks
  for (const line of hostile.lines) say(line)
  const found = leaks(output, cloud)
  const isOff = () => [...cloud.machines.values()].every(({ state }) => state === 'terminated')
  const off = await until(clock, isOff, { withinMs: endMs, everyMs: 500 })
  const off_s = since()
  await until(clock, async () => (await admin.vms()).length === 0, { withinMs: 60_000, everyMs: 500 })
  const [record] = await admin.vms({ ended: true })
  user.close()
  const looked = places.filter((_, at) => output.includes(`--- place ${at}:`)).length
  const [read, uid, note] = output.split('\n')
  return {
    figures: {
      places: looked,
      leaks: found.length,
      vms: cloud.machines.size,
      active_s,
      attacks: hostile.tried,
      attacks_s: hostile.seconds,
      reached: hostile.wrong.length,
      done_s,
      off_s,
      end: record?.state ?? '',
    },
    shortfalls: [
      ...promised(active, 'the machine never became active'),
      ...promised(ended === 'Done', `the job ended as ${ended}`),
      ...promised(
        read === words && origin.via().includes('squid.test'),
        `the job read "${read}", and not through the squid`,
      ),
      ...promised(note === operatorsNote, `it read "${note}" where the operator's command had written`),
      ...promised(Number(uid) > 61_000, `the payload ran as ${uid}`),
      ...promised(looked === places.length && looked >= 20, `it looked in ${looked} places of ${places.length}`),
      ...promised(
        !isAttacked || (hostile.tried > 0 && hostile.tried >= hostile.wanted),
        `only ${hostile.tried} attacks of ${hostile.wanted} were tried`,
      ),
      ...hostile.wrong,
      ...found,
      ...promised(off, 'the machine did not power itself off'),
      ...promised(record?.state === 'Gone', `its record ended as ${record?.state}`),
      ...promised(cloud.machines.size === 1, `${cloud.machines.size} machines were made`),
    ],
  }
}

const noAttacks: VmAttacks = { tried: 0, wanted: 0, seconds: 0, wrong: [], lines: [] }

async function attacked(
  { clock, random, say, only }: Stage,
  { admin, cloud, eyes }: Pick<Players, 'admin' | 'cloud' | 'eyes'>,
  attacker: PilotageClient,
): Promise<VmAttacks> {
  const neighbour = await connectUser(admin, 'biomed', 'bob')
  const { firstUid, count } = accountsFor(cores)
  const payloadUids = Array.from({ length: count }, (_, at) => firstUid + at)
  const activationKey = keysIn(cloud)[0] ?? ''
  const withinMs = only === withoutBubblewrap ? attacksByUnshareMs : attacksMs
  try {
    return await attackOnVm({
      clock,
      random,
      attacker,
      neighbour,
      eyes,
      host: guestView,
      payloadUids,
      activationKey,
      withinMs,
      say,
    })
  } finally {
    neighbour.close()
  }
}

async function endedState(user: PilotageClient, jobId: number): Promise<string> {
  let last = ''
  for await (const { state } of user.watch([jobId])) last = state
  return last
}

async function outputOf(user: PilotageClient, jobId: number): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of user.output(jobId)) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}

/** What of the secrets is in what the payload has found. The credential is a signed token: nothing else begins so. */
function leaks(output: string, cloud: VmCloud): readonly string[] {
  const keys = keysIn(cloud)
  if (keys.some((key) => key === '')) return ['no activation key was in the user data: nothing could be looked for']
  const places = output.split('--- place ')
  return places.flatMap((text) => {
    const what = text.split('\n', 1)[0] ?? ''
    const key = keys.some((one) => text.includes(one)) ? [`the activation key was found at ${what}`] : []
    const token = /eyJ[\w-]{10,}\.[\w-]{10,}\./.test(text) ? [`a credential was found at ${what}`] : []
    return [...key, ...token]
  })
}

function keysIn({ userData }: VmCloud): readonly string[] {
  return userData.map((text) => /"activationKey": "([^"]+)"/.exec(text)?.[1] ?? '')
}

function consoleOf({ machines }: VmCloud): string {
  return [...machines.values()].map(({ console }) => readFileSync(console, 'latin1').slice(-3000)).join('\n')
}

type Origin = { readonly port: number; via(): string; stop(): void }

async function openOrigin(): Promise<Origin> {
  let via = ''
  const server = createServer((request, response) => {
    via = String(request.headers.via ?? '')
    response.end(words)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    via: () => via,
    stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}
