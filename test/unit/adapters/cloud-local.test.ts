/** The local cloud: the port's contract, and what only this driver promises. All VM ids are random: markers are global. */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import type { PilotageError } from '../../../core/kernel/errors.ts'
import { newVmId, type VmId } from '../../../core/kernel/ids.ts'
import type { CloudVm } from '../../../core/model/cloud.ts'
import type { VmOrder } from '../../../core/ports/cloud.ts'
import { systemRandom } from '../../../core/kernel/random.ts'
import type { LocalCloudOptions } from '../../../services/adapters/cloud/local/cloud.ts'
import { cloudContract, type MachineLife } from '../../contract/cloud.ts'
import { testedLocalCloud, type TestedLocalCloud } from '../../support/local-machines.ts'
import { noAmounts } from '../../../core/model/resources.ts'

const clock = systemClock()
const soon = { withinMs: 5000, everyMs: 20 }
const noise = 'head -c 102400 /dev/zero | tr "\\0" "."'

type Bench = {
  readonly cloud: TestedLocalCloud
  readonly directory: string
  order(commands?: readonly string[], changes?: Partial<VmOrder['shape']>): VmOrder
  /** Another service on the same directory. */
  again(changes?: Partial<LocalCloudOptions>): TestedLocalCloud
  close(): Promise<void>
}

function bench(changes: Partial<LocalCloudOptions> = {}): Bench {
  const top = mkdtempSync(join(tmpdir(), 'pilotage-cloud-'))
  const directory = join(top, 'cloud')
  const quota = { vms: 8, cores: 16, memoryBytes: Infinity }
  const options = { name: 'here', installation: 'test', directory, clock, bootDelayMs: 0, quota, ...changes }
  const cloud = testedLocalCloud(options)
  const ordered: VmId[] = []
  return {
    cloud,
    directory,
    order(commands = ['exec sleep 600'], shape = {}) {
      const vmId = newVmId(systemRandom())
      ordered.push(vmId)
      return { vmId, shape: { ...smallest, ...shape }, userData: userData(commands) }
    },
    again: (more = {}) => testedLocalCloud({ ...options, ...more }),
    async close() {
      if (existsSync(`${directory}.away`)) renameSync(`${directory}.away`, directory)
      for (const vmId of ordered) await cloud.destroy(`i-${vmId.slice(3)}`)
      const left = ordered.flatMap((vmId) => [...cloud.pidsOf(vmId), ...marked(vmId)])
      rmSync(top, { recursive: true, force: true })
      expect(left).toEqual([])
    },
  }
}

/** What carries a VM's marker, found without the driver's own eyes. */
function marked(vmId: VmId): readonly string[] {
  const found = spawnSync('sh', ['-c', `grep -las "$0" /proc/[0-9]*/environ`, `PILOTAGE_VM_ID=${vmId}`], {
    encoding: 'utf8',
  })
  return found.stdout.split('\n').filter((path) => path !== '')
}

const smallest: VmOrder['shape'] = {
  cloud: 'here',
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

function userData(runcmd: readonly string[], write_files: readonly unknown[] = []): string {
  return `#cloud-config\n${stringify({ write_files, runcmd })}`
}

function commandsOf({ ends, words }: MachineLife): readonly string[] {
  if (ends) return ['exit 0']
  return words === undefined ? ['exec sleep 600'] : [noise, `echo "${words}"`, 'exec sleep 600']
}

cloudContract('local', async () => {
  const quota = { vms: 8, cores: 16, memoryBytes: Infinity }
  const { cloud, directory, order, close } = bench({ flavors: ['small'], quota })
  return {
    cloud,
    order: (life = {}) => order(commandsOf(life)),
    close,
    skips: { 'gives up on a silent cloud': 'it is this machine and its calls do not wait for anybody' },
    provoke: {
      fullQuota: async () => void Object.assign(quota, { vms: 0 }),
      brokenList: async () => renameSync(directory, `${directory}.away`),
      impossibleOrder: () => order(undefined, { flavor: 'gigantic' }),
    },
  }
})

const benches: Bench[] = []
function set(changes?: Partial<LocalCloudOptions>): Bench {
  const made = bench(changes)
  benches.push(made)
  return made
}
afterEach(async () => {
  for (const one of benches.splice(0)) await one.close()
})

async function listed(cloud: TestedLocalCloud, vmId: VmId): Promise<CloudVm | undefined> {
  return (await cloud.list()).find((vm) => vm.vmId === vmId)
}

async function comesTo(cloud: TestedLocalCloud, vmId: VmId, power: CloudVm['power']): Promise<boolean> {
  return until(clock, async () => (await listed(cloud, vmId))?.power === power, soon)
}

async function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  return call.then(
    () => undefined,
    (error: PilotageError) => error.code,
  )
}

