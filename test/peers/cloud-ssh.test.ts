/**
 * Hosts behind the cloud port, on real OpenSSH servers: the port's contract, what is left on a host, and what happens to
 * hosts that are killed, installed anew, or taken by another installation.
 */

import { existsSync, readFileSync, rmSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock, until } from '../../core/kernel/clock.ts'
import { hostPaths } from '../../core/model/agent-config.ts'
import type { PilotageError } from '../../core/kernel/errors.ts'
import { newVmId } from '../../core/kernel/ids.ts'
import type { Cloud, VmOrder } from '../../core/ports/cloud.ts'
import type { CloudVm } from '../../core/model/cloud.ts'
import { silentLog } from '../../core/ports/log.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { sshCloud, sshTimes } from '../../services/adapters/cloud/ssh/cloud.ts'
import type { SshCloudOptions } from '../../services/adapters/cloud/ssh/options.ts'
import { cloudContract, type MachineLife } from '../contract/cloud.ts'
import { memoryKeep, type MemoryKeep } from '../support/memory-keep.ts'
import { startSshHosts } from './servers.ts'
import type { OneHost, SshHosts } from './sshd-peer.ts'
import { noAmounts } from '../../core/model/resources.ts'

const clock = systemClock()
const gib = 1024 ** 3
const patience = { withinMs: 60_000, everyMs: 100 }

let farm: SshHosts
beforeAll(async () => {
  farm = await startSshHosts(3)
})
const opened: { close(): void }[] = []
afterEach(() => {
  for (const cloud of opened.splice(0)) cloud.close()
})
afterAll(() => farm?.stop())

function open(keep: MemoryKeep, changes: Partial<SshCloudOptions> = {}): Cloud {
  const cloud = sshCloud({
    name: 'hosts',
    installation: 'mine.hosts',
    clock,
    log: silentLog(),
    login: { user: 'root', privateKey: farm.privateKey, sudo: false },
    hosts: farm.hosts.map(({ port }) => ({ address: '127.0.0.1', port, flavor: 'desk' })),
    sizes: new Map([['desk', { cores: 4, memoryBytes: 8 * gib }]]),
    keep,
    ...sshTimes,
    hostMs: 15_000,
    ...changes,
  })
  opened.push(cloud)
  return cloud
}

const key = 'the-activation-key'

/** As the real one: what removes everything comes first, and the monitor is started last. */
function scriptOf({ ends = false, words }: MachineLife, more = ''): string {
  const release = [
    'systemctl stop pilotage-monitor.service',
    'rm -rf /var/lib/pilotage /run/units/*',
    '[ ! -e /var/lib/stuck ] || { echo "it is stuck"; exit 1; }',
  ]
  return [
    '#!/bin/sh',
    `printf '%s\\n' ${release.map((line) => `'${line}'`).join(' ')} >${hostPaths.release}`,
    `mkdir -p /var/lib/pilotage; echo ${key} >/var/lib/pilotage/secret; echo run >>/var/lib/pilotage/runs`,
    more,
    ...(words === undefined ? [] : [`head -c 102400 /dev/zero | tr '\\0' x; echo; echo '${words}'`]),
    `echo 'exec sleep ${ends ? 1 : 3600}' >/run/units/pilotage-monitor`,
    'systemctl start pilotage-monitor.service',
    '',
  ].join('\n')
}

function order(life: MachineLife = {}, more = '', flavor = 'desk'): VmOrder {
  const usual = { cloud: 'hosts', site: 's', flavor, image: 'plain', platform: 'linux', tags: [], vos: [] }
  const size = { cores: 4, ...noAmounts, memoryBytes: 8 * gib, diskBytes: 10 * gib, pricePerHour: 0 }
  return { vmId: newVmId(systemRandom()), shape: { ...usual, ...size }, userData: scriptOf(life, more) }
}

function at(index: number): OneHost {
  const host = farm.hosts[index]
  if (!host) throw new Error(`there is no host ${index}`)
  return host
}

async function cleared(): Promise<void> {
  for (const host of farm.hosts) {
    await until(clock, () => host.processes().length === 0, patience)
    expect(host.processes()).toEqual([])
    expect(existsSync(host.path(hostPaths.base))).toBe(false)
    expect(existsSync(host.path('/var/lib/pilotage'))).toBe(false)
  }
}

async function end(cloud: Cloud, ref: string): Promise<void> {
  expect(await until(clock, async () => (await cloud.destroy(ref)) === 'gone', patience)).toBe(true)
}

function reaches(cloud: Cloud, ref: string, power: CloudVm['power']): Promise<boolean> {
  return until(clock, async () => (await cloud.list()).find((vm) => vm.ref === ref)?.power === power, patience)
}

async function failure(call: Promise<unknown>): Promise<PilotageError> {
  return call.then(
    () => expect.unreachable('it should have failed'),
    (error: PilotageError) => error,
  )
}

cloudContract(
  'ssh hosts',
  async () => {
    const keep = memoryKeep()
    const cloud = open(keep)
    return {
      cloud,
      order: (life) => order(life),
      close: cleared,
      skips: {
        'refuses what is over the quota, and makes nothing':
          'hosts have no quota: that all are taken is cloud-capacity, and tested below',
        'gives up on a silent cloud':
          'each host is a server of its own: silent ones are played in test/unit/adapters/cloud-ssh.test.ts',
      },
      provoke: {
        brokenList: async () => keep.fail('read'),
        impossibleOrder: () => order({}, '', 'unheard-of'),
      },
    }
  },
  patience,
)

