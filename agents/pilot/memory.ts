/**
 * What the memory of a payload's processes really costs: pages that they share are counted once.
 *
 * The sum of what each process has resident counts a shared page for each of them, so it never decides a kill: the kernel's
 * own shares (PSS) do, read by an account that may read them. What stays true: the answer is never more than the payload
 * has. What hides its shares from its own account is counted by the pages that are its alone, of its largest process.
 */

import { readFileSync } from 'node:fs'
import { runScript } from './isolation/as-account.ts'
import type { ProcessStat } from './processes.ts'

/** Of one process. `ofFilesBytes`: the part that is mapped from files in memory. */
export type Share = { readonly bytes: number; readonly ofFilesBytes: number }

const readMs = 10_000
/** Processes that are asked for in one call: a script takes no more arguments than the kernel allows. */
const maxPids = 1000

/** Above 128 a program was ended by a signal. */
const sharesScript =
  'for pid in "$@"; do echo "pid $pid"; cat "/proc/$pid/smaps_rollup"; [ $? -lt 128 ] || echo ended; done 2>/dev/null; exit 0'

export type Shares = {
  /** Of the processes that show theirs. */
  readonly of: ReadonlyMap<number, Share>
  /** What reads them under the payload's account was ended, which only the payload does. */
  readonly isEnded: boolean
}

/** `uid`: the payload's own account, which may read what is closed to the pilot's. */
export async function sharesOf(pids: readonly number[], uid: number | undefined): Promise<Shares> {
  const shares = new Map<number, Share>()
  const closed: number[] = []
  for (const pid of pids) {
    const share = readShare(textOf(`/proc/${pid}/smaps_rollup`))
    if (share) shares.set(pid, share)
    else closed.push(pid)
  }
  if (uid === undefined || closed.length === 0) return { of: shares, isEnded: false }
  const ran = await runScript(uid, sharesScript, closed.slice(0, maxPids).map(String), readMs)
  for (const part of ran.stdout.split(/^pid /m).slice(1)) {
    const share = readShare(part)
    if (share) shares.set(Number.parseInt(part, 10), share)
  }
  return { of: shares, isEnded: ran.isKilled || /^ended$/m.test(ran.stdout) }
}

/** `unmappedBytes`: of files in memory, which processes may have mapped: the greater of the two ways to count is true. */
export function memoryOf(
  processes: readonly ProcessStat[],
  shares: ReadonlyMap<number, Share>,
  unmappedBytes: number,
  ownBytesOf: (pid: number) => number = anonymousBytesOf,
): number {
  const shown = processes.flatMap(({ pid }) => shares.get(pid) ?? [])
  const hidden = processes.filter(({ pid }) => !shares.has(pid)).map(({ pid }) => ownBytesOf(pid))
  const all = shown.reduce((total, one) => total + one.bytes, 0)
  const ofFiles = shown.reduce((total, one) => total + one.ofFilesBytes, 0)
  return Math.max(all, all - ofFiles + unmappedBytes, ...hidden)
}

/** Every account may read it. Pages of the process that are of no file: each counts once, whatever forks share it. */
function anonymousBytesOf(pid: number): number {
  return kilobytes(textOf(`/proc/${pid}/status`), 'RssAnon') ?? 0
}

function readShare(text: string): Share | undefined {
  const bytes = kilobytes(text, 'Pss')
  return bytes === undefined ? undefined : { bytes, ofFilesBytes: kilobytes(text, 'Pss_Shmem') ?? 0 }
}

function kilobytes(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]
  return found === undefined ? undefined : Number(found) * 1024
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
