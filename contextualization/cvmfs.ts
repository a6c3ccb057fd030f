/**
 * CVMFS on a machine: the client's configuration for the repositories of the VOs that it serves, through the site's proxies,
 * and the lines that set it up and prove every mount before anything is matched.
 */

import { PilotageError } from '../core/errors.ts'
import type { Cvmfs, ExtraFile, MachineOrder } from './order.ts'
import { quoted } from './shell.ts'

const mib = 1024 * 1024
const probeSeconds = 90

/** Throws `invalid-argument` for what would be no repository, or no parameter, but a line of somebody else's. */
export function cvmfsFiles({
  cvmfs,
  proxies,
  isDirectAllowed,
}: Pick<MachineOrder, 'cvmfs' | 'proxies' | 'isDirectAllowed'>) {
  if (!cvmfs || cvmfs.repositories.length === 0) return []
  check(cvmfs)
  const parameters: Record<string, string> = {
    CVMFS_REPOSITORIES: cvmfs.repositories.join(','),
    // Within a group the client takes turns; the next group is for when the whole one is away.
    CVMFS_HTTP_PROXY: [...(proxies.length > 0 ? [proxies.join('|')] : []), ...directIf(proxies, isDirectAllowed)].join(';'),
    CVMFS_QUOTA_LIMIT: String(Math.round(cvmfs.cacheBytes / mib)),
    ...cvmfs.parameters,
  }
  const lines = Object.entries(parameters).map(([name, value]) => `${name}=${quoted(value)}`)
  const file: ExtraFile = { path: '/etc/cvmfs/default.local', permissions: '0644', content: `${lines.join('\n')}\n` }
  return [file]
}

function directIf(proxies: readonly string[], isDirectAllowed: boolean): readonly string[] {
  return isDirectAllowed || proxies.length === 0 ? ['DIRECT'] : []
}

export function cvmfsLines(cvmfs: Cvmfs | undefined): readonly string[] {
  if (!cvmfs || cvmfs.repositories.length === 0) return []
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
