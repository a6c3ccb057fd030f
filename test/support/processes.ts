/**
 * The processes of this machine as a test sees them, by /proc alone: who belongs to a directory, and what they show of
 * themselves.
 *
 * A process belongs to a directory if it works in it, names it in its command, or carries it in its environment (agents and
 * payloads all do). Independent of the local cloud's own eyes, so that it can prove them wrong. Ends processes by pid only,
 * and only ones that it has just seen belong.
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Clock, until } from '../../core/kernel/clock.ts'

export type Seen = {
  readonly pid: number
  readonly arguments: readonly string[]
  readonly environment: readonly string[]
}

/** Every process but our own that belongs to the directory. */
export function processesUnder(dir: string): readonly Seen[] {
  const here = resolve(dir)
  const isInside = (text: string): boolean => text.includes(`${here}/`) || text.endsWith(here)
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid || !isRunning(pid)) return []
    const seen = { pid, arguments: listIn(`/proc/${pid}/cmdline`), environment: listIn(`/proc/${pid}/environ`) }
    const cwd = quietly(() => readlinkSync(`/proc/${pid}/cwd`))
    const belongs = isInside(cwd) || [...seen.arguments, ...seen.environment].some(isInside)
    return belongs ? [seen] : []
  })
}

/** There and not a dead one that no parent collected. */
export function isRunning(pid: number): boolean {
  const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
  const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
  return state !== '' && state !== 'Z' && state !== 'X'
}

/** Who is still there after they had `withinMs` to go by themselves. */
export async function leftUnder(clock: Clock, dir: string, withinMs: number): Promise<readonly Seen[]> {
  await until(clock, () => processesUnder(dir).length === 0, { withinMs, everyMs: 100 })
  return processesUnder(dir)
}

/** For the way out of a failed test: what belongs to the directory is killed, newcomers too. */
export async function endAllUnder(clock: Clock, dir: string): Promise<void> {
  await until(
    clock,
    () => {
      const left = processesUnder(dir)
      for (const { pid } of left) quietly(() => String(process.kill(pid, 'SIGKILL')))
      return left.length === 0
    },
    { withinMs: 10_000, everyMs: 50 },
  )
}

export function commandOf({ pid, arguments: words }: Seen): string {
  return `${pid}: ${words.join(' ').slice(0, 120)}`
}

/** Where a process listens, as address:port. */
export function listeningOf(pid: number): readonly string[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const target = quietly(() => readlinkSync(`/proc/${pid}/fd/${fd}`))
      return /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []
    }),
  )
  return ['tcp', 'tcp6'].flatMap((table) =>
    quietly(() => readFileSync(`/proc/${pid}/net/${table}`, 'latin1'))
      .split('\n')
      .slice(1)
      .flatMap((row) => {
        const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/)
        // 0A is LISTEN.
        return state === '0A' && sockets.has(inode) ? [addressOf(local)] : []
      }),
  )
}

/** The kernel writes an IPv4 address as one little-endian number; others are left as they are. */
function addressOf(local: string): string {
  const [address = '', port = ''] = local.split(':')
  const bytes = address.match(/../g) ?? []
  const text = bytes.length === 4 ? bytes.toReversed().map((byte) => Number.parseInt(byte, 16)) : [address]
  return `${text.join('.')}:${Number.parseInt(port, 16)}`
}

function listIn(path: string): readonly string[] {
  return quietly(() => readFileSync(path, 'utf8'))
    .split('\0')
    .filter((text) => text !== '')
}

/** A process may end while it is looked at. */
function quietly(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
