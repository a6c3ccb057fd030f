/**
 * A fence around a payload by cgroup v2, where one was really delegated to the pilot: exact limits of memory, processes and
 * CPU, peak and CPU time, and a kill that nothing escapes.
 *
 * Delegated means: our own cgroup is not the root, we may create below it, and the memory controller is there. Everywhere
 * else (older systems, containers, the local cloud) the watcher does the same work from outside; the pilot says which.
 */

import { accessSync, constants, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { payloadProcesses } from '../../core/kernel/limits.ts'

export type Fence = {
  /** Put before the payload's own arguments: enters the cgroup, then becomes the payload. */
  readonly prefix: readonly string[]
  kill(): void
  /** After the last process ended. */
  remove(): { readonly outOfMemory: boolean; readonly peakMemoryBytes: number; readonly cpuMs: number }
}

export type Cgroups =
  | { readonly kind: 'delegated'; readonly dir: string }
  /** Why payloads are watched from outside instead. */
  | { readonly kind: 'none'; readonly why: string }

/** The two texts are /proc/self/cgroup and /proc/self/mountinfo. */
export function findCgroups(cgroupText: string, mountText: string): Cgroups {
  const own = /^0::(\/.*)$/m.exec(cgroupText)?.[1]
  if (own === undefined) return { kind: 'none', why: 'no cgroup v2' }
  // mountinfo: id parent dev root mountpoint options ... - type source options
  const mount = mountText
    .split('\n')
    .find((line) => line.includes(' - cgroup2 '))
    ?.split(' ')
  const [root, mountPoint] = [mount?.[3], mount?.[4]]
  if (root === undefined || mountPoint === undefined) return { kind: 'none', why: 'cgroup v2 is not mounted' }
  const below = root === '/' ? own : own.slice(root.length)
  if (below === '' || below === '/') return { kind: 'none', why: 'our cgroup is the root of its tree' }
  const dir = join(mountPoint, below)
  try {
    if (!words(join(dir, 'cgroup.controllers')).includes('memory')) {
      return { kind: 'none', why: 'the memory controller is not there' }
    }
    for (const name of ['', 'cgroup.procs', 'cgroup.subtree_control']) accessSync(join(dir, name), constants.W_OK)
  } catch {
    return { kind: 'none', why: 'our cgroup is not delegated to us' }
  }
  return { kind: 'delegated', dir }
}

/** Makes room for payloads: we step into a leaf of our own, since only leaves may hold processes. */
export function prepareCgroups(cgroups: Cgroups, pid: number): Cgroups {
  if (cgroups.kind === 'none') return cgroups
  const { dir } = cgroups
  try {
    for (const name of readdirSync(dir).filter((one) => one.startsWith('payload-'))) {
      // From an earlier pilot process: its processes belong to no attempt any more.
      attempt(() => writeFileSync(join(dir, name, 'cgroup.kill'), '1'))
      attempt(() => rmdirSync(join(dir, name)))
    }
    mkdirSync(join(dir, 'agent'), { recursive: true })
    writeFileSync(join(dir, 'agent', 'cgroup.procs'), String(pid))
    writeFileSync(join(dir, 'cgroup.subtree_control'), '+memory')
    // Not every manager delegates these.
    for (const name of ['pids', 'cpu']) attempt(() => writeFileSync(join(dir, 'cgroup.subtree_control'), `+${name}`))
    return cgroups
  } catch (error) {
    return { kind: 'none', why: error instanceof Error ? error.message : String(error) }
  }
}

export type FenceSize = { readonly cores: number; readonly memoryBytes: number }

/** What the launcher takes where it stays as the init of a namespace: Perl 2 MiB, Python 6 MiB. */
const launcherBytes = 8 * 1024 * 1024
const cpuPeriodUs = 100_000

export function fenceIn(cgroups: Cgroups, key: string, { cores, memoryBytes }: FenceSize): Fence | undefined {
  if (cgroups.kind === 'none') return undefined
  const dir = join(cgroups.dir, `payload-${key}`)
  try {
    mkdirSync(dir, { recursive: true })
    writeFileSync(join(dir, 'memory.max'), String(memoryBytes + launcherBytes))
    // Swap would let a payload take more than it asked for; the whole of it ends, not the process that was unlucky.
    attempt(() => writeFileSync(join(dir, 'memory.swap.max'), '0'))
    attempt(() => writeFileSync(join(dir, 'memory.oom.group'), '1'))
    attempt(() => writeFileSync(join(dir, 'pids.max'), String(payloadProcesses)))
    attempt(() => writeFileSync(join(dir, 'cpu.max'), `${cores * cpuPeriodUs} ${cpuPeriodUs}`))
  } catch {
    attempt(() => rmdirSync(dir))
    return undefined
  }
  return {
    prefix: ['/bin/sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', dir],
    kill: () => attempt(() => writeFileSync(join(dir, 'cgroup.kill'), '1')),
    remove() {
      const outOfMemory = field(join(dir, 'memory.events'), 'oom_kill') > 0
      const peakMemoryBytes = Number(words(join(dir, 'memory.peak'))[0] ?? 0)
      const cpuMs = Math.round(field(join(dir, 'cpu.stat'), 'usage_usec') / 1000)
      attempt(() => rmdirSync(dir))
      return { outOfMemory, peakMemoryBytes, cpuMs }
    },
  }
}

function words(path: string): readonly string[] {
  try {
    return readFileSync(path, 'latin1')
      .split(/\s+/)
      .filter((word) => word !== '')
  } catch {
    return []
  }
}

function field(path: string, name: string): number {
  const all = words(path)
  const at = all.indexOf(name)
  return at === -1 ? 0 : Number(all[at + 1] ?? 0)
}

/** Files that older kernels lack, folders that are still busy: the watcher and the next start make up for them. */
function attempt(act: () => void): void {
  try {
    act()
  } catch {
    return
  }
}
