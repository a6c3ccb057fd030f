/**
 * How a worker follows its site's proxies: a timer of root asks the service which there are, and where they changed, CVMFS's
 * configuration is rewritten and every client that runs is told.
 *
 * The list is public and nobody is believed: a line that is no proxy makes the whole of it worth nothing, and what is there
 * stays. What stays true: an answer that never comes, or never ends, costs bounded time and space; where the list is empty and
 * there is no way past it, the machine keeps the proxies that it has.
 */

import { cvmfsConfigPath, isFollowing, proxyText } from './cvmfs.ts'
import type { ExtraFile, MachineOrder } from './order.ts'
import { getLines, home } from './script-parts.ts'
import { quoted } from './shell.ts'
import { rootTimer } from './units.ts'

const scriptPath = `${home}/follow-proxies`
const statePath = '/run/pilotage-proxies'
const unitName = 'pilotage-proxies'
const everySeconds = 120
/** So that the machines of a site do not ask all at once. */
const spreadSeconds = 20
/** What one question may take; several ways and addresses are tried. */
const askSeconds = 10
const proxiesMost = 32
const listBytes = 8192

/** None where nothing on the machine has a use for proxies, or an operator has set CVMFS's own. */
export function followingFiles(order: MachineOrder): readonly ExtraFile[] {
  if (!isFollowing(order)) return []
  return [
    { path: scriptPath, permissions: '0755', content: followScript(order) },
    ...rootTimer(unitName, 'Pilotage: proxies of this site', { command: scriptPath, everySeconds, spreadSeconds }),
  ]
}

export function followingLines(order: MachineOrder): readonly string[] {
  return isFollowing(order) ? [`systemctl start ${unitName}.timer || say "the site's proxies are not followed"`] : []
}

function followScript({ proxiesUrls, fallbackProxies = [], isDirectAllowed }: MachineOrder): string {
  const rest = proxyText([], fallbackProxies, isDirectAllowed)
  const proxies = '$(printf %s "$old" | tr "|;" "\\n\\n" | grep -v "^DIRECT$" | head -n 4)'
  // The way past the proxies comes last where it is not wanted: machines whose proxies are all gone must hear of the new ones.
  const ways = isDirectAllowed ? `DIRECT ${proxies}` : `${proxies} DIRECT`
  return [
    '#!/bin/sh',
    '# Made by Pilotage: asks which proxies the site has now, and tells CVMFS.',
    'set -u',
    'umask 022',
    // In blocks of 512 bytes: what answers without end fills nothing.
    'ulimit -f 128',
    'say() { echo "pilotage: $*"; }',
    ...getLines(askSeconds),
    `config=${cvmfsConfigPath} state=${statePath}`,
    `old=$(sed -n "s/^CVMFS_HTTP_PROXY='\\(.*\\)'$/\\1/p" "$config")`,
    '[ -n "$old" ] || exit 0',
    'mkdir -p "$state"',
    'list() {',
    `  for way in ${ways}; do`,
    '    [ "$way" = DIRECT ] && way=',
    `    for url in ${proxiesUrls.map(quoted).join(' ')}; do get "$url" "$way" "$state/list" 2>/dev/null && return 0; done`,
    '  done',
    '  return 1',
    '}',
    'list || { say "nobody tells which proxies there are"; exit 1; }',
    `if [ "$(wc -c <"$state/list")" -gt ${listBytes} ] || [ "$(grep -c '' "$state/list")" -gt ${proxiesMost} ] ||`,
    `  grep -Evq '^http://([A-Za-z0-9._-]{1,253}|\\[[0-9A-Fa-f:.]{2,45}\\]):[0-9]{1,5}$' "$state/list"; then`,
    '  say "this is no list of proxies"; exit 1',
    'fi',
    `new=$(paste -sd '|' "$state/list")`,
    // Nobody is there now: what was there may come back.
    ...(rest === '' ? ['[ -n "$new" ] || exit 0'] : [`new="\${new:+$new;}"${quoted(rest)}`]),
    ...tellLines,
    '',
  ].join('\n')
}

/** What was last told is kept: a client that could not be told is told again. */
const tellLines = [
  'if [ "$new" != "$old" ]; then',
  '  [ -f "$state/told" ] || printf %s "$old" >"$state/told"',
  `  sed "s#^CVMFS_HTTP_PROXY=.*#CVMFS_HTTP_PROXY='$new'#" "$config" >"$config.new" && mv "$config.new" "$config" || exit 1`,
  '  say "the proxies are now $new"',
  'fi',
  '[ -f "$state/told" ] && [ "$(cat "$state/told")" != "$new" ] || exit 0',
  'failed=',
  `for one in $(awk '$1 == "cvmfs2" && $2 ~ "^/cvmfs/" {print substr($2, 8)}' /proc/mounts); do`,
  '  timeout 20 cvmfs_talk -i "$one" proxy set "$new" | grep -q "^OK" || failed="$failed $one"',
  'done',
  '[ -z "$failed" ] || { say "these do not know the new proxies yet:$failed"; exit 1; }',
  'printf %s "$new" >"$state/told"',
]
