/**
 * What a payload sees of its machine: one list of mounts, which bubblewrap and `unshare` both carry out.
 *
 * The list names what is there, not what is hidden: system programs and their settings read-only, the operator's folders
 * read-only, the payload's own folders, and devices that compute. So the service's data, the agents' files, homes of people
 * and other payloads are absent without being known. `/tmp` and `/var/tmp` are the payload's own folder on disk, where the
 * disk limit counts them; `/dev/shm` and `/run` are in memory and limited.
 */

import { lstatSync, readlinkSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

export type Mount =
  /** Recursive. */
  | { readonly kind: 'read-only' | 'writable' | 'device'; readonly from: string; readonly to: string }
  | { readonly kind: 'link'; readonly target: string; readonly to: string }
  /** Made where it is not there, so that every account may pass through it. */
  | { readonly kind: 'folder'; readonly to: string }
  /** An empty file system in memory; `mode` in octal digits. */
  | { readonly kind: 'memory'; readonly to: string; readonly maxBytes: number; readonly mode: string }
  /** Nothing can be written to it any more, below it where it is a mount of its own. */
  | { readonly kind: 'closed'; readonly to: string }

export type ViewOptions = {
  /** The payload's directory, with `home` and `tmp` in it. */
  readonly dir: string
  readonly memoryBytes: number
  /** Folders of the operator, read-only. What is not there is left out. */
  readonly binds: readonly string[]
  /** Never seen, also where a folder above is: the service's data. */
  readonly hidden: readonly string[]
}

/** The Filesystem Hierarchy Standard's places of software and its settings, CVMFS, and the stores of Nix and Guix. */
const systemFolders = [
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/etc',
  '/opt',
  '/sys',
  '/cvmfs',
  '/nix',
  '/gnu',
]
/** GPUs, InfiniBand, and FUSE for containers that mount their own images. */
const devices = [
  '/dev/dri',
  '/dev/kfd',
  '/dev/fuse',
  '/dev/infiniband',
  '/dev/nvidiactl',
  '/dev/nvidia-uvm',
  '/dev/nvidia-uvm-tools',
  '/dev/nvidia-modeset',
  '/dev/nvidia-caps',
  ...Array.from({ length: 16 }, (_, at) => `/dev/nvidia${at}`),
]
/**
 * Of the agents themselves. The credential is below /run, which is the payload's own; the work directory is not in the list.
 */
const agentFolders = ['/etc/pilotage', '/usr/lib/pilotage']
const runBytes = 16 * 1024 * 1024
const lockBytes = 1024 * 1024
/** A folder that hides another one. */
const coverBytes = 4096

/** In the order in which they are made: a later mount may lie inside an earlier one. */
export function mountsFor({ dir, memoryBytes, binds, hidden }: ViewOptions): readonly Mount[] {
  const shown = [
    ...systemFolders.flatMap(systemMount),
    ...binds.filter(isThere).flatMap((path) => [...foldersAbove(dirname(path)), readOnly(path)]),
  ]
  const covers = [...agentFolders, ...hidden].filter((path) => isThere(path) && isBelow(path, [...systemFolders, ...binds]))
  const tmp = join(dir, 'tmp')
  return [
    ...shown,
    ...devices.filter(isThere).map((path): Mount => ({ kind: 'device', from: path, to: path })),
    shared('/dev/shm', memoryBytes),
    shared('/run', runBytes),
    shared('/run/lock', lockBytes),
    { kind: 'folder', to: '/var' },
    { kind: 'link', target: '/run', to: '/var/run' },
    { kind: 'link', target: '/run/lock', to: '/var/lock' },
    ...resolverMount(),
    ...covers.flatMap((path): readonly Mount[] => [
      { kind: 'memory', to: path, maxBytes: coverBytes, mode: '0555' },
      { kind: 'closed', to: path },
    ]),
    { kind: 'writable', from: tmp, to: '/tmp' },
    { kind: 'writable', from: tmp, to: '/var/tmp' },
    ...foldersAbove(dir),
    ...['home', 'tmp'].map((name): Mount => ({ kind: 'writable', from: join(dir, name), to: join(dir, name) })),
    { kind: 'closed', to: '/dev' },
    { kind: 'closed', to: '/' },
  ]
}

/**
 * Where the payload's directory lies below a shared temporary folder, the way to it is made in the payload's own: as the
 * payload's, so that it can be removed as the payload.
 */
export function foldersInTmp(dir: string): readonly string[] {
  const above = ['/tmp/', '/var/tmp/'].find((folder) => dir.startsWith(folder))
  if (above === undefined) return []
  const parts = dir.slice(above.length).split('/')
  const way = parts.map((_, at) => parts.slice(0, at + 1).join('/'))
  return [...way, ...['home', 'tmp'].map((name) => [...parts, name].join('/'))]
}

/** Merged systems have links for some of these. */
function systemMount(path: string): readonly Mount[] {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (!stat) return []
  return [stat.isSymbolicLink() ? { kind: 'link', target: readlinkSync(path), to: path } : readOnly(path)]
}

/** Where names are resolved by a file below /run, the payload needs that file. */
function resolverMount(): readonly Mount[] {
  const path = '/etc/resolv.conf'
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return []
  try {
    const real = realpathSync(path)
    return isBelow(real, systemFolders) ? [] : [readOnly(real)]
  } catch {
    return []
  }
}

/** The way to the payload's folders, which keep the paths that they have outside. */
function foldersAbove(dir: string): readonly Mount[] {
  const parts = dir.split('/').filter((part) => part !== '')
  return parts.map((_, at): Mount => ({ kind: 'folder', to: `/${parts.slice(0, at + 1).join('/')}` }))
}

function shared(to: string, maxBytes: number): Mount {
  return { kind: 'memory', to, maxBytes, mode: '1777' }
}

function readOnly(path: string): Mount {
  return { kind: 'read-only', from: path, to: path }
}

function isBelow(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => `${resolve(path)}/`.startsWith(`${resolve(folder)}/`))
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}
