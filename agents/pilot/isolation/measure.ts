/**
 * What a payload occupies: its files on disk, entries of folders, files that no folder names any more, and memory that belongs
 * to no process (`/dev/shm`, memfd).
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
const measureMs = 60_000
/** Processes whose open files are looked at; a script takes no more arguments than the kernel allows. */
const maxPids = 1000

/** As the pilot itself. Stops counting where a limit is passed. `pids`: the payload's processes now. */
export async function measureHere(dir: string, pids: readonly number[], limits: Limits, isApart: boolean): Promise<Use> {
  let [diskBytes, entries, isClosed] = [0, 0, false]
  const folders = [join(dir, 'home'), join(dir, 'tmp')]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const inside = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      isClosed ||= error.code === 'EACCES'
      return []
    })
    entries += inside.length
    for (const entry of inside) {
      if (diskBytes > limits.diskBytes || entries > limits.entries) break
      const path = join(folder, entry.name)
      if (entry.isDirectory()) folders.push(path)
      diskBytes += ((await lstat(path).catch(() => undefined))?.blocks ?? 0) * blockBytes
    }
    if (diskBytes > limits.diskBytes || entries > limits.entries) break
  }
  const shm = isApart ? sharedMemory(pids) : undefined
  const open = unnamedFiles(pids, statSync(dir).dev, shm?.device)
  const memoryBytes = open.memoryBytes + (shm?.usedBytes ?? 0)
  return { diskBytes: diskBytes + open.diskBytes, entries, memoryBytes, isClosed }
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

/** Lines of `disk BYTES`, `entries COUNT`, `own DEVICE`, `open DEVICE INODE BLOCKS`, `shm DEVICE`, `use BLOCKS FREE BLOCKBYTES`, `closed`. */
const measureScript = [
  'dir=$1 uid=$2 apart=$3; shift 3',
  // Not in the directory: what works there is taken for the payload's.
  'du -sxB1 "$dir/home" "$dir/tmp" 2>/dev/null | while read -r bytes _; do echo "disk $bytes"; done',
  'du -sx --inodes "$dir/home" "$dir/tmp" 2>/dev/null | while read -r count _; do echo "entries $count"; done',
  '[ -z "$(find "$dir/home" "$dir/tmp" -xdev -type d ! -readable 2>/dev/null | head -n 1)" ] || echo closed',
  'stat -c "own %d" "$dir" || exit 1',
  'for pid in "$@"; do find -L /proc/$pid/fd -maxdepth 1 -type f -links 0 -printf "open %D %i %b\\n"; done 2>/dev/null',
  'if [ "$apart" = yes ]; then',
  '  for pid in "$@"; do stat -c "shm %d" /proc/$pid/root/dev/shm && stat -f -c "use %b %f %S" /proc/$pid/root/dev/shm && break; done 2>/dev/null',
  `else find ${sharedPlaces.filter((place) => place !== '/dev/mqueue').join(' ')} -xdev -type f -user "$uid" -printf "open %D %i %b\\n" 2>/dev/null; fi`,
  'exit 0',
].join('\n')

/** As the payload's account, whose folders are closed to the pilot; as the pilot where it has none. Undefined: it failed. */
export async function measureAs(
  uid: number | undefined,
  dir: string,
  pids: readonly number[],
  isApart: boolean,
): Promise<Use | undefined> {
  const args = [dir, String(uid ?? process.getuid?.()), isApart ? 'yes' : 'no', ...pids.slice(0, maxPids).map(String)]
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
