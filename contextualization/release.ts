/**
 * A machine that belongs to another operator and is only lent: what must not be there before, and the script that removes
 * all of ours when it is given back. The machine is never switched off.
 *
 * Ours are the paths, units and accounts named here, and no others: a machine where one of them exists before is refused, so
 * that nothing which was there is ever removed. What an operator adds (packages, files, commands) and CVMFS stay. The script
 * ends with 0 only if nothing of ours is left, and may run as often as it takes.
 */

import { agentPaths, hostPaths, type PayloadAccounts } from '../core/model/agent-config.ts'
import type { ExtraFile } from './order.ts'
import { agentUid, home } from './script-parts.ts'

const paths = ['/etc/pilotage', '/run/pilotage', '/run/pilotage-proxies', home, agentPaths.work]
const units = [
  'pilotage-proxies.timer',
  'pilotage-proxies.service',
  'pilotage-over.service',
  'pilotage-pilot.service',
  'pilotage-monitor.service',
]
const unitFolder = '/etc/systemd/system'

/** Lines for the very beginning, before anything is written. */
export function lentLines(accounts: PayloadAccounts | undefined): readonly string[] {
  const refuse = (what: string): string => `{ echo "pilotage: boot failed: ${what}, and not ours to remove"; exit 1; }`
  const files = [...paths, ...units.map((unit) => `${unitFolder}/${unit}`)].join(' ')
  return [
    `for path in ${files}; do [ ! -e "$path" ] || ${refuse('$path is there')}; done`,
    `for account in $(${namesOf(accounts)}) $(seq ${agentUid} ${lastUid(accounts)}); do`,
    `  if getent passwd "$account" >/dev/null; then ${refuse('account $account is there')}; fi`,
    'done',
  ]
}

export function releaseFile(accounts: PayloadAccounts | undefined): ExtraFile {
  return { path: hostPaths.release, permissions: '0700', content: releaseScript(accounts) }
}

function releaseScript(accounts: PayloadAccounts | undefined): string {
  const last = lastUid(accounts)
  // By number: of whom a process is, it cannot hide.
  const pick = `($6 >= ${agentUid} && $6 <= ${last}) || ($7 >= ${agentUid} && $7 <= ${last}) { print $3 }`
  return [
    '#!/bin/sh',
    '# Made by Pilotage: removes what it has put on this machine.',
    'set -u',
    'left() { echo "$*"; exit 1; }',
    `systemctl stop ${units.join(' ')} 2>/dev/null`,
    'round=0',
    'while :; do',
    `  pids=$(grep -sH '^Uid:' /proc/[0-9]*/status | awk -F'[/:\\t]+' '${pick}')`,
    '  [ -n "$pids" ] || break',
    '  [ $round -lt 25 ] || left "processes of our accounts do not end:" $pids',
    '  kill -s KILL $pids 2>/dev/null',
    '  round=$((round + 1)); sleep 0.2',
    'done',
    `find /tmp /var/tmp /dev/shm -xdev -uid +${agentUid - 1} -uid -${last + 1} -delete 2>/dev/null`,
    `for account in $(${namesOf(accounts)}); do`,
    '  rm -f "/var/spool/cron/crontabs/$account" "/var/spool/cron/$account"',
    '  if getent passwd "$account" >/dev/null; then userdel "$account" >/dev/null 2>&1; fi',
    '  if getent group "$account" >/dev/null; then groupdel "$account" >/dev/null 2>&1; fi',
    '  ! getent passwd "$account" >/dev/null || left "account $account cannot be removed"',
    'done',
    `cd ${unitFolder} && rm -f ${units.join(' ')}`,
    'systemctl daemon-reload',
    `systemctl reset-failed ${units.join(' ')} 2>/dev/null`,
    `for path in ${paths.join(' ')}; do rm -rf "$path" || left "$path cannot be removed"; done`,
    'exit 0',
    '',
  ].join('\n')
}

function lastUid(accounts: PayloadAccounts | undefined): number {
  return accounts ? accounts.firstUid + accounts.count - 1 : agentUid
}

/** A command that says them. */
function namesOf(accounts: PayloadAccounts | undefined): string {
  return accounts ? `echo pilotage; seq -f payload%g 0 ${accounts.count - 1}` : 'echo pilotage'
}
