/**
 * One VM of the suite: its folders with secrets planted, a service on loopback, and the real agents as processes of their
 * own, with the account and the powers that contextualization gives them.
 *
 * Owns the processes and ends them, with all that runs under the VM's user ids. What stays true: nothing outside of the VM's
 * folder is written by the suite itself.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type AgentPaths, pathsUnder } from '../../agents/kit/config.ts'
import { type Clock, sleep, until } from '../../core/kernel/clock.ts'
import type { AgentConfig } from '../../core/model/agent-config.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { Random } from '../../core/kernel/random.ts'
import { type FakeService, startFakeService } from '../unit/agents/fake-service.ts'
import { newCanary } from './canaries.ts'
import { type Kind, type Uids, uidsOf, vmPowers } from './kinds.ts'
import { noAmounts } from '../../core/model/resources.ts'

const mib = 1024 ** 2
const dayMs = 24 * 60 * 60 * 1000
const rootFiles = 300

export type Programs = { readonly node: string; readonly pilot: string; readonly monitor: string; readonly dir: string }

export type HostileVm = {
  readonly kind: Kind
  readonly uids: Uids
  readonly accounts: number
  readonly dir: string
  readonly paths: AgentPaths
  readonly service: FakeService
  readonly pilotPid: number
  readonly pidNamespace: string
  readonly secretFiles: Readonly<Record<string, string>>
  readonly serviceDir: string
  readonly rootDir: string
  console(): string
  /** Names of the agents that are over. */
  deaths(): readonly string[]
  /** What root's folder looks like now. */
  rootState(): string
  close(): Promise<void>
}

export type VmPlan = {
  readonly kind: Kind
  readonly number: number
  readonly accounts: number
  /** A new folder below which everything lies, open to pass through. */
  readonly dir: string
  readonly programs: Programs
  readonly clock: Clock
  readonly random: Random
}

export async function openVm(plan: VmPlan): Promise<HostileVm> {
  const { kind, dir, clock, random, programs } = plan
  const uids = uidsOf(plan.number, kind.pilot)
  const secrets = { key: newCanary('activation-key', random), credential: newCanary('credential', random) }
  const service = await startFakeService(0, 90_000, secrets)
  const paths = pathsUnder(join(dir, 'vm'))
  const folders = plant(plan, uids, paths)
  const config = configOf(plan, uids, service.port, secrets.key)
  writeOwn(paths.config, JSON.stringify(config), uids.pilot)
  const own = { console: '' }
  const start = (program: string): ChildProcess => startAgent(plan, uids, program, own)
  const monitor = start(programs.monitor)
  const pilot = start(programs.pilot)
  const isUp = await until(clock, () => service.messages.some(({ hello }) => hello !== undefined), { withinMs: 20_000 })
  if (!isUp) throw new Error(`the agents do not come up: ${own.console}`)
  const secretFiles = {
    credential: paths.credential,
    nonce: paths.nonce,
    'activation-key': paths.config,
    ...folders.files,
  }
  return {
    kind,
    uids,
    accounts: plan.accounts,
    dir,
    paths,
    service,
    pilotPid: pilot.pid ?? 0,
    pidNamespace: readlinkSync(`/proc/${pilot.pid}/ns/pid`),
    secretFiles,
    serviceDir: folders.service,
    rootDir: folders.root,
    console: () => own.console,
    deaths: () => [...(isOver(pilot) ? ['pilot'] : []), ...(isOver(monitor) ? ['monitor'] : [])],
    rootState: () => stateOf(folders.root),
    async close() {
      for (const child of [monitor, pilot]) if (!isOver(child)) child.kill('SIGKILL')
      await endAllOf(clock, uids)
      await service.stop()
    },
  }
}

