/**
 * The script that makes a machine out of an image: accounts, what the operator adds, CVMFS, the agents' programs, and at last
 * the two services. POSIX shell, as root, once.
 *
 * Whatever fails says so on the console and switches the machine off: a machine that cannot work must not cost, and its
 * last words are read before it is deleted. What stays true: nothing is started whose digest was not checked.
 */

import { agentPaths, type PayloadAccounts } from '../core/context.ts'
import { PilotageError } from '../core/errors.ts'
import { cvmfsLines } from './cvmfs.ts'
import type { Fetched, MachineOrder } from './order.ts'
import { quoted } from './shell.ts'

/** Of the agents' own account; payloads' follow it. */
const agentUid = 61_000
const accountsMost = 512
const nodeLeast = 20
const home = '/usr/lib/pilotage'

/** Each core a payload, and as many again that are still being cleaned up after. */
export function accountsFor(cores: number): PayloadAccounts {
  return { firstUid: agentUid + 1, count: Math.min(accountsMost, 2 * cores + 2) }
}

/** Throws `invalid-argument` for what cannot be fetched. */
export function bootstrapScript(order: MachineOrder): string {
  const { config, pilot, monitor, node, proxies, isDirectAllowed, cvmfs, extras } = order
  for (const [name, one] of Object.entries({ pilot, monitor, ...(node ? { node } : {}) })) checkFetched(name, one)
  const ways = [...proxies.map(quoted), ...(isDirectAllowed || proxies.length === 0 ? ["''"] : [])].join(' ')
  return [
    '#!/bin/sh',
    `# Made by Pilotage for ${config.vmId}.`,
    'set -u',
    'umask 022',
    ...functions(ways),
    ...accountLines(config.payloadAccounts),
    `mkdir -p ${home} ${agentPaths.work} /run/pilotage`,
    `chown pilotage:pilotage ${agentPaths.config} ${agentPaths.work} /run/pilotage || fail "files could not be given away"`,
    `chmod 0711 ${agentPaths.work}; chmod 0700 /run/pilotage`,
    ...packageLines(extras.packages),
    ...extras.commands.map((line) => `( ${line}\n) || fail ${quoted(`this command failed: ${line.slice(0, 80)}`)}`),
    ...cvmfsLines(cvmfs),
    ...nodeLines(node),
    fetchLine(pilot, `${home}/pilot.cjs`),
    fetchLine(monitor, `${home}/monitor.cjs`),
    'systemctl daemon-reload',
    'systemctl start pilotage-monitor.service pilotage-pilot.service || fail "the agents could not be started"',
    'say "the agents are started"',
    '',
  ].join('\n')
}

function functions(ways: string): readonly string[] {
  return [
    'say() { echo "pilotage: $*"; if [ -w /dev/console ]; then echo "pilotage: $*" >/dev/console; fi; }',
    'fail() { say "boot failed: $*"; sync; systemctl poweroff || poweroff -f; exit 1; }',
    '# get URL PROXY FILE',
    'get() {',
    '  if command -v curl >/dev/null; then curl -sSf --connect-timeout 10 --max-time 300 --proxy "$2" -o "$3" "$1"',
    '  elif command -v wget >/dev/null; then http_proxy="$2" wget -q -T 60 -t 1 -O "$3" "$1"',
    `  else python3 -c 'import sys, urllib.request as u; p = sys.argv[2]`,
    `open_ = u.build_opener(u.ProxyHandler({"http": p, "https": p} if p else {})).open`,
    `open(sys.argv[3], "wb").write(open_(sys.argv[1], timeout=60).read())' "$1" "$2" "$3"; fi`,
    '}',
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
    '# account NAME NUMBER',
    'account() {',
    '  id -u "$1" >/dev/null 2>&1 && return 0',
    '  groupadd -g "$2" "$1" && useradd -K UID_MAX=65000 -u "$2" -g "$2" -M -d /nonexistent -s /usr/sbin/nologin "$1" || fail "no account $1"',
    '}',
  ]
}

function accountLines(accounts: PayloadAccounts | undefined): readonly string[] {
  const payloads = accounts
    ? [
        `n=0; while [ $n -lt ${accounts.count} ]; do account payload$n $((${accounts.firstUid} + n)); n=$((n + 1)); done`,
        '[ -x /usr/bin/setpriv ] || fail "this image has no setpriv (util-linux)"',
      ]
    : []
  return [`account pilotage ${agentUid}`, ...payloads]
}

function packageLines(packages: readonly string[]): readonly string[] {
  if (packages.length === 0) return []
  const names = packages.map(quoted).join(' ')
  return [
    'if command -v apt-get >/dev/null; then',
    `  { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install ${names}; } || fail "packages"`,
    `elif command -v dnf >/dev/null; then dnf -qy install ${names} || fail "packages"`,
    `else yum -qy install ${names} || fail "packages"; fi`,
  ]
}

/** The image's own where it is new enough, else the one that the service has. */
function nodeLines(node: Fetched | undefined): readonly string[] {
  const isNew = `"$(command -v node)" -e 'process.exit(+process.versions.node.split(".")[0] >= ${nodeLeast} ? 0 : 1)'`
  return [
    `if command -v node >/dev/null && ${isNew}; then ln -sf "$(command -v node)" ${home}/node`,
    node
      ? `else ${fetchLine(node, `${home}/node`)}; chmod 0755 ${home}/node; fi`
      : `else fail "this image has no Node ${nodeLeast}"; fi`,
  ]
}

function fetchLine({ urls, sha256 }: Fetched, file: string): string {
  return `fetch ${sha256} ${file} ${urls.map(quoted).join(' ')}`
}

function checkFetched(name: string, { urls, sha256 }: Fetched): void {
  const isUrl = (url: string): boolean => /^https?:\/\/[^\s']+$/.test(url)
  if (urls.length > 0 && urls.every(isUrl) && /^[0-9a-f]{64}$/.test(sha256)) return
  throw new PilotageError('invalid-argument', `rendering a context: ${name} cannot be fetched from ${urls.join(' ')}`)
}
