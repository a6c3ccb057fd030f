/**
 * The ssh scenario: a machine that is there already stands as a static host. QEMU boots a Debian with nothing of ours on it;
 * the service reaches it by SSH through sudo, claims it, runs a job, and gives it back when the VM is idle; then again, for
 * another job. The payloads leave a process and files behind.
 *
 * What is left is looked for on the host itself, in every place where ours was and by every user id that was ours. The host
 * must still be up at the end.
 */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { type Clock, until } from '../../core/kernel/clock.ts'
import { JobSpec } from '../../proto/gen/pilotage/v1/job.ts'
import { withSession } from '../../services/adapters/cloud/ssh/session.ts'
import { freePorts } from '../support/free-ports.ts'
import { connectAdmin, connectUser, serviceFiles, startServiceProcess } from '../support/service-process.ts'
import { type Outcome, promised, type Scenario, type Stage } from './scenario.ts'

/** Of a machine that is emulated on two busy cores; a real one takes a twentieth. */
const bootMs = 6 * 60_000
const jobMs = 10 * 60_000
const endMs = 4 * 60_000
const rounds = 2
const mib = 1024 ** 2
const guestView = '10.0.2.2'

export const ssh: Scenario = {
  name: 'ssh',
  about: 'a host that is reached by SSH: claimed, worked on, given back clean, and used again',
  async run(stage) {
    const { clock, dir, cache, say } = stage
    const image = there(join(cache, 'vm'))
    const boot = there(join(import.meta.dirname, '../../../shared/peers/vm/boot'))
    const [sshPort = 0, grpcPort = 0, pagePort = 0, agentsPort = 0] = await freePorts(4)
    makeKey(join(dir, 'host.key'))
    const host = bootHost({ dir, boot, image, sshPort })
    try {
      const reach = hostAt(clock, dir, sshPort)
      const isUp = await until(
        clock,
        () =>
          reach('true').then(
            () => true,
            () => false,
          ),
        { withinMs: bootMs, everyMs: 2000 },
      )
      if (!isUp) throw new Error(`the host does not come up: ${host.console().slice(-2000)}`)
      // What it does for itself after a boot must not be taken for ours.
      await until(clock, async () => /done|error/.test(await reach('cloud-init status || :')), {
        withinMs: bootMs,
        everyMs: 5000,
      })
      say('the host is up')
      const files = serviceFiles(dir, configOf({ sshPort, grpcPort, pagePort, agentsPort }))
      const service = startServiceProcess(clock, files)
      const admin = connectAdmin(clock, files, await service.serving(60_000), 60_000)
      try {
        return await play(stage, admin, reach, host)
      } finally {
        admin.close()
        await service.ended('SIGTERM')
      }
    } finally {
      await host.stop()
    }
  },
}

/** Throws `not run: ...`. */
function there(path: string): string {
  if (!existsSync(path)) throw new Error(`not run: there is no ${path}; see test/peers/install`)
  return path
}

function makeKey(file: string): void {
  const { status, stderr } = spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file])
  if (status !== 0) throw new Error(`ssh-keygen: ${stderr}`)
}

type Host = { console(): string; isUp(): boolean; stop(): Promise<void> }

function bootHost(given: { dir: string; boot: string; image: string; sshPort: number }): Host {
  const { dir, boot, image, sshPort } = given
  const console = join(dir, 'console')
  writeFileSync(console, '')
  const seconds = (bootMs + rounds * (jobMs + endMs)) / 1000
  const how = ['--ssh-key', join(dir, 'host.key.pub'), '--forward', `${sshPort}:22`, '--console', console]
  const size = ['--cpus', '2', '--memory', '1536', '--timeout', String(seconds)]
  const child = spawn(boot, [...how, ...size, image], { cwd: dir, stdio: ['ignore', 'ignore', 'inherit'] })
  const over = new Promise<void>((resolve) => child.on('close', () => resolve()))
  return {
    console: () => readFileSync(console, 'latin1'),
    isUp: () => child.exitCode === null && child.signalCode === null,
    async stop() {
      child.kill('SIGTERM')
      await over
    },
  }
}

/** Runs a script as root there, and gives what it says. */
type Reach = (script: string) => Promise<string>

function hostAt(clock: Clock, dir: string, port: number): Reach {
  const login = { user: 'debian', sudo: true, privateKey: readFileSync(join(dir, 'host.key'), 'utf8') }
  return (script) =>
    withSession({ clock, login, address: '127.0.0.1', port, withinMs: 60_000, doing: 'looking' }, async ({ run }) => {
      const { code, output, errors } = await run(script, [])
      if (code !== 0) throw new Error(`${script} ended with ${code}: ${errors}`)
      return output.trim()
    })
}

type Ports = { sshPort: number; grpcPort: number; pagePort: number; agentsPort: number }