/** Each agent writes its console here; both were started by root, as systemd does it. */
function startAgent({ kind, dir, programs }: VmPlan, uids: Uids, program: string, own: { console: string }): ChildProcess {
  const secret = join(dir, 'descriptor')
  const isPilot = program === programs.pilot
  const plus = (isPilot && kind.pilot === 'vm' ? vmPowers : []).map((name) => `+${name}`).join(',')
  const bounds = [`--bounding-set=${['-all', plus].join(',')}`]
  const powers = plus === '' ? [] : [`--inh-caps=${plus}`, `--ambient-caps=${plus}`]
  const who = kind.pilot === 'root' ? [] : [`--reuid=${uids.pilot}`, `--regid=${uids.pilot}`, '--clear-groups', ...powers]
  // A session keyring of its own with a key in it, as systemd gives it, and two descriptors that it does not expect.
  const begin =
    'use POSIX (); open($secret, "<", shift @ARGV); POSIX::dup2(fileno $secret, $_) for 7, 200; umask 077; ' +
    'syscall(250, 1, 0); $d = shift @ARGV; syscall(248, $t = "user", $d, $p = shift @ARGV, length $p, -3); exec @ARGV'
  const key = readFileSync(join(dir, 'keyring'), 'latin1')
  const account = ['/usr/bin/setpriv', ...who, ...(plus === '' ? [] : bounds), '--']
  const command = ['/usr/bin/perl', '-e', begin, secret, 'pilot-key', key, ...account, programs.node, program]
  // The other program that makes namespaces is not there for this pilot.
  const hide = 'mount --bind /dev/null /usr/bin/bwrap && exec "$@"'
  // As contextualization has it on a VM: processes of other accounts are not shown to payloads.
  const cover = `mount -t proc -o hidepid=2,gid=${uids.pilot} proc /proc && exec "$@"`
  const inside = kind.tool === 'unshare' ? hide : kind.isolation === 'accounts' ? cover : undefined
  const begun = inside === undefined ? [] : ['/usr/bin/unshare', '--mount', '/bin/sh', '-c', inside, 'sh']
  const [file = '', ...args] = [...begun, ...command]
  const child = spawn(file, args, {
    cwd: join(dir, 'vm'),
    env: { PILOTAGE_ROOT: join(dir, 'vm'), PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (own.console += data))
  return child
}

function plant({ dir, kind, random }: VmPlan, uids: Uids, paths: AgentPaths) {
  const folder = (path: string, uid: number, mode: number): void => {
    mkdirSync(path, { recursive: true, mode })
    chownSync(path, uid, uid)
    chmodSync(path, mode)
  }
  for (const path of [dir, join(dir, 'vm')]) folder(path, 0, 0o755)
  for (const path of [paths.config, paths.credential]) folder(dirname(path), uids.pilot, 0o755)
  folder(paths.work, uids.pilot, 0o755)
  // On the local cloud service and pilot are one user; on a VM the folder stands for another service of that machine.
  const serviceUid = kind.pilot === 'vm' ? uids.last : uids.pilot
  const service = join(dir, 'service')
  folder(service, serviceUid, 0o700)
  const root = join(dir, 'root')
  folder(root, 0, 0o755)
  for (let at = 0; at < rootFiles; at += 1) writeFileSync(join(root, `file-${at}`), 'of root')
  const files = {
    'service-data': join(service, 'pilotage.db'),
    'root-secret': join(root, 'secret'),
    descriptor: join(dir, 'descriptor'),
    keyring: join(dir, 'keyring'),
  }
  writeOwn(files['service-data'], newCanary('service-data', random), serviceUid)
  for (const name of ['root-secret', 'descriptor', 'keyring'] as const) {
    writeOwn(files[name], newCanary(name, random), 0)
  }
  return { service, root, files }
}

function writeOwn(path: string, text: string, uid: number): void {
  writeFileSync(path, text, { mode: 0o600 })
  chownSync(path, uid, uid)
}

function configOf({ kind, accounts, clock, dir }: VmPlan, uids: Uids, port: number, activationKey: string): AgentConfig {
  return {
    vmId: 'vm-abcdefghjk' as VmId,
    endpoint: `127.0.0.1:${port}`,
    activationKey,
    cloud: 'local',
    site: 'here',
    platform: 'linux',
    size: { cores: 200, ...noAmounts, memoryBytes: 200 * 1024 * mib, diskBytes: 200 * 1024 * mib },
    sizeFrom: 'context',
    policy: { idleMs: dayMs, leastLifeMs: 0, endByMs: clock.nowMs() + dayMs, deadManMs: dayMs, leastDiskFreeBytes: 0 },
    powerOff: [],
    ...(kind.pilot === 'vm' ? { payloadAccounts: { firstUid: uids.firstPayload, count: accounts } } : {}),
    isolation: { choice: kind.isolation, binds: [], hidden: [join(dir, 'service')] },
  }
}

function stateOf(dir: string): string {
  const self = statSync(dir)
  const names = readdirSync(dir).sort()
  return [`. ${self.mode} ${self.uid}`, ...names.map((name) => `${name} ${describe(join(dir, name))}`)].join('\n')
}

function describe(path: string): string {
  const { mode, uid, size } = statSync(path)
  return `${mode} ${uid} ${size}`
}

function isOver({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** All processes of the VM's user ids: the kernel ends them as one, so that no chain of forks gets away. */
async function endAllOf(clock: Clock, { firstPayload, last }: Uids): Promise<void> {
  await until(
    clock,
    async () => {
      const found = new Set(uidsRunning().filter((uid) => uid >= firstPayload - 1 && uid <= last))
      for (const uid of found) {
        spawnSync('/usr/bin/setpriv', [`--reuid=${uid}`, '--clear-groups', 'perl', '-e', 'kill 9, -1'], { timeout: 5000 })
      }
      if (found.size > 0) await sleep(clock, 20)
      return found.size === 0
    },
    { withinMs: 20_000 },
  )
}

function uidsRunning(): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const status = readFileSync(`/proc/${name}/status`, 'latin1')
      if (/^State:\s+[ZX]/m.test(status) && !/^Threads:\s+([2-9]|\d\d)/m.test(status)) return []
      return [Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])]
    } catch {
      return []
    }
  })
}
