/**
 * Namespaces by `unshare` of util-linux, where bubblewrap is absent: the mounts of a view as a shell script.
 *
 * The script runs as root, builds a root in memory, moves into it and lets go of the old one. Where the pilot is not root,
 * that root is one of a new user namespace and has no power outside of it; then a second user namespace gives the payload
 * its own number back, and with it no capability at all. Nothing in the script comes from a job.
 */

import { statSync } from 'node:fs'
import { setprivPath } from './as-account.ts'
import type { Mount } from './view.ts'

export const unsharePath = '/usr/bin/unshare'

/** Files of /dev that every program may expect. */
const deviceFiles = ['null', 'zero', 'full', 'random', 'urandom', 'tty']

export type UnshareOptions = {
  readonly mounts: readonly Mount[]
  /** A folder of ours, empty: the new root is mounted over it. */
  readonly base: string
  /** What the payload is; absent: the caller is root, and gives up its powers behind this. */
  readonly account?: { readonly uid: number; readonly gid: number }
}

/** What stands before the launcher. */
export function unshareCommand({ mounts, base, account }: UnshareOptions): readonly string[] {
  const namespaces = ['--mount', '--pid', '--ipc', '--uts', '--cgroup']
  const user = account ? ['--user', '--map-root-user'] : []
  const numbers = account && [`--map-user=${account.uid}`, `--map-group=${account.gid}`]
  // What bubblewrap does by itself: no program with the set-uid bit gives a power.
  const inner = numbers ? [unsharePath, '--user', ...numbers, '--', setprivPath, '--no-new-privs', '--'] : []
  const outer = [unsharePath, ...user, ...namespaces, '--fork', '--kill-child=KILL', '--']
  return [...outer, '/bin/sh', '-c', script(mounts), 'sh', base, ...inner]
}

function script(mounts: readonly Mount[]): string {
  const closed = mounts.flatMap((mount) => (mount.kind === 'read-only' ? [`root ${quoted(mount.to)}`] : []))
  return [
    'set -eu; umask 022; root=$1; shift',
    'mount -n -t tmpfs -o mode=0755,size=16m,nosuid pilotage "$root"',
    `cd "$root"; mkdir -p proc dev old ${foldersAtOnce(mounts)
      .map((path) => quoted(path.slice(1)))
      .join(' ')}`,
    'mount -n -t proc -o nosuid,nodev,noexec proc proc',
    'mount -n -t tmpfs -o mode=0755,size=1m,nosuid pilotage dev; mkdir -p dev/pts dev/shm',
    'mount -n -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts',
    `for one in ${deviceFiles.join(' ')}; do : >"dev/$one"; mount -n --bind "/dev/$one" "dev/$one"; done`,
    'ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd /proc/self/fd/0 dev; mv dev/0 dev/stdin',
    'ln -s /proc/self/fd/1 dev/stdout; ln -s /proc/self/fd/2 dev/stderr',
    ...mounts.filter(({ to, kind }) => to !== '/' && kind !== 'closed').flatMap(lines),
    // A recursive bind is read-only at its top alone: each mount is closed by itself. It keeps its flags, because those of
    // the machine (nosuid, nodev and noexec of /sys) cannot be taken off in a user namespace, and leaving one out is trying
    // to.
    `printf '%s\\n' ${closed.map((one) => one.replace('root ', '"$root"')).join(' ')} >old/closed`,
    'while read -r _ _ _ _ at flags _; do while read -r top; do case "$at" in "$top" | "$top"/*) echo "$flags $at" ;; esac; done <old/closed; done \\',
    '  </proc/self/mountinfo >old/below; while read -r flags one; do mount -n -o "remount,bind,$flags,ro" "$one"; done <old/below; rm old/*',
    ...mounts.filter(({ to, kind }) => to !== '/' && kind === 'closed').flatMap(lines),
    'pivot_root . old; umount -l /old; rmdir /old; mount -n -o remount,bind,ro /',
    'cd /; exec "$@"',
  ].join('\n')
}

/**
 * What is mounted on, and what is a folder alone, as far as it lies on no other mount: one program makes all of them. The
 * others are made on the way.
 */
function foldersAtOnce(mounts: readonly Mount[]): readonly string[] {
  const covered = ['/proc', '/dev', ...mounts.flatMap((mount) => (mount.kind === 'folder' ? [] : [mount.to]))]
  return mounts.flatMap((mount) => {
    const { kind, to } = mount
    const isFolder =
      kind === 'folder' || kind === 'memory' || kind === 'writable' || (kind === 'read-only' && isDirectory(mount.from))
    return isFolder && to !== '/' && !covered.some((path) => to.startsWith(`${path}/`)) ? [to] : []
  })
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function lines(mount: Mount): readonly string[] {
  const to = quoted(mount.to.slice(1))
  switch (mount.kind) {
    case 'read-only':
    case 'writable':
    case 'device':
      return bind(mount.from, to, 'rbind')
    case 'link':
      return [`ln -s ${quoted(mount.target)} ${to}`]
    case 'folder':
      return [`[ -d ${to} ] || mkdir ${to}`]
    case 'memory':
      return [
        `[ -d ${to} ] || mkdir -p ${to}`,
        `mount -n -t tmpfs -o mode=${mount.mode},size=${mount.maxBytes},nosuid,nodev pilotage ${to}`,
      ]
    case 'closed':
      return [`mount -n -o remount,bind,ro ${to}`]
  }
}

function bind(from: string, to: string, options: string): readonly string[] {
  const file = `{ mkdir -p "$(dirname ${to})"; : >${to}; }`
  return [
    `[ -e ${to} ] || if [ -d ${quoted(from)} ]; then mkdir -p ${to}; else ${file}; fi`,
    `mount -n -o ${options} ${quoted(from)} ${to}`,
  ]
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