describe('hosts', () => {
  it('are taken one for each VM, reported as capacity when all are, and used again', async () => {
    const cloud = open(memoryKeep())
    const refs: string[] = []
    for (let made = 0; made < 3; made += 1) refs.push((await cloud.create(order())).ref)
    expect(await failure(cloud.create(order()))).toMatchObject({ code: 'cloud-capacity', message: /3 in all/ })
    expect(await cloud.quota()).toEqual({ vms: 3, cores: 12, memoryBytes: 24 * gib })
    await end(cloud, refs[1] ?? '')
    const again = await cloud.create(order())
    expect(again.ref.split('/')[0]).toBe(refs[1]?.split('/')[0])
    for (const ref of [refs[0] ?? '', refs[2] ?? '', again.ref]) await end(cloud, ref)
    await cleared()
  })

  it('run a script once, whichever driver asks, and forget its secrets with their VM', async () => {
    const keep = memoryKeep()
    const once = order()
    const { ref } = await open(keep).create(once)
    expect(await open(keep).create(once)).toEqual({ ref })
    expect(await reaches(open(keep), ref, 'running')).toBe(true)
    expect(await open(keep).create(once)).toEqual({ ref })
    const host = farm.hosts.find(({ path }) => existsSync(path('/var/lib/pilotage')))
    expect(readFileSync(host?.path('/var/lib/pilotage/runs') ?? '', 'utf8')).toBe('run\n')
    // Where the script ran, only its own files have what it carried.
    expect(existsSync(host?.path(`${hostPaths.base}/claim/script`) ?? '')).toBe(false)
    expect(keep.texts().join()).not.toContain(key)
    await end(open(keep), ref)
    await cleared()
  })

  it('of another installation are left alone, and counted as theirs', async () => {
    const theirs = open(memoryKeep(), { installation: 'theirs.hosts' })
    const { ref } = await theirs.create(order())
    const ours = open(memoryKeep())
    expect(await ours.list()).toEqual([])
    expect(await ours.quota()).toMatchObject({ vms: 2 })
    const made = await Promise.all([ours.create(order()), ours.create(order())])
    expect((await failure(ours.create(order()))).code).toBe('cloud-capacity')
    expect(await ours.destroy(ref)).toBe('gone')
    expect(await reaches(theirs, ref, 'running')).toBe(true)
    for (const one of made) await end(ours, one.ref)
    await end(theirs, ref)
    await cleared()
  })

  it('whose script fails say so, with the last line, and can be given back', async () => {
    const cloud = open(memoryKeep())
    const { ref } = await cloud.create(order({}, 'echo "boot failed: no luck"; exit 7'))
    expect(await reaches(cloud, ref, 'error')).toBe(true)
    expect((await cloud.list())[0]?.detail).toMatch(/ended with 7: boot failed: no luck/)
    await end(cloud, ref)
    await cleared()
  })

  it('are given back in the middle of their script, and not before everything is gone', async () => {
    const cloud = open(memoryKeep())
    const { ref } = await cloud.create(order({}, 'touch /var/lib/stuck; sleep 3600'))
    const host = farm.hosts.find(({ port }) => ref.includes(`:${port}/`))
    expect(await until(clock, () => existsSync(host?.path('/var/lib/stuck') ?? ''), patience)).toBe(true)
    expect((await cloud.list())[0]?.power).toBe('building')
    expect(await cloud.destroy(ref)).toBe('going')
    expect(await cloud.list()).toHaveLength(1)
    rmSync(host?.path('/var/lib/stuck') ?? '')
    await end(cloud, ref)
    await cleared()
  })

  it('that are unreachable are listed as they were last known, and as gone when they come back empty', async () => {
    const keep = memoryKeep()
    const [only] = farm.hosts
    const hosts = [{ address: '127.0.0.1', port: only?.port ?? 0, flavor: 'desk' }]
    const both = [...hosts, { address: '127.0.0.1', port: at(1).port, flavor: 'other' }]
    const cloud = open(keep, { hosts: both })
    const { ref, ...made } = await cloud.create(order())
    expect(await reaches(cloud, ref, 'running')).toBe(true)
    await at(0).kill()
    expect(await cloud.list()).toMatchObject([{ ref, power: 'running', detail: 'not reached' }])
    expect((await failure(cloud.destroy(ref))).code).toBe('cloud-transient')
    await at(0).reinstall()
    const [listed] = await cloud.list()
    expect(listed?.detail).toMatch(/its host key is SHA256:\S+, not SHA256:/)
    expect(await failure(cloud.destroy(ref))).toMatchObject({ code: 'cloud-auth', message: /say hostKey: 'SHA256:/ })
    const hostKey = /its host key is (SHA256:[^,]+),/.exec(listed?.detail ?? '')?.[1]
    const accepted = open(keep, { hosts: both.map((host) => (host.flavor === 'desk' ? { ...host, hostKey } : host)) })
    expect(await accepted.list()).toEqual([])
    expect(await accepted.destroy(ref)).toBe('gone')
    // What the operator said was kept: it need not be said again.
    expect(await open(keep, { hosts: both }).create(order())).toMatchObject({
      ref: expect.stringContaining(`:${at(0).port}/`),
    })
    for (const vm of await cloud.list()) await end(cloud, vm.ref)
    expect(made).toEqual({})
    await cleared()
  })

  it('that leave the configuration with a claim are still asked, and forgotten where they are gone', async () => {
    const keep = memoryKeep()
    const host = { address: '127.0.0.1', port: at(0).port, flavor: 'desk' }
    const other = { address: '127.0.0.1', port: at(1).port, flavor: 'other' }
    const { ref } = await open(keep, { hosts: [host, other] }).create(order())
    const without = open(keep, { hosts: [other] })
    expect(await reaches(without, ref, 'running')).toBe(true)
    await at(0).kill()
    expect(await without.destroy(ref)).toBe('gone')
    expect(await without.list()).toEqual([])
    await at(0).start()
    await cleared()
  })
})
