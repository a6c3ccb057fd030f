/**
 * The machine's processes as /proc shows them, and which of them belong to a payload.
 *
 * A process is a payload's own if it stands in its session or process group, descends from one that was seen to be, carries
 * the payload's directory in its environment, works inside that directory, or holds its pipes. So a daemon that made a
 * session of its own is still found; only one that hid every trace before it was first seen is not (a cgroup finds that
 * too). Refuses to decide what happens to them. What stays true: a process is named by its number and its start time, never
 * by its number alone.
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export type ProcessStat = {
  readonly pid: number
  readonly ppid: number
  readonly group: number
  readonly session: number
  readonly startTicks: number
  /** Of itself and of its children that were waited for, in clock ticks of 10 ms. */
  readonly cpuTicks: number
  /** The part of it that children used. */
  readonly waitedTicks: number
  readonly rssBytes: number
  readonly over: boolean
}

/** A process, so exactly that no other can be meant: numbers are used again, after a reboot even with the same start. */
export type ProcessMark = { readonly pid: number; readonly startTicks: number; readonly bootId: string }

/** What a scan looks for: one payload. `seen` remembers what was found, so that what is left of a dead parent is known. */
export type Wanted = {
  readonly leader: number
  /** The leader is a step of ours, and its child the init of a PID namespace: neither is a part of the payload. */
  readonly hasInit?: boolean
  readonly dir: string
  /** Its ends of our pipes, as /proc names them: no other process has them. */
  readonly pipes: readonly string[]
  /** Its account, where it has one of its own: every process of that account is the payload's. */
  readonly uid?: number
  readonly seen: Map<number, number>
}

export const msPerTick = 10
const pageBytes = 4096
/** A process that was found to be a stranger is looked at again after this many scans: numbers are used again. */
const scansToTrust = 50
/** A shell of ours, its pipeline, and what that runs. */
const helperDepth = 8

export function readStat(pid: number | 'self'): ProcessStat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The name is in brackets and may hold anything, brackets and spaces too: fields are counted from the last bracket.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const at = (index: number): number => Number(fields[index])
  return {
    pid: Number.parseInt(text, 10),
    ppid: at(1),
    group: at(2),
    session: at(3),
    startTicks: at(19),
    cpuTicks: at(11) + at(12) + at(13) + at(14),
    waitedTicks: at(13) + at(14),
    rssBytes: at(21) * pageBytes,
    over: fields[0] === 'Z' || fields[0] === 'X',
  }
}

/** The oldest child of a process; undefined where it has none, or the kernel does not list children. */
export function childOf(pid: number | undefined): number | undefined {
  const first = pid === undefined ? '' : attempt(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1'))
  return first === '' ? undefined : Number.parseInt(first, 10)
}

export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return ''
  }
}

export type Scanner = { scan(wanted: readonly Wanted[]): ReadonlyMap<Wanted, readonly ProcessStat[]> }

/** One scanner a pilot: what it learns about strangers makes the next scan cheap. */
export function processScanner(self: number): Scanner {
  let strangers = new Set<number>()
  let scans = 0

  return {
    scan(wanted) {
      scans += 1
      if (scans % scansToTrust === 0) strangers = new Set()
      const stats = new Map<number, ProcessStat>()
      for (const pid of listPids()) {
        if (pid === self || strangers.has(pid)) continue
        const stat = readStat(pid)
        if (stat) stats.set(pid, stat)
      }
      const found = new Map<Wanted, ProcessStat[]>(wanted.map((one) => [one, []]))
      const owners = ownersOf(stats, wanted, self)
      for (const stat of stats.values()) {
        const owner = owners(stat)
        if (owner) {
          owner.seen.set(stat.pid, stat.startTicks)
          if (!stat.over) found.get(owner)?.push(stat)
        } else if (stat.ppid !== self) {
          // Our own child may stand between fork and exec and become a payload.
          strangers.add(stat.pid)
        }
      }
      return found
    },
  }
}

function ownersOf(
  stats: ReadonlyMap<number, ProcessStat>,
  wanted: readonly Wanted[],
  self: number,
): (stat: ProcessStat) => Wanted | undefined {
  const byLeader = new Map(wanted.map((one) => [one.leader, one]))
  const known = new Map<number, Wanted | undefined>()

  const direct = (stat: ProcessStat): Wanted | undefined =>
    byLeader.get(stat.session) ??
    byLeader.get(stat.group) ??
    wanted.find((one) => one.seen.get(stat.pid) === stat.startTicks)

  /** What the pilot itself has started under a payload's account, to measure it or to end it. */
  const isHelper = (stat: ProcessStat | undefined): boolean => {
    for (let at = stat, steps = 0; at !== undefined && steps < helperDepth; at = stats.get(at.ppid), steps += 1) {
      if (at.ppid === self) return !byLeader.has(at.pid)
    }
    return false
  }

  const owner = (stat: ProcessStat): Wanted | undefined => {
    if (known.has(stat.pid)) return known.get(stat.pid)
    // Set before the walk: a loop in what /proc says (it changes while we read) must not be ours.
    known.set(stat.pid, undefined)
    const parent = stats.get(stat.ppid)
    const found = direct(stat) ?? (parent ? owner(parent) : undefined) ?? byTraces(stat.pid, wanted, !isHelper(stat))
    known.set(stat.pid, found)
    return found
  }
  return owner
}

/** A payload of ours carries its directory in its environment and works inside it; both are unique on this machine. */
function byTraces(pid: number, wanted: readonly Wanted[], isByAccount: boolean): Wanted | undefined {
  if (wanted.length === 0) return undefined
  const environment = attempt(() => readFileSync(`/proc/${pid}/environ`, 'latin1'))
  const cwd = attempt(() => readlinkSync(`/proc/${pid}/cwd`))
  const pipes = pipesOf(pid)
  const uid = isByAccount && wanted.some((one) => one.uid !== undefined) ? uidOf(pid) : undefined
  return wanted.find(
    (one) =>
      (uid !== undefined && one.uid === uid) ||
      `\0${environment}`.includes(`\0PILOTAGE_DIR=${one.dir}\0`) ||
      cwd === one.dir ||
      cwd.startsWith(`${one.dir}/`) ||
      one.pipes.some((pipe) => pipes.includes(pipe)),
  )
}

/** Of the process itself: the folder's owner may be root where a process hides what it is. */
function uidOf(pid: number): number | undefined {
  const found = /^Uid:\s+(\d+)/m.exec(attempt(() => readFileSync(`/proc/${pid}/status`, 'latin1')))
  return found ? Number(found[1]) : undefined
}

/** What its stdout and stderr are, where these are pipes; Node makes them of socket pairs. */
export function pipesOf(pid: number): readonly string[] {
  return [1, 2]
    .map((fd) => attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)))
    .filter((link) => link.startsWith('socket:') || link.startsWith('pipe:'))
}

function listPids(): readonly number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger)
}

function attempt(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
