/**
 * `npm run hostile [-- --kind NAME] [--only ATTACK] [--verbose]`: hostile payloads against the real pilot, on every kind of
 * isolation, ended by one line `hostile: kinds=... attacks=... held=... reached=...`.
 *
 * It runs as root, since only root can start a pilot as a VM does, and inside of PID, IPC and mount namespaces of its own:
 * what an attack leaves goes with them, and shared places are not the machine's. Exit codes: 0 as expected, 1 not, 2 wrong
 * usage.
 */

import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bundleAgents } from '../../agents/bundle.ts'
import { quoted } from '../../contextualization/shell.ts'
import { systemClock } from '../../core/kernel/clock.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { type Trial, tryAll } from './field.ts'
import { kinds } from './kinds.ts'
import { openListener } from './listener.ts'
import { report } from './report.ts'
import { findTools } from './tools.ts'
import type { Programs } from './vm.ts'

const options = {
  kind: { type: 'string' },
  only: { type: 'string', multiple: true },
  verbose: { type: 'boolean', default: false },
} as const
const { values } = parseArgs({ options })
const chosen = kinds.filter(({ name }) => values.kind === undefined || name === values.kind)
/** The suite gives its kinds a folder of their own here: no folder on the way there may be closed to other accounts. */
const place = '/srv'
/** Attacks wait more than they compute. */
const kindsAtOnce = 3
const root = join(import.meta.dirname, '../..')

if (chosen.length === 0) process.exit(wrongUsage())
const why = cannotRun()
if (why !== undefined) {
  console.log(`hostile: kinds=0 attacks=0 not-run=all reason=${JSON.stringify(why)}`)
  process.exit(process.env.REQUIRE_TOOLS === '1' ? 1 : 0)
}
process.exit(process.env.HOSTILE_INSIDE === '1' ? await run() : inside())

function wrongUsage(): number {
  console.error(`npm run hostile -- [--kind ${kinds.map(({ name }) => name).join('|')}] [--only ATTACK]... [--verbose]`)
  return 2
}

function cannotRun(): string | undefined {
  if (process.platform !== 'linux') return 'it needs Linux'
  if (process.getuid?.() !== 0) return 'it needs root: only root starts a pilot as a VM does'
  const tools = ['/usr/bin/unshare', '/usr/bin/setpriv', '/usr/bin/perl', place].filter((path) => !existsSync(path))
  if (tools.length > 0) return `it needs ${tools.join(', ')}`
  const tried = spawnSync('/usr/bin/unshare', ['--mount', '--pid', '--fork', 'true'], { timeout: 10_000 })
  return tried.status === 0 ? undefined : 'it needs the right to make namespaces'
}

/** The same program again with a shell as its first process, which collects what is orphaned. */
function inside(): number {
  // The repository may lie below /tmp, where a new and empty folder is put: it is reached by another path then.
  const source = join(place, 'source')
  const moved = (path: string): string => (path.startsWith(`${root}/`) ? source + path.slice(root.length) : path)
  const steps = [
    `mount -t tmpfs -o mode=755 tmpfs ${place}`,
    `mkdir ${source}`,
    `mount --rbind ${quoted(root)} ${source}`,
    ...['/tmp', '/var/tmp', '/dev/shm', '/run/lock'].map((path) => `mount -t tmpfs -o mode=1777 tmpfs ${path}`),
    // As systemd mounts it, which a container may not have done: in a user namespace these flags cannot be taken off.
    'mount -o remount,bind,nosuid,nodev,noexec /sys',
    `cd ${source}`,
  ]
  const script = `${steps.join(' && ')} && "$@"; exit $?`
  const namespaces = ['--mount', '--pid', '--fork', '--ipc', '--uts', '--mount-proc', '--kill-child=KILL']
  const program = [moved(process.execPath), moved(import.meta.filename), ...process.argv.slice(2)]
  const { status } = spawnSync('/usr/bin/unshare', [...namespaces, '/bin/sh', '-c', script, 'sh', ...program], {
    stdio: 'inherit',
    env: { ...process.env, HOSTILE_INSIDE: '1', TMPDIR: '/tmp' },
  })
  return status ?? 1
}

async function run(): Promise<number> {
  const clock = systemClock()
  const random = systemRandom()
  const beganMs = clock.monotonicMs()
  const dir = join(place, 'hostile')
  const say = (line: string): void => {
    if (values.verbose) console.error(`${((clock.monotonicMs() - beganMs) / 1000).toFixed(1)} ${line}`)
  }
  mkdirSync(dir, { mode: 0o755 })
  chmodSync(dir, 0o755)
  const programs = await bringPrograms(join(dir, 'programs'))
  const { missing, library } = findTools()
  const listener = await openListener(clock)
  let number = 0
  const nextNumber = (): number => number++
  const wanted = (name: string): boolean => values.only?.includes(name) ?? true
  const tried = new Map<string, readonly Trial[]>()
  const waiting = [...chosen]
  const work = async (): Promise<void> => {
    for (let kind = waiting.shift(); kind; kind = waiting.shift()) {
      const plan = { kind, dir: join(dir, kind.name), programs, clock, random, listener, library, missing, nextNumber }
      mkdirSync(plan.dir, { mode: 0o755 })
      chmodSync(plan.dir, 0o755)
      tried.set(kind.name, await tryAll({ ...plan, wanted, say }))
    }
  }
  await Promise.all(Array.from({ length: kindsAtOnce }, work))
  listener.close()
  const seconds = Math.round((clock.monotonicMs() - beganMs) / 1000)
  const { lines, ok } = report(tried, {
    seconds,
    requiresAll: process.env.REQUIRE_TOOLS === '1',
    isPart: values.only !== undefined,
  })
  for (const line of lines) console.log(line)
  return ok ? 0 : 1
}

/** Node and the agents where every account may read them, as on a VM. */
async function bringPrograms(dir: string): Promise<Programs> {
  mkdirSync(dir, { mode: 0o755 })
  chmodSync(dir, 0o755)
  const scratch = mkdtempSync(join(tmpdir(), 'pilotage-hostile-'))
  const { pilot, monitor } = await bundleAgents(scratch)
  const paths = { node: join(dir, 'node'), pilot: join(dir, 'pilot.cjs'), monitor: join(dir, 'monitor.cjs') }
  for (const [from, to] of [
    [process.execPath, paths.node],
    [pilot.path, paths.pilot],
    [monitor.path, paths.monitor],
  ] as const) {
    cpSync(from, to)
    chmodSync(to, 0o755)
  }
  rmSync(scratch, { recursive: true })
  return { ...paths, dir }
}
