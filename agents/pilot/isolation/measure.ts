/**
 * What a payload occupies: its files on disk, entries of folders, files that no folder names any more, and memory that
 * belongs to no process (`/dev/shm`, memfd).
 *
 * Measured as the payload's own account, without following links. A lower bound where a folder is closed to its own owner:
 * `isClosed` says so. Costs a walk, so the caller decides how often.
 */

import { readdirSync, readlinkSync, statfsSync, statSync } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { runScript } from './as-account.ts'
import { sharedPlaces } from './accounts.ts'

export type Use = {
  readonly diskBytes: number
  readonly entries: number
  /** Of files in memory: more than none of it may be mapped, and then a process has it too. */
  readonly memoryBytes: number
  readonly isClosed: boolean
}

export type Limits = { readonly diskBytes: number; readonly entries: number }

const blockBytes = 512
const slash = Buffer.from('/')
const measureMs = 60_000
/** Processes whose open files are looked at; a script takes no more arguments than the kernel allows. */
const maxPids = 1000

/**
 * As the pilot itself, by what `du` counts: blocks, each file once whatever its names. Stops counting where a limit is
 * passed.
 * `pids`: the payload's processes now. Undefined: it failed.
 */
export async function measureHere(
  dir: string,
  pids: readonly number[],
  limits: Limits,
  isApart: boolean,
): Promise<Use | undefined> {
  const walked = await walk(dir, limits)
  // Only tools that go step by step reach the end of a path that is longer than the system takes.
  if (walked === 'too-long') return measureAs(undefined, dir, pids, isApart)
  const { diskBytes, entries, isClosed } = walked
  const shm = isApart ? sharedMemory(pids) : undefined
  const open = unnamedFiles(pids, statSync(dir).dev, shm?.device)
  const memoryBytes = open.memoryBytes + (shm?.usedBytes ?? 0)
  return { diskBytes: diskBytes + open.diskBytes, entries, memoryBytes, isClosed }
}

/** Names are bytes: those that are not text lead somewhere too. */
async function walk(dir: string, limits: Limits): Promise<Omit<Use, 'memoryBytes'> | 'too-long'> {
  let [diskBytes, entries, isClosed, isTooLong] = [0, 0, false, false]
  const linked = new Set<string>()
  const note = (error: NodeJS.ErrnoException): undefined => {
    isClosed ||= error.code === 'EACCES'
    isTooLong ||= error.code === 'ENAMETOOLONG'
  }
  const folders = ['home', 'tmp'].map((name) => Buffer.from(join(dir, name)))
  for (const folder of folders) diskBytes += ((await lstat(folder).catch(note))?.blocks ?? 0) * blockBytes
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const inside = await readdir(folder, { withFileTypes: true, encoding: 'buffer' }).catch(note)
    for (const entry of inside ?? []) {
      entries += 1
      if (diskBytes > limits.diskBytes || entries > limits.entries) return { diskBytes, entries, isClosed }
      const path = Buffer.concat([folder, slash, entry.name])
      if (entry.isDirectory()) folders.push(path)
      const stat = await lstat(path).catch(note)
      if (!stat) continue
      const isKnown = stat.nlink > 1 && !stat.isDirectory() && linked.has(`${stat.dev}:${stat.ino}`)
      if (stat.nlink > 1) linked.add(`${stat.dev}:${stat.ino}`)
      if (!isKnown) diskBytes += stat.blocks * blockBytes
    }
    if (isTooLong) return 'too-long'
  }
  return { diskBytes, entries, isClosed }
}

/** Open files without a name: on the payload's disk, or in memory, unless in a file system that is counted as a whole. */
function unnamedFiles(
  pids: readonly number[],
  disk: number,
  counted: number | undefined,
): { readonly diskBytes: number; readonly memoryBytes: number } {
  const seen = new Set<string>()
  let [diskBytes, memoryBytes] = [0, 0]
  for (const pid of pids.slice(0, maxPids)) {
    for (const fd of attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []) {
      const path = `/proc/${pid}/fd/${fd}`
      if (!attempt(() => readlinkSync(path))?.endsWith(' (deleted)')) continue
      const stat = attempt(() => statSync(path))
      const key = `${stat?.dev}:${stat?.ino}`
      if (!stat?.isFile() || stat.nlink > 0 || seen.has(key)) continue
      seen.add(key)
      if (stat.dev === disk) diskBytes += stat.blocks * blockBytes
      else if (stat.dev !== counted) memoryBytes += stat.blocks * blockBytes
    }
  }
  return { diskBytes, memoryBytes }
}

