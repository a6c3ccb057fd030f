/**
 * A machine that keeps what a site's workers fetch: squid and the monitor agent, no pilot and no payloads. Decides squid's
 * configuration, how much of the machine its caches fill, and whom it serves.
 *
 * What stays true: a client outside the networks that are served gets nothing; no client reaches this machine itself, its
 * cloud's metadata address, or anything but the web by way of it; what it keeps never outgrows the machine. It knows no
 * site's other proxies and asks none: squids that ask each other are a failure that spreads.
 */

import { agentPaths } from '../core/model/agent-config.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import type { ExtraFile, MachineContext, SquidOrder } from './order.ts'
import { agentUid, commandLines, fetchLine, home, nodeLines, packageLines, scriptHead } from './script-parts.ts'
import { stableJson } from './shell.ts'
import { squidUnits } from './units.ts'

const mib = 1024 * 1024

/** Where its package's own configuration lies: what confines squid on some systems lets it read there. */
const configPath = '/etc/squid/pilotage.conf'
const sizesPath = '/etc/squid/pilotage-sizes.conf'
const cachePath = '/var/spool/squid'
/** What may be sent on the wire and kept by routers of a site, and nowhere else: RFC 1918, RFC 4193, RFC 4291. */
const privateNetworks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fe80::/10']

/** Throws `invalid-argument` for what cannot be fetched, and for a network that is none. */
export function squidContext(order: SquidOrder): MachineContext {
  const { config, extras } = order
  const agent: ExtraFile = { path: agentPaths.config, permissions: '0600', content: `${stableJson(config)}\n` }
  const squid: ExtraFile = { path: configPath, permissions: '0644', content: squidConfig(order) }
  const prepare = `/usr/sbin/squid -N -z -f ${configPath}`
  const run = `/usr/sbin/squid -N -d 1 -f ${configPath}`
  const isMetadataOpen = config.interruption !== undefined
  return {
    files: [agent, ...squidUnits(prepare, run, { isMetadataOpen }), squid, ...extras.files],
    script: squidScript(order),
  }
}

function squidConfig({ config, clients = privateNetworks }: SquidOrder): string {
  for (const network of clients) {
    if (/^[0-9a-fA-F.:]+(?:\/\d{1,3})?$/.test(network)) continue
    throw new PilotageError('invalid-argument', `rendering a context: ${network} is no network`)
  }
  return [
    `# Made by Pilotage for ${config.vmId}.`,
    `http_port ${config.service.port}`,
    `visible_hostname ${config.vmId}`,
    ...clients.map((network) => `acl clients src ${network}`),
    'acl tunnel method CONNECT',
    'acl tls port 443',
    // The servers of CVMFS listen on 80, 8000 and 8080, our own where an operator likes; mail and logins are no business
    // here.
    'acl web port 80 443 1024-65535',
    'acl metadata dst 169.254.0.0/16 fe80::/10 fd00:ec2::254/128',
    'http_access deny manager',
    'http_access deny !clients',
    'http_access deny to_localhost',
    'http_access deny metadata',
    'http_access deny !web',
    'http_access deny tunnel !tls',
    'http_access allow clients',
    'http_access deny all',
    // A hundred jobs that start at once ask for the same file at once: it is fetched once.
    'collapsed_forwarding on',
    'minimum_expiry_time 0 seconds',
    // CVMFS's own advice. Before the caches, which take their limits from what stands above them.
    'maximum_object_size 1024 MB',
    'maximum_object_size_in_memory 1024 KB',
    `include ${sizesPath}`,
    'max_filedescriptors 16384',
    // A console is for failures. Which client fetched what is private, and a log of it would fill the disk.
    'access_log none',
    'cache_store_log none',
    'cache_log /dev/null',
    'logfile_rotate 0',
    'pid_filename none',
    'pinger_enable off',
    'shutdown_lifetime 3 seconds',
    `coredump_dir ${cachePath}`,
    '',
  ].join('\n')
}

function squidScript(order: SquidOrder): string {
  const { config, monitor, nodes = [], extras } = order
  return [
    // It is the way out of its site: there is none before it.
    ...scriptHead(config.vmId, [], true),
    `account pilotage ${agentUid}`,
    `mkdir -p ${home} ${agentPaths.work} /run/pilotage`,
    `chown pilotage:pilotage ${agentPaths.config} ${agentPaths.work} /run/pilotage || fail "files could not be given away"`,
    `chmod 0700 ${agentPaths.work} /run/pilotage`,
    // The package's own service would take the port, with a configuration that is not ours.
    'systemctl mask squid.service',
    ...packageLines([...new Set(['squid', ...extras.packages])]),
    '[ -x /usr/sbin/squid ] || fail "this image has no squid, and its packages brought none"',
    ...commandLines(extras.commands),
    ...sizeLines(config.size),
    ...nodeLines(nodes),
    fetchLine(monitor, `${home}/monitor.cjs`),
    `if command -v firewall-cmd >/dev/null && firewall-cmd -q --state; then firewall-cmd -q --add-port=${config.service.port}/tcp; fi`,
    'systemctl daemon-reload',
    'systemctl start pilotage-squid.service || fail "squid could not be started"',
    'systemctl start pilotage-monitor.service || fail "the monitor could not be started"',
    'say "squid and the monitor are started"',
    '',
  ].join('\n')
}

/**
 * Caches as large as the smaller of what was promised and what is there: two fifths of the memory (the index of the disk
 * takes some 15 MiB a GiB of it, and squid keeps what is under way besides), and three quarters of what is free on the disk.
 */
export function sizeLines({ memoryBytes, diskBytes }: SquidOrder['config']['size']): readonly string[] {
  return [
    'least() { if [ "$1" -lt "$2" ]; then echo "$1"; else echo "$2"; fi; }',
    `memory=$(least ${Math.floor(memoryBytes / mib)} "$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo)")`,
    `mkdir -p ${cachePath}`,
    `disk=$(least ${Math.floor(diskBytes / mib)} "$(df -Pk ${cachePath} | awk 'NR == 2 {print int($4 / 1024)}')")`,
    // What the index of a disk that is much larger than the memory would take is not there for anything else.
    'disk=$(least $((disk * 3 / 4)) $((memory * 20)))',
    '[ "$disk" -ge 100 ] || fail "there is no room for a cache on the disk"',
    `printf '%s\\n' "cache_mem $((memory * 2 / 5)) MB" "cache_dir aufs ${cachePath} $disk 16 256" >${sizesPath}`,
    `chown "$(id -un proxy 2>/dev/null || echo squid)" ${cachePath} || fail "the cache could not be given away"`,
  ]
}
