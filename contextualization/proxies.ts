/**
 * How a worker follows its site's proxies: a timer of root asks the service for the list. If the list changed, the script
 * rewrites CVMFS's configuration and passes the new proxies to every running client.
 *
 * The list is public and not trusted: if one line is no proxy, the script ignores the list and keeps the configuration.
 * What stays true: an answer that never arrives, or never ends, costs bounded time and space; if the list is empty and the
 * machine may not go past the proxies, it keeps the proxies that it has.
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
const maxProxies = 32
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
  // Where direct access is not wanted, it is tried last: machines whose proxies are all gone must still get the new list.
  const ways = isDirectAllowed ? `DIRECT ${proxies}` : `${proxies} DIRECT`
  return [
    '#!/bin/sh',
    '# Made by Pilotage: asks which proxies the site has now, and passes them to CVMFS.',
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
    'list || { say "no list of proxies from the service or a proxy"; exit 1; }',
    `if [ "$(wc -c <"$state/list")" -gt ${listBytes} ] || [ "$(grep -c '' "$state/list")" -gt ${maxProxies} ] ||`,
    `  grep -Evq '^http://([A-Za-z0-9._-]{1,253}|\\[[0-9A-Fa-f:.]{2,45}\\]):[0-9]{1,5}$' "$state/list"; then`,
    '  say "this is no list of proxies"; exit 1',
    'fi',
    `new=$(paste -sd '|' "$state/list")`,
    // No proxy is there now: the earlier ones may come back.
    ...(rest === '' ? ['[ -n "$new" ] || exit 0'] : [`new="\${new:+$new;}"${quoted(rest)}`]),
    ...updateClientsLines,
    '',
  ].join('\n')
}

/** The file `passed` keeps the last proxies that every client has got: after a failure the next run tries again. */
const updateClientsLines = [
  'if [ "$new" != "$old" ]; then',
  '  [ -f "$state/passed" ] || printf %s "$old" >"$state/passed"',
  `  sed "s#^CVMFS_HTTP_PROXY=.*#CVMFS_HTTP_PROXY='$new'#" "$config" >"$config.new" && mv "$config.new" "$config" || exit 1`,
  '  say "the proxies are now $new"',
  'fi',
  '[ -f "$state/passed" ] && [ "$(cat "$state/passed")" != "$new" ] || exit 0',
  'failed=',
  `for one in $(awk '$1 == "cvmfs2" && $2 ~ "^/cvmfs/" {print substr($2, 8)}' /proc/mounts); do`,
  '  timeout 20 cvmfs_talk -i "$one" proxy set "$new" | grep -q "^OK" || failed="$failed $one"',
  'done',
  '[ -z "$failed" ] || { say "these do not know the new proxies yet:$failed"; exit 1; }',
  'printf %s "$new" >"$state/passed"',
]
