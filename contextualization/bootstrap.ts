/**
 * The script that makes a worker out of an image: accounts, what the operator adds, CVMFS, the agents' programs, and at last
 * the two services. POSIX shell, as root, once.
 *
 * Whatever fails says so on the console and switches the machine off, unless it is only lent: a machine that cannot work
 * must not cost, and its last words are read before it is deleted. What stays true: nothing is started whose digest was not
 * checked.
 */

import { agentPaths, type PayloadAccounts } from '../core/model/agent-config.ts'
import { cvmfsLines } from './cvmfs.ts'
import type { MachineOrder } from './order.ts'
import { followingLines } from './proxies.ts'
import { agentUid, commandLines, fetchLine, home, nodeLines, packageLines, scriptHead } from './script-parts.ts'

const maxAccounts = 512

/** Each core a payload, and as many again that are still being cleaned up after. */
export function accountsFor(cores: number): PayloadAccounts {
  return { firstUid: agentUid + 1, count: Math.min(maxAccounts, 2 * cores + 2) }
}

/** Throws `invalid-argument` for what cannot be fetched. */
export function bootstrapScript(order: MachineOrder): string {
  const { config, pilot, monitor, nodes = [], proxies, isDirectAllowed, cvmfs, extras } = order
  return [
    ...scriptHead(config.vmId, proxies, isDirectAllowed, order.isLent),
    ...accountLines(config.payloadAccounts),
    ...(config.payloadAccounts && !order.isLent ? processLines : []),
    `mkdir -p ${home} ${agentPaths.work} /run/pilotage`,
    `chown pilotage:pilotage ${agentPaths.config} ${agentPaths.work} /run/pilotage || fail "files could not be given away"`,
    `chmod 0711 ${agentPaths.work}; chmod 0700 /run/pilotage`,
    ...packageLines(extras.packages),
    ...commandLines(extras.commands),
    ...cvmfsLines(cvmfs),
    ...nodeLines(nodes),
    fetchLine(pilot, `${home}/pilot.cjs`),
    fetchLine(monitor, `${home}/monitor.cjs`),
    'systemctl daemon-reload',
    'systemctl start pilotage-monitor.service pilotage-pilot.service || fail "the agents could not be started"',
    ...followingLines(order),
    'say "the agents are started"',
    '',
  ].join('\n')
}

/**
 * Payloads see processes of their own account alone, where nothing else hides those of others; the agents see all by their
 * group.
 */
const processLines = [
  `mount -o remount,hidepid=2,gid=${agentUid} /proc || say "processes of others are shown to payloads that have no namespaces"`,
]

function accountLines(accounts: PayloadAccounts | undefined): readonly string[] {
  const payloads = accounts
    ? [
        `n=0; while [ $n -lt ${accounts.count} ]; do account payload$n $((${accounts.firstUid} + n)); n=$((n + 1)); done`,
        '[ -x /usr/bin/setpriv ] || fail "this image has no setpriv (util-linux)"',
      ]
    : []
  return [`account pilotage ${agentUid}`, ...payloads]
}