/** All processes of a payload share one `/dev/shm`; the first that still lives shows it. */
function sharedMemory(pids: readonly number[]): { readonly device: number; readonly usedBytes: number } | undefined {
  for (const pid of pids) {
    const path = `/proc/${pid}/root/dev/shm`
    const [use, stat] = [attempt(() => statfsSync(path)), attempt(() => statSync(path))]
    if (use && stat) return { device: stat.dev, usedBytes: (use.blocks - use.bfree) * use.bsize }
  }
  return undefined
}

/**
 * Lines of `disk BYTES`, `entries COUNT`, `own DEVICE`, `open DEVICE INODE BLOCKS`, `shm DEVICE`, `use BLOCKS FREE
 * BLOCKBYTES`, `closed`.
 */
const measureScript = [
  'dir=$1 uid=$2 beside=$3; shift 3',
  // Not in the directory: what works there is taken for the payload's.
  'du -sxB1 "$dir/home" "$dir/tmp" 2>/dev/null | while read -r bytes _; do echo "disk $bytes"; done',
  'du -sx --inodes "$dir/home" "$dir/tmp" 2>/dev/null | while read -r count _; do echo "entries $count"; done',
  '[ -z "$(find "$dir/home" "$dir/tmp" -xdev -type d \\( ! -readable -o ! -executable \\) 2>/dev/null | head -n 1)" ] || echo closed',
  'stat -c "own %d" "$dir" || exit 1',
  'for pid in "$@"; do find -L /proc/$pid/fd -maxdepth 1 -type f -links 0 -printf "open %D %i %b\\n"; done 2>/dev/null',
  'if [ "$beside" = memory ]; then',
  '  for pid in "$@"; do stat -c "shm %d" /proc/$pid/root/dev/shm && stat -f -c "use %b %f %S" /proc/$pid/root/dev/shm && break; done 2>/dev/null',
  `elif [ "$beside" = places ]; then find ${sharedPlaces.filter((place) => place !== '/dev/mqueue').join(' ')} -xdev -type f -user "$uid" -printf "open %D %i %b\\n" 2>/dev/null; fi`,
  'exit 0',
].join('\n')

/** As the payload's account, whose folders are closed to the pilot; as the pilot where it has none. Undefined: it failed. */
export async function measureAs(
  uid: number | undefined,
  dir: string,
  pids: readonly number[],
  isApart: boolean,
): Promise<Use | undefined> {
  // What the pilot's own account has in places that all may write to is not this payload's alone.
  const beside = isApart ? 'memory' : uid === undefined ? 'nothing' : 'places'
  const args = [dir, String(uid ?? process.getuid?.()), beside, ...pids.slice(0, maxPids).map(String)]
  const ran = await runScript(uid, measureScript, args, measureMs)
  return ran.isGood ? readMeasures(ran.stdout) : undefined
}

export function readMeasures(text: string): Use {
  const rows = text.split('\n').map((row) => row.split(' '))
  const sum = (kind: string): number =>
    rows.filter(([name]) => name === kind).reduce((total, [, number]) => total + Number(number), 0)
  const row = (kind: string): readonly string[] | undefined => rows.find(([name]) => name === kind)
  const [own, shm, use] = [row('own')?.[1], row('shm')?.[1], row('use')]
  const open = new Map(
    rows.flatMap(([name, device = '', inode, blocks]) =>
      name === 'open' ? [[`${device}:${inode}`, { device, bytes: Number(blocks) * blockBytes }] as const] : [],
    ),
  )
  const bytesOn = (holds: (device: string) => boolean): number =>
    [...open.values()].filter(({ device }) => holds(device)).reduce((total, { bytes }) => total + bytes, 0)
  const shmBytes = use ? (Number(use[1]) - Number(use[2])) * Number(use[3]) : 0
  return {
    diskBytes: sum('disk') + bytesOn((device) => device === own),
    entries: sum('entries'),
    memoryBytes: bytesOn((device) => device !== own && device !== shm) + shmBytes,
    isClosed: rows.some(([name]) => name === 'closed'),
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
