/**
 * Parts of the scripts that make machines out of images: words on the console, downloads, accounts, packages, Node. POSIX
 * shell, as root. Each is a list of lines; which of them a machine needs, and in which order, is decided elsewhere.
 *
 * What stays true: what was fetched is used only if its digest is the one that was promised, every download ends in bounded
 * time, and whatever fails is said on the console before the machine is switched off.
 */

import { PilotageError } from '../core/kernel/errors.ts'
import type { Fetched, NodeProgram } from './order.ts'
import { quoted } from './shell.ts'

/** Of the agents' own account; payloads' follow it. */
export const agentUid = 61_000
/** Where programs of ours lie. */
export const home = '/usr/lib/pilotage'
const minNodeMajor = 20

/** As `uname -m` calls what our names for platforms mean. */
const machineNames: Readonly<Record<NodeProgram['platform'], string>> = {
  'linux-x64': 'x86_64|amd64',
  'linux-arm64': 'aarch64|arm64',
}

/** `proxies`: the ways that are tried, in this order; `isDirectAllowed`: and then the one without any. */
export function scriptHead(
  vmId: string,
  proxies: readonly string[],
  isDirectAllowed: boolean,
  isLent = false,
): readonly string[] {
  const ways = [...proxies.map(quoted), ...(isDirectAllowed || proxies.length === 0 ? ["''"] : [])].join(' ')
  return [
    '#!/bin/sh',
    `# Made by Pilotage for ${vmId}.`,
    'set -u',
    'umask 022',
    ...(isLent ? lentConsoleLines : consoleLines),
    ...getLines(300),
    ...fetchFunction(ways),
    ...accountFunction,
  ]
}

const consoleLines = [
  'say() { echo "pilotage: $*"; if [ -w /dev/console ]; then echo "pilotage: $*" >/dev/console; fi; }',
  'fail() { say "boot failed: $*"; sync; systemctl poweroff || poweroff -f; exit 1; }',
]

/** Its console is its owner's, and so is its power. */
const lentConsoleLines = ['say() { echo "pilotage: $*"; }', 'fail() { say "boot failed: $*"; exit 1; }']

/** `get URL PROXY FILE`, by whatever the image has for it. */
export function getLines(maxSeconds: number): readonly string[] {
  const eachSeconds = Math.min(60, maxSeconds)
  return [
    '# get URL PROXY FILE',
    'get() {',
    `  if command -v curl >/dev/null; then curl -sSf --connect-timeout 10 --max-time ${maxSeconds} --proxy "$2" -o "$3" "$1"`,
    `  elif command -v wget >/dev/null; then http_proxy="$2" wget -q -T ${eachSeconds} -t 1 -O "$3" "$1"`,
    `  else python3 -c 'import sys, urllib.request as u; p = sys.argv[2]`,
    `open_ = u.build_opener(u.ProxyHandler({"http": p, "https": p} if p else {})).open`,
    `open(sys.argv[3], "wb").write(open_(sys.argv[1], timeout=${eachSeconds}).read())' "$1" "$2" "$3"; fi`,
    '}',
  ]
}

function fetchFunction(ways: string): readonly string[] {
  return [
    '# fetch SHA256 FILE URL...: by any way that works',
    'fetch() {',
    '  want=$1 file=$2; shift 2',
    '  for pause in 1 2 4 8 15 0; do',
    `    for url in "$@"; do for way in ${ways}; do`,
    '      get "$url" "$way" "$file.part" || continue',
    '      [ "$(sha256sum <"$file.part" | cut -c1-64)" = "$want" ] && mv "$file.part" "$file" && return 0',
    '      say "$url is not what was promised"',
    '    done; done',
    '    sleep $pause',
    '  done',
    '  fail "$file could not be fetched"',
    '}',
  ]
}

const accountFunction = [
  '# account NAME NUMBER',
  'account() {',
  '  id -u "$1" >/dev/null 2>&1 && return 0',
  '  groupadd -g "$2" "$1" && useradd -K UID_MAX=65000 -u "$2" -g "$2" -M -d /nonexistent -s /usr/sbin/nologin "$1" || fail "no account $1"',
  '}',
]

export function packageLines(packages: readonly string[]): readonly string[] {
  if (packages.length === 0) return []
  const names = packages.map(quoted).join(' ')
  return [
    'if command -v apt-get >/dev/null; then',
    `  { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install ${names}; } || fail "packages"`,
    `elif command -v dnf >/dev/null; then dnf -qy install ${names} || fail "packages"`,
    `else yum -qy install ${names} || fail "packages"; fi`,
  ]
}

export function commandLines(commands: readonly string[]): readonly string[] {
  return commands.map((line) => `( ${line}\n) || fail ${quoted(`this command failed: ${line.slice(0, 80)}`)}`)
}

/** The image's own where it is new enough, else the one of those that the service has that fits the machine. */
export function nodeLines(nodes: readonly NodeProgram[]): readonly string[] {
  const isNew = `"$(command -v node)" -e 'process.exit(+process.versions.node.split(".")[0] >= ${minNodeMajor} ? 0 : 1)'`
  const names = nodes.map(({ platform }) => platform).join(', ')
  const none =
    nodes.length === 0
      ? `fail "this image has no Node ${minNodeMajor}"`
      : `fail "this image has no Node ${minNodeMajor}, and none that is served (${names}) fits $(uname -m)"`
  return [
    `if command -v node >/dev/null && ${isNew}; then ln -sf "$(command -v node)" ${home}/node`,
    'else',
    '  case "$(uname -m)" in',
    ...nodes.map((node) => `    ${machineNames[node.platform]}) ${fetchLine(node, `${home}/node`)} ;;`),
    `    *) ${none} ;;`,
    '  esac',
    `  chmod 0755 ${home}/node`,
    'fi',
  ]
}

/** Throws `invalid-argument` for what no machine could fetch. */
export function fetchLine({ urls, sha256 }: Fetched, file: string): string {
  const isUrl = (url: string): boolean => /^https?:\/\/[^\s']+$/.test(url)
  if (urls.length > 0 && urls.every(isUrl) && /^[0-9a-f]{64}$/.test(sha256)) {
    return `fetch ${sha256} ${file} ${urls.map(quoted).join(' ')}`
  }
  throw new PilotageError('invalid-argument', `rendering a context: ${file} cannot be fetched from ${urls.join(' ')}`)
}