/** A process of the VM that left its session, as payloads do. */
const strayed = (body: string): string => `setsid sh -c '${body}' &`

it('is building during its boot delay and running after it', async () => {
  const { cloud, order } = set({ bootDelayMs: 600 })
  const { vmId, ...rest } = order(['echo up', 'exec sleep 600'])
  await cloud.create({ vmId, ...rest })
  expect((await listed(cloud, vmId))?.power).toBe('building')
  expect(await comesTo(cloud, vmId, 'running')).toBe(true)
})

it('gives a VM its own root, its files with their modes, and nothing of our environment', async () => {
  const { cloud, directory, order } = set()
  const files = [
    { path: '/etc/pilotage/agent.json', owner: 'root:root', permissions: '0600', content: 'secret\n' },
    { path: '/etc/motd', content: 'welcome' },
  ]
  const made = order()
  const { ref } = await cloud.create({ ...made, userData: userData(['env | sort', 'echo all', 'exec sleep 600'], files) })
  const root = join(directory, ref, 'root')
  expect(readFileSync(join(root, 'etc/pilotage/agent.json'), 'utf8')).toBe('secret\n')
  expect(statSync(join(root, 'etc/pilotage/agent.json')).mode & 0o777).toBe(0o600)
  expect(statSync(join(root, 'etc/motd')).mode & 0o777).toBe(0o644)
  expect(statSync(join(directory, ref)).mode & 0o777).toBe(0o700)
  expect(await until(clock, async () => (await cloud.consoleLog(ref)).includes('all\n'), soon)).toBe(true)
  const names = (await cloud.consoleLog(ref)).split('\n').flatMap((line) => /^([A-Z_]+)=/.exec(line)?.[1] ?? [])
  expect(names).toEqual(['HOME', 'LANG', 'PATH', 'PILOTAGE_NODE', 'PILOTAGE_ROOT', 'PILOTAGE_VM_ID', 'PWD', 'TMPDIR'])
  const argv = cloud.pidsOf(made.vmId).map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
  expect(argv.join()).not.toContain('secret')
})

it('ends with its last command, and takes the payloads along that left its session', async () => {
  const { cloud, order } = set()
  const made = order([strayed('sleep 600'), strayed('trap "" HUP TERM; sleep 600'), 'sleep 0.2', 'exit 3'])
  const { ref } = await cloud.create(made)
  // No process lists in between: the service may be stopped.
  expect(await until(clock, async () => (await cloud.consoleLog(ref)).includes('ended with 3'), soon)).toBe(true)
  expect(await until(clock, () => marked(made.vmId).length === 0, soon)).toBe(true)
  expect((await listed(cloud, made.vmId))?.power).toBe('stopped')
})

it('clears away what a killed init left, at the next listing', async () => {
  const { cloud, directory, order } = set()
  // The last one has neither marker nor parent then, and is known by init's session alone.
  const made = order([strayed('sleep 600 & wait'), 'exec env -i sleep 600'])
  const { ref } = await cloud.create(made)
  expect(await until(clock, () => cloud.pidsOf(made.vmId).length === 4, soon)).toBe(true)
  const pids = cloud.pidsOf(made.vmId)
  const { pid } = JSON.parse(readFileSync(join(directory, ref, 'init.json'), 'utf8')) as { pid: number }
  process.kill(pid, 'SIGKILL')
  expect(await comesTo(cloud, made.vmId, 'stopped')).toBe(true)
  expect(await until(clock, () => !pids.some(isRunning), soon)).toBe(true)
})

it('destroys payloads that wiped their environment but kept their parent or their leader', async () => {
  const { cloud, directory, order } = set()
  const inSession = 'env -i sh -c "echo \\$\\$ > pid.session; exec sleep 600"'
  const underLeader = strayed('env -i sh -c "echo \\$\\$ > pid.leader; exec sleep 600" & wait')
  const underParent = 'setsid env -i sh -c "echo \\$\\$ > pid.parent; exec sleep 600" &'
  const made = order([underLeader, underParent, inSession])
  const { ref } = await cloud.create(made)
  const root = join(directory, ref, 'root')
  const pids = (): readonly number[] =>
    readdirSync(root).flatMap((name) => (name.startsWith('pid.') ? [Number(readFileSync(join(root, name), 'utf8'))] : []))
  expect(await until(clock, () => pids().filter((pid) => pid > 0).length === 3, soon)).toBe(true)
  const wiped = pids()
  expect(await cloud.destroy(ref)).toBe('gone')
  expect(wiped.filter(isRunning)).toEqual([])
})

