import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { backoff } from '../../../core/kernel/backoff.ts'
import { checkConfig, readConfig } from '../../../agents/kit/config.ts'
import { sayTo } from '../../../agents/kit/console.ts'
import { readMachine, readPilot } from '../../../agents/monitor/machine.ts'
import { fenceIn, findCgroups, prepareCgroups } from '../../../agents/pilot/cgroup.ts'
import { bytesOfCgroup, coresOfCgroup, measure, sizeOf } from '../../../agents/pilot/machine.ts'
import { plainIsolation } from '../../../agents/pilot/isolation/plain-isolation.ts'
import { startPayload } from '../../../agents/pilot/payload.ts'
import { bootId, processScanner, readStat } from '../../../agents/pilot/processes.ts'
import { startWatch } from '../../../agents/pilot/watch.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { mib, shell } from './tasks.ts'
import { noAmounts } from '../../../core/model/resources.ts'

const vmId = 'vm-machines00' as VmId

const clock = systemClock()
let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-machine-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('what the machine has', () => {
  it('is measured, and more than nothing', () => {
    const { cores, memoryBytes, diskBytes } = measure(dir)
    expect([cores >= 1, memoryBytes > mib, diskBytes > 0]).toEqual([true, true, true])
    expect(readMachine(dir).memoryUsedBytes).toBeLessThan(readMachine(dir).memoryTotalBytes)
    expect(bootId()).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('narrows the promise only where it is to be believed', () => {
    const promised = { cores: 4, ...noAmounts, memoryBytes: 100, diskBytes: 100 }
    const real = { cores: 2, ...noAmounts, memoryBytes: 200, diskBytes: 50 }
    expect(sizeOf({ size: promised, sizeFrom: 'machine' }, real)).toEqual({
      cores: 2,
      ...noAmounts,
      memoryBytes: 100,
      diskBytes: 50,
    })
    expect(sizeOf({ size: promised, sizeFrom: 'context' }, real)).toEqual(promised)
  })

  it('is what its cgroup leaves of it', () => {
    expect(['200000 100000\n', 'max 100000\n', ''].map(coresOfCgroup)).toEqual([2, Infinity, Infinity])
    expect(['1048576\n', 'max\n', ''].map(bytesOfCgroup)).toEqual([mib, Infinity, Infinity])
  })

  it('has processes whose names may hold anything', () => {
    expect(readStat(process.pid)).toMatchObject({ pid: process.pid, ppid: process.ppid, over: false })
    expect(readStat(2 ** 22 + 1)).toBeUndefined()
    const wanted = { leader: -1, dir, pipes: [], seen: new Map<number, number>() }
    expect(processScanner(process.pid).scan([wanted]).get(wanted)).toEqual([])
  })
})

describe('cgroup v2', () => {
  const mount = (at: string): string => `30 23 0:26 / ${at} rw,nosuid - cgroup2 cgroup2 rw\n`

  function delegated(): string {
    const own = join(dir, 'system.slice', 'pilot.service')
    mkdirSync(own, { recursive: true })
    writeFileSync(join(own, 'cgroup.controllers'), 'cpu memory pids\n')
    for (const name of ['cgroup.procs', 'cgroup.subtree_control']) writeFileSync(join(own, name), '')
    return own
  }

  it('is used only where it was really delegated', () => {
    const own = delegated()
    const text = '0::/system.slice/pilot.service\n'
    expect(findCgroups(text, mount(dir))).toEqual({ kind: 'delegated', dir: own })
    const why = (cgroup: string, mounts: string) => {
      const found = findCgroups(cgroup, mounts)
      return found.kind === 'none' ? found.why : found.kind
    }
    expect(why('4:memory:/x\n', mount(dir))).toBe('no cgroup v2')
    expect(why(text, '')).toBe('cgroup v2 is not mounted')
    expect(why('0::/\n', mount(dir))).toBe('our cgroup is the root of its tree')
    writeFileSync(join(own, 'cgroup.controllers'), 'cpu pids\n')
    expect(why(text, mount(dir))).toBe('the memory controller is not there')
    expect(why('0::/nowhere\n', mount(dir))).toBe('the memory controller is not there')
    writeFileSync(join(own, 'cgroup.controllers'), 'memory\n')
    rmSync(join(own, 'cgroup.procs'))
    expect(why(text, mount(dir))).toBe('our cgroup is not delegated to us')
  })

  it('gets the agent a leaf and a payload a fence, and says what the kernel counted', async () => {
    const own = delegated()
    const cgroups = prepareCgroups({ kind: 'delegated', dir: own }, 4711)
    expect(readFileSync(join(own, 'agent', 'cgroup.procs'), 'utf8')).toBe('4711')
    // Each write to the kernel's file adds one; a plain folder keeps the last.
    expect(readFileSync(join(own, 'cgroup.subtree_control'), 'utf8')).toBe('+cpu')
    const fence = fenceIn(cgroups, '1.1', { cores: 2, memoryBytes: 64 * mib })
    const fenced = join(own, 'payload-1.1')
    expect(readFileSync(join(fenced, 'memory.max'), 'utf8')).toBe(String(72 * mib))
    expect(readFileSync(join(fenced, 'pids.max'), 'utf8')).toBe('4096')
    expect(readFileSync(join(fenced, 'cpu.max'), 'utf8')).toBe('200000 100000')
    // A plain folder stands for the kernel's: it says that memory was over.
    writeFileSync(join(fenced, 'memory.events'), 'low 0\noom 1\noom_kill 1\n')
    writeFileSync(join(fenced, 'memory.peak'), '67108864\n')
    writeFileSync(join(fenced, 'cpu.stat'), 'usage_usec 2500000\nuser_usec 1\n')
    const watch = startWatch(clock, process.pid)
    const confinement = plainIsolation().confine('1.1', join(dir, '1.1'), 64 * mib)
    if (!confinement) throw new Error('plain always confines')
    const task = shell('echo $$')
    const payload = startPayload({ vmId, task, dir: join(dir, '1.1'), clock, watch, confinement, fence })
    expect(await payload.done).toMatchObject({
      end: 'memory-limit',
      detail: 'used more than 64 MiB',
      peakMemoryBytes: 64 * mib,
      cpuMs: 2500,
    })
    // The payload's own process entered the fence before it became the payload.
    expect(readFileSync(join(fenced, 'cgroup.procs'), 'utf8')).toBe(readFileSync(join(dir, '1.1', 'stdout'), 'utf8'))
    expect(fenceIn({ kind: 'none', why: '' }, '1.1', { cores: 1, memoryBytes: 1 })).toBeUndefined()
  })
})

describe('the context', () => {
  const config = {
    vmId: 'vm-abcdefghjk',
    endpoint: '127.0.0.1:1',
    activationKey: 'a-secret',
    cloud: 'local',
    site: 'here',
    platform: 'linux',
    size: { cores: 1, ...noAmounts, memoryBytes: 1, diskBytes: 1 },
    sizeFrom: 'context',
    policy: { idleMs: 0, leastLifeMs: 0, endByMs: 1, deadManMs: 1, leastDiskFreeBytes: 0 },
    powerOff: [],
  }

  it.each([
    [{}, ''],
    [{ caPem: 'pem', endpoint: 'far.example:1' }, ''],
    [{ endpoint: 'far.example:1' }, 'caPem'],
    [{ endpoint: 'far.example:1', plaintext: true }, ''],
    [{ endpoint: 'far.example:1', plaintext: 'yes' }, 'plaintext caPem'],
    [{ endpoint: '127.0.0.1:1,[::1]:2' }, ''],
    [{ endpoint: '127.0.0.1:1,far.example:2' }, 'caPem'],
    [{ endpoint: '127.0.0.1:1,' }, 'endpoint caPem'],
    [{ endpoint: '127.0.0.1' }, 'endpoint caPem'],
    [{ vmId: 'x' }, 'vmId'],
    [{ activationKey: '' }, 'activationKey'],
    [{ size: { cores: 0, ...noAmounts, memoryBytes: 1, diskBytes: 1 } }, 'size.cores'],
    [{ size: null }, 'size.cores size.memoryBytes size.diskBytes'],
    [{ sizeFrom: 'guess' }, 'sizeFrom'],
    [{ policy: { ...config.policy, deadManMs: -1 } }, 'policy.deadManMs'],
    [{ powerOff: 'reboot' }, 'powerOff'],
  ])('with %j is wrong in: %s', (change, paths) => {
    let wrong = ''
    try {
      checkConfig({ ...config, ...change })
    } catch (error) {
      if (!(error instanceof PilotageError)) throw error
      wrong = error.violations.map(({ path }) => path).join(' ')
      expect(error.message).not.toContain('a-secret')
    }
    expect(wrong).toBe(paths)
  })

  it('that is not JSON is refused without being quoted', () => {
    const path = join(dir, 'agent.json')
    writeFileSync(path, '{"activationKey":"a-secret"')
    expect(() => readConfig(path)).toThrow(/is not JSON$/)
    writeFileSync(path, JSON.stringify(config))
    expect(readConfig(path)).toEqual(config)
  })
})

it('a pilot’s status is read, and is absent where it is not one', () => {
  const path = join(dir, 'pilot.json')
  expect(readPilot(path)).toBeUndefined()
  writeFileSync(path, '{"pid":')
  expect(readPilot(path)).toBeUndefined()
  const status = { pid: process.pid, atMs: 1000, state: 'idle', payloads: 0, idleMs: 400 }
  writeFileSync(path, JSON.stringify(status))
  expect(readPilot(path)).toEqual({ state: 'idle', payloads: 0, idleMs: 400, writtenMs: 1000, alive: true })
  writeFileSync(path, JSON.stringify({ ...status, pid: 2 ** 22 + 1 }))
  expect(readPilot(path)).toMatchObject({ alive: false })
  expect(existsSync(`${path}.new`)).toBe(false)
})

it('a retry comes at random within a bound that doubles, and starts small again after a success', () => {
  const delays = backoff({ ...seededRandom(1), next: () => 1 }, 200, 1000)
  expect([delays.next(), delays.next(), delays.next(), delays.next(), delays.next()]).toEqual([200, 400, 800, 1000, 1000])
  delays.reset()
  expect(delays.next()).toBe(200)
})

it('a console line is one line, short, and has the time', () => {
  const lines: string[] = []
  const say = sayTo((text) => lines.push(text), { ...clock, nowMs: () => 0 }, 'pilot')
  say('two\nlines')
  say('x'.repeat(1000))
  expect(lines[0]).toBe('1970-01-01T00:00:00.000Z pilot: two lines\n')
  expect(lines[1]?.length).toBeLessThan(440)
})
