/** Namespaces by bubblewrap: the mounts of a view as its arguments. It sets no_new_privs. */

import type { Mount } from './view.ts'

export const bubblewrapPath = '/usr/bin/bwrap'

/**
 * What stands before the launcher. `isRoot`: no user namespace is needed, and the caller gives up root's powers behind it.
 * The network stays the machine's: payloads read from CVMFS, squids and storage.
 */
export function bubblewrapCommand(mounts: readonly Mount[], isRoot: boolean): readonly string[] {
  const namespaces = ['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try']
  // The launcher is the init; with bubblewrap's own, a payload's exit code and its signal would look alike.
  const life = ['--die-with-parent', '--as-pid-1']
  const view = ['--proc', '/proc', '--dev', '/dev', ...mounts.flatMap(argumentsFor)]
  return [bubblewrapPath, ...(isRoot ? [] : ['--unshare-user']), ...namespaces, ...life, ...view, '--']
}

function argumentsFor(mount: Mount): readonly string[] {
  switch (mount.kind) {
    case 'read-only':
      return ['--ro-bind', mount.from, mount.to]
    case 'writable':
      return ['--bind', mount.from, mount.to]
    case 'device':
      return ['--dev-bind', mount.from, mount.to]
    case 'link':
      return ['--symlink', mount.target, mount.to]
    case 'folder':
      return ['--dir', mount.to]
    case 'memory':
      return ['--perms', mount.mode, '--size', String(mount.maxBytes), '--tmpfs', mount.to]
    case 'closed':
      return ['--remount-ro', mount.to]
  }
}