it('finds its VMs again after the service ended, and does not touch those of another installation', async () => {
  const { cloud, order, again } = set()
  const made = order()
  const { ref } = await cloud.create(made)
  const stranger = again({ installation: 'other' })
  expect(await stranger.list()).toEqual([])
  expect(await stranger.quota()).toEqual({ vms: 7, cores: 15, memoryBytes: Infinity })
  const next = again()
  expect(await comesTo(next, made.vmId, 'running')).toBe(true)
  expect(await next.create(made)).toEqual({ ref })
  expect(await next.destroy(ref)).toBe('gone')
  expect(await cloud.list()).toEqual([])
})

it('outlives the kill of the service that made it', async () => {
  const { cloud, directory, order } = set()
  const made = order()
  const service = spawn(process.execPath, ['--input-type=module', '-e', serviceText(directory, made)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => service.stdout.once('data', resolve))
  const ended = new Promise((resolve) => service.once('exit', resolve))
  service.kill('SIGKILL')
  await ended
  expect(await comesTo(cloud, made.vmId, 'running')).toBe(true)
  expect(cloud.pidsOf(made.vmId).length).toBeGreaterThan(0)
})

function serviceText(directory: string, order: VmOrder): string {
  const at = (path: string): string => JSON.stringify(join(import.meta.dirname, '../../..', path))
  const quota = '{ vms: 1, cores: 1, memoryBytes: Infinity }'
  return `
    import { localCloud } from ${at('services/adapters/cloud/local/cloud.ts')}
    import { systemClock } from ${at('core/kernel/clock.ts')}
    const options = { name: 'here', installation: 'test', directory: ${JSON.stringify(directory)}, bootDelayMs: 0 }
    await localCloud({ ...options, clock: systemClock(), quota: ${quota} }).create(${JSON.stringify(order)})
    console.log('made')
    setInterval(() => {}, 1000)`
}

it('lists a VM as an error that a killed service half made, and destroys it', async () => {
  const { cloud, directory, order } = set()
  const made = order()
  const { ref } = await cloud.create(made)
  rmSync(join(directory, ref, 'init.json'))
  expect(await listed(cloud, made.vmId)).toMatchObject({ ref, power: 'error' })
  writeFileSync(join(directory, ref, 'record.json'), '{"cut sho')
  expect(await listed(cloud, made.vmId)).toMatchObject({ ref, power: 'error' })
  expect(await cloud.create(made)).toEqual({ ref })
  expect(await cloud.destroy(ref)).toBe('gone')
  expect(cloud.pidsOf(made.vmId)).toEqual([])
})

it('takes no process for its own that got the number of one that ended, or another boot', async () => {
  const { cloud, directory, order } = set()
  const made = order(['exit 0'])
  const { ref } = await cloud.create(made)
  expect(await comesTo(cloud, made.vmId, 'stopped')).toBe(true)
  const bystander = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  for (const known of [
    { pid: bystander.pid, startTicks: 1, bootId },
    { pid: bystander.pid, startTicks: startTicksOf(bystander.pid ?? 0), bootId: 'another' },
  ]) {
    writeFileSync(join(directory, ref, 'init.json'), JSON.stringify(known))
    expect((await listed(cloud, made.vmId))?.power).toBe('stopped')
    expect(cloud.pidsOf(made.vmId)).toEqual([])
  }
  expect(await cloud.destroy(ref)).toBe('gone')
  expect(bystander.exitCode ?? bystander.signalCode).toBeNull()
  const ended = new Promise((resolve) => bystander.once('exit', resolve))
  bystander.kill('SIGKILL')
  await ended
})

it('does not make a VM again that was destroyed', async () => {
  const { cloud, order } = set()
  const made = order(['echo once', 'exec sleep 600'])
  const { ref } = await cloud.create(made)
  expect(await until(clock, async () => (await cloud.consoleLog(ref)).includes('once'), soon)).toBe(true)
  await cloud.destroy(ref)
  expect(await cloud.create(made)).toEqual({ ref })
  expect(await cloud.list()).toEqual([])
  expect(await cloud.consoleLog(ref)).toContain('once')
})

it('keeps of an ended VM its record and console, and no secret', async () => {
  const { cloud, directory, order } = set()
  const { ref } = await cloud.create(order())
  await cloud.destroy(ref)
  const kept = readdirSync(join(directory, 'ended', ref))
  expect(kept).toEqual(expect.arrayContaining(['console.log', 'record.json']))
  expect(kept).not.toEqual(expect.arrayContaining(['root', 'init', 'runcmd']))
})

/** 300 folders in each other, closed from the innermost: their path has 6300 characters. */
const deepAndClosed = `perl -e 'for (1..300) { mkdir "a" x 20; chdir "a" x 20 } open(my $f, ">", "f"); for (1..300) { chdir ".."; chmod 0, "a" x 20 }'`

it('is rid of a VM whose payload has made a path that is longer than the system takes', async () => {
  const { cloud, directory, order } = set({ quota: { vms: 1, cores: 1, memoryBytes: Infinity } })
  const { ref } = await cloud.create(order([deepAndClosed, 'echo made', 'exec sleep 600']))
  expect(await until(clock, async () => (await cloud.consoleLog(ref)).includes('made'), soon)).toBe(true)
  expect(await cloud.destroy(ref)).toBe('gone')
  expect(readdirSync(join(directory, 'ended', ref))).not.toContain('root')
  expect(await codeOf(cloud.create(order()))).toBeUndefined()
})

it.skipIf(process.getuid?.() !== 0 || spawnSync('chattr', ['-V']).error)(
  'is rid of a VM whose files cannot be removed at all (not run unless as root, with chattr)',
  async () => {
    const { cloud, directory, order } = set({ quota: { vms: 1, cores: 1, memoryBytes: Infinity } })
    const { ref } = await cloud.create(order())
    const fixed = join(directory, ref, 'root', 'fixed')
    writeFileSync(fixed, '')
    if (spawnSync('chattr', ['+i', fixed]).status !== 0) return
    expect(await cloud.destroy(ref)).toBe('gone')
    spawnSync('chattr', ['-i', join(directory, 'ended', ref, 'root', 'fixed')])
    expect(await cloud.list()).toEqual([])
    expect(await codeOf(cloud.create(order()))).toBeUndefined()
  },
)

it('counts cores and memory against the quota until a VM is gone', async () => {
  const { cloud, order } = set({ quota: { vms: 9, cores: 4, memoryBytes: 4 * 2 ** 30 } })
  const { ref } = await cloud.create(order(['exit 0'], { cores: 3 }))
  expect(await codeOf(cloud.create(order([], { cores: 2 })))).toBe('cloud-quota')
  expect(await codeOf(cloud.create(order([], { memoryBytes: 4 * 2 ** 30 })))).toBe('cloud-quota')
  await cloud.destroy(ref)
  expect(await codeOf(cloud.create(order([], { cores: 2 })))).toBeUndefined()
})

it.each([
  ['no header', 'runcmd: []'],
  ['no YAML', '#cloud-config\nrun: [secret'],
  ['another key', '#cloud-config\npackages: [secret]'],
  ['a way out', userData([], [{ path: '/etc/../../secret', content: '' }])],
  ['a list as command', '#cloud-config\nruncmd: [[echo, secret]]'],
  ['another owner', userData([], [{ path: '/x', owner: 'secret', content: '' }])],
  ['an odd mode', userData([], [{ path: '/x', permissions: 'secret', content: '' }])],
  ['aliases', '#cloud-config\nruncmd: [&a secret, *a]'],
  ['too much', userData(['x'.repeat(20_000)])],
])('refuses user data with %s, and does not quote it', async (_what, text) => {
  const { cloud, order } = set()
  const refusal = await cloud.create({ ...order(), userData: text }).catch((error: PilotageError) => error)
  expect(refusal).toMatchObject({ code: 'cloud-refused', message: expect.not.stringContaining('secret') })
  expect(await cloud.list()).toEqual([])
})

it('refuses an id that could leave its directory', async () => {
  const { cloud, order } = set()
  expect(await codeOf(cloud.create({ ...order(), vmId: 'vm-../../etc' as VmId }))).toBe('cloud-refused')
})

it('crashes a VM at once', async () => {
  const { cloud, order, again } = set()
  const made = order([strayed('sleep 600'), 'exec sleep 600'])
  await cloud.create(made)
  await comesTo(cloud, made.vmId, 'running')
  await again().crash(made.vmId)
  expect(cloud.pidsOf(made.vmId)).toEqual([])
  expect((await listed(cloud, made.vmId))?.power).toBe('stopped')
  expect(await codeOf(cloud.crash(newVmId(systemRandom())))).toBe('cloud-gone')
})

it('hangs a VM, which stays running, and ends it nevertheless', async () => {
  const { cloud, order } = set()
  const made = order(['while :; do echo tick; sleep 0.02; done'])
  const { ref } = await cloud.create(made)
  const ticks = async (): Promise<number> => (await cloud.consoleLog(ref)).length
  expect(await until(clock, async () => (await ticks()) > 60, soon)).toBe(true)
  await cloud.hang(made.vmId)
  const before = await ticks()
  expect(await until(clock, async () => (await ticks()) > before, { withinMs: 150 })).toBe(false)
  expect((await listed(cloud, made.vmId))?.power).toBe('running')
  await cloud.resume(made.vmId)
  expect(await until(clock, async () => (await ticks()) > before, soon)).toBe(true)
  await cloud.hang(made.vmId)
  expect(await cloud.destroy(ref)).toBe('gone')
})

function startTicksOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[19])
}

function isRunning(pid: number): boolean {
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'latin1') : ''
  return stat !== '' && !stat.includes(') Z ')
}