function configOf({ sshPort, grpcPort, pagePort, agentsPort }: Ports): object {
  return {
    grpc: { port: grpcPort, plaintext: true, advertise: [`${guestView}:${grpcPort}`] },
    dashboard: { port: pagePort },
    director: { interval: '5s', settle: '30s' },
    queue: { lease: '60s', renewEvery: '15s' },
    vm: { idleTimeout: '15s', heartbeatInterval: '5s', heartbeatTimeout: '120s', bootTimeout: `${bootMs / 1000}s` },
    context: { agents: { port: agentsPort, advertise: [`http://${guestView}:${agentsPort}`] } },
    clouds: [
      {
        name: 'rack',
        kind: 'ssh',
        site: 'cellar',
        vos: ['biomed'],
        limits: { maxVms: 1, maxCores: 2 },
        flavors: [{ name: 'old', cores: 2, memory: '1GiB', disk: '1GiB' }],
        ssh: {
          user: 'debian',
          sudo: true,
          privateKey: { file: 'host.key' },
          hosts: [{ address: '127.0.0.1', port: sshPort, flavor: 'old' }],
        },
      },
    ],
  }
}

/** Says its number, and leaves what payloads leave. */
const payload = (round: number): string =>
  [
    'touch /tmp/left-by-a-payload /dev/shm/left-by-a-payload',
    'setsid sleep 3600 >/dev/null 2>&1 </dev/null &',
    `echo "round ${round} as $(id -u)"`,
  ].join('\n')

async function play(stage: Stage, admin: PilotageClient, reach: Reach, host: Host): Promise<Outcome> {
  const { clock, say } = stage
  const user = await connectUser(admin, 'biomed', 'ada')
  const beginMs = clock.monotonicMs()
  const since = (): number => Math.round((clock.monotonicMs() - beginMs) / 1000)
  const shortfalls: string[] = []
  const figures: Record<string, number | string> = {}
  for (let round = 1; round <= rounds; round += 1) {
    const spec = JobSpec.fromPartial({
      name: `round-${round}`,
      executable: '/bin/sh',
      arguments: ['-c', payload(round)],
      requirements: { memoryBytes: 256 * mib, diskBytes: 64 * mib, wallMs: jobMs },
    })
    const [jobId = 0] = (await user.submit([spec])).jobIds
    const ended = await endedState(stage, user, jobId)
    figures[`done_${round}_s`] = since()
    const output = await outputOf(user, jobId)
    say(`round ${round}: the job is ${ended}: ${output.trim()}`)
    const isGone = async (): Promise<boolean> => (await admin.vms()).length === 0
    const gone = await until(clock, isGone, { withinMs: endMs, everyMs: 500 })
    figures[`gone_${round}_s`] = since()
    const left = await reach(whatIsLeft)
    say(gone ? `round ${round}: the host is given back` : `round ${round}: the host is not given back`)
    const why = ended === 'Done' ? '' : `: ${(await admin.vms({ ended: true })).map(({ reason }) => reason).join(', ')}`
    shortfalls.push(
      ...promised(ended === 'Done', `job ${round} ended as ${ended}${why}`),
      ...promised(/^round \d as 61\d\d\d$/.test(output.trim()), `job ${round} said "${output.trim()}"`),
      ...promised(gone, `the host was not given back after round ${round}`),
      ...promised(left === '', `left on the host after round ${round}: ${left}`),
    )
  }
  const records = await admin.vms({ ended: true })
  const ends = records.map(({ state }) => state).join()
  user.close()
  return {
    figures: { rounds, vms: records.length, ...figures, ends },
    shortfalls: [
      ...shortfalls,
      ...promised(records.length === rounds, `${records.length} VMs were made`),
      ...promised(
        records.every(({ state }) => state === 'Gone'),
        `the VMs ended as ${ends}`,
      ),
      ...promised(host.isUp(), 'the host was switched off'),
    ],
  }
}

async function endedState({ clock }: Stage, user: PilotageClient, jobId: number): Promise<string> {
  let last = ''
  const watching = (async () => {
    for await (const { state } of user.watch([jobId])) last = state
    return true
  })()
  const tired = new Promise<void>((resolve) => void clock.after(bootMs + jobMs, resolve))
  await Promise.race([watching, tired])
  return last
}

async function outputOf(user: PilotageClient, jobId: number): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of user.output(jobId)) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}

const whatIsLeft = `
ls -d /etc/pilotage* /run/pilotage* /usr/lib/pilotage* /var/lib/pilotage* /etc/systemd/system/pilotage* 2>/dev/null
getent passwd | grep -E '^(pilotage|payload)|:6[12][0-9][0-9][0-9]:'
getent group | grep -E '^(pilotage|payload)'
grep -sH '^Uid:' /proc/[0-9]*/status | grep -E '[[:space:]]6[12][0-9]{3}([[:space:]]|$)'
find / -xdev -uid +60999 -uid -63000 2>/dev/null
find /run /dev/shm /tmp -uid +60999 -uid -63000 2>/dev/null
systemctl list-units --all --no-legend 'pilotage*'
:
`
