/**
 * CVMFS on a machine: the client's configuration for the repositories of the VOs that it serves, through the site's proxies,
 * and the lines that set it up and prove every mount before anything is matched.
 */

import { PilotageError } from '../core/kernel/errors.ts'
import type { Cvmfs, ExtraFile, MachineOrder } from './order.ts'
import { quoted } from './shell.ts'

export const cvmfsConfigPath = '/etc/cvmfs/default.local'
const proxyParameter = 'CVMFS_HTTP_PROXY'
const mib = 1024 * 1024
const probeSeconds = 90

/** Throws `invalid-argument` for a repository or parameter that would write another line into the configuration. */
export function cvmfsFiles({ cvmfs, discoverFrom = [], ...order }: MachineOrder): readonly ExtraFile[] {
  if (!isUsed(cvmfs)) return []
  check(cvmfs)
  const { fallbackProxies, isDirectAllowed } = order
  const isDiscovering = discoverFrom.length > 0
  const proxies = isDiscovering ? ['auto'] : order.proxies
  const parameters: Record<string, string> = {
    CVMFS_REPOSITORIES: cvmfs.repositories.join(','),
    // A client without any way to a server does not start; a site without proxies is one whose machines go past them.
    [proxyParameter]: proxyText(proxies, fallbackProxies, isDirectAllowed) || 'DIRECT',
    ...(isDiscovering ? { CVMFS_PAC_URLS: discoverFrom.join(';') } : {}),
    CVMFS_QUOTA_LIMIT: String(Math.round(cvmfs.cacheBytes / mib)),
    ...cvmfs.parameters,
  }
  const lines = Object.entries(parameters).map(([name, value]) => `${name}=${quoted(value)}`)
  return [{ path: cvmfsConfigPath, permissions: '0644', content: `${lines.join('\n')}\n` }]
}

/**
 * As CVMFS reads it. Within a group the client takes any proxy, and another one if that fails. If the whole group is
 * unreachable, it goes to the next group. Empty: no proxies are known.
 */
export function proxyText(
  proxies: readonly string[],
  fallbackProxies: readonly string[] = [],
  isDirectAllowed = false,
): string {
  const groups = [proxies, fallbackProxies].map((group) => [...new Set(group)].join('|'))
  return [...groups, isDirectAllowed ? 'DIRECT' : ''].filter((group) => group !== '').join(';')
}

/** Whether the site's proxies mean anything to the machine. */
export function isFollowing({ cvmfs, discoverFrom = [], proxiesUrls }: MachineOrder): boolean {
  return (
    proxiesUrls.length > 0 && discoverFrom.length === 0 && isUsed(cvmfs) && cvmfs.parameters[proxyParameter] === undefined
  )
}

function isUsed(cvmfs: Cvmfs | undefined): cvmfs is Cvmfs {
  return cvmfs !== undefined && cvmfs.repositories.length > 0
}

export function cvmfsLines(cvmfs: Cvmfs | undefined): readonly string[] {
  if (!isUsed(cvmfs)) return []
  return [
    'command -v cvmfs_config >/dev/null || fail "this image has no CVMFS client"',
    'cvmfs_config setup || fail "CVMFS could not be set up"',
    ...cvmfs.repositories.map(
      (one) =>
        `timeout ${probeSeconds} ls ${quoted(`/cvmfs/${one}`)} >/dev/null || fail ${quoted(`CVMFS: ${one} cannot be read`)}`,
    ),
  ]
}

function check({ repositories, parameters }: Cvmfs): void {
  const wrong = [
    ...repositories.filter((one) => !/^[a-z0-9][a-z0-9.-]*$/i.test(one)),
    ...Object.keys(parameters).filter((name) => !/^CVMFS_[A-Z0-9_]+$/.test(name)),
  ]
  if (wrong.length > 0) throw new PilotageError('invalid-argument', `rendering a context: not of CVMFS: ${wrong.join(', ')}`)
}
