/**
 * Where mutants run: a copy of the tree, and around it what keeps a mutant from harming the machine.
 *
 * A mutant of code that ends processes may end any process, and one of code that removes files may remove any file. So they
 * run with process numbers of their own, everything but their copy and a /tmp of their own is read-only, and the kernel
 * takes their memory first. When the outermost process ends, all of them end. Needs util-linux and the right to make
 * namespaces.
 */

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

export type Sandbox = {
  /** As this process sees it. */
  readonly dir: string
  /** As its own processes see it. */
  readonly inside: string
  /** This Node.js, as its own processes see it: one that lies under /tmp is seen only among the packages. */
  readonly node: string
  /** A command line that runs another one there. */
  readonly enter: (command: readonly string[]) => readonly string[]
}

/** Of the kernel's 1000: before anything else. */
const oomScore = 1000

const script = `set -e
echo ${oomScore} >/proc/self/oom_score_adj
sandbox=$1 modules=$2 uid=$3 gid=$4; shift 4
mkdir -p "$sandbox/node_modules" "$sandbox.over/upper" "$sandbox.over/work"
# Some tests write beside the packages.
over=lowerdir=$modules,upperdir=$sandbox.over/upper,workdir=$sandbox.over/work
if ! mount -t overlay -o "$over" none "$sandbox/node_modules" 2>/dev/null; then
  mount --bind "$modules" "$sandbox/node_modules"
  mount -o remount,bind,ro "$sandbox/node_modules"
fi
mount --rbind "$sandbox" /mnt
while read -r _ _ _ _ point options _; do
  case $point in /mnt|/mnt/*|/proc|/proc/*|/dev|/dev/*|/sys|/sys/*) continue ;; esac
  case $options in ro|ro,*) continue ;; esac
  mount -o "remount,bind,ro,$(echo "$options" | tr ',' '\\n' | grep -vx rw | paste -sd,)" "$(printf '%b' "$point")"
done </proc/self/mountinfo
mount -t tmpfs -o size=2g,mode=1777 none /tmp
cd /mnt
# Another account was root here only to mount.
[ "$uid" -eq 0 ] || set -- unshare --user --map-user="$uid" --map-group="$gid" "$@"
"$@" &
wait $!`

const namespaces = (): readonly string[] => [
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  ...['--pid', '--mount', '--ipc', '--fork', '--mount-proc', '--kill-child'],
]

/** Copies what the repository holds, without what Git does not keep. */
export function makeSandbox(root: string, dir: string, isConfined: boolean, modules = join(root, 'node_modules')): Sandbox {
  const ignored = readFileSync(join(root, '.gitignore'), 'utf8').split('\n')
  mkdirSync(dir, { recursive: true })
  for (const name of readdirSync(root)) {
    const isIgnored = name === '.git' || ignored.includes(name) || ignored.includes(`${name}/`)
    if (!isIgnored) cpSync(join(root, name), join(dir, name), { recursive: true, verbatimSymlinks: true })
  }
  const packages = join(modules, '/')
  const node = process.execPath.startsWith(packages)
    ? join('/mnt/node_modules', process.execPath.slice(packages.length))
    : process.execPath
  if (isConfined) return { dir, inside: '/mnt', node, enter: (command) => confined(modules, dir, command) }
  symlinkSync(modules, join(dir, 'node_modules'))
  return { dir, inside: dir, node: process.execPath, enter: (command) => command }
}

function confined(modules: string, dir: string, command: readonly string[]): readonly string[] {
  const account = [process.getuid?.() ?? 0, process.getgid?.() ?? 0].map(String)
  return ['unshare', ...namespaces(), 'bash', '-c', script, 'sandbox', dir, modules, ...account, ...command]
}

/** Why mutants cannot be confined on this machine, or '' if they can. `dir` is an empty directory. */
export function whyUnconfined(root: string, dir: string): string {
  const [program = '', ...args] = confined(join(root, 'node_modules'), dir, [
    'sh',
    '-c',
    'touch /mnt/here /tmp/here && ! touch "$0/here" 2>/dev/null',
    root,
  ])
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (status === 0) return ''
  return error?.message ?? (stderr.trim().split('\n')[0] || `unshare ended with ${status}`)
}
