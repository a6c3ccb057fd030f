/**
 * How payloads are isolated on this machine's own cloud: tried once at the start, as its pilots will, since it is the same
 * machine. So a service that would run payloads without isolation as root is refused before it takes a job, and jobs that
 * require a kind of isolation are planned for what there is.
 */

import { rmSync } from 'node:fs'
import { chooseIsolation } from '../../agents/pilot/isolation/choose.ts'
import type { Offering } from '../../core/model/cloud.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { isolationTag } from '../../core/model/isolation.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Config } from '../config/document.ts'
import type { CloudConfig } from '../config/clouds.ts'
import type { Installation } from './installation.ts'

/** The local cloud's offerings say how they isolate; of several local clouds the last speaks for all, on the one machine. */
export async function isolatedConfig(
  config: Config,
  installation: Installation,
  mayBePlain: boolean,
  log: Log,
): Promise<{ readonly config: Config; readonly isolation?: string }> {
  let isolation: string | undefined
  const clouds: CloudConfig[] = []
  for (const cloud of config.clouds) {
    if (!cloud.traits.isOnThisMachine) {
      clouds.push(cloud)
      continue
    }
    const { choice, text, offerings, missed } = await localIsolation(cloud, installation, mayBePlain)
    log.info({ cloud: cloud.name, isolation: text, missed }, 'payloads are isolated')
    if (choice === 'plain') log.warn({ cloud: cloud.name }, 'payloads may read and change whatever the service may')
    isolation = text
    clouds.push({ ...cloud, offerings, isolation: { ...cloud.isolation, choice } })
  }
  return { config: { ...config, clouds }, isolation }
}

type LocalIsolation = {
  readonly choice: CloudConfig['isolation']['choice']
  /** As people read it: `namespaces (bubblewrap 0.8.0)`. */
  readonly text: string
  readonly offerings: readonly Offering[]
  /** What would be better and does not work here, with the reason. */
  readonly missed: readonly string[]
}

/**
 * `mayBePlain`: payloads are the caller's own, so that no isolation is better than no service. Throws `forbidden` where the
 * configuration's choice is not possible.
 */
async function localIsolation(
  { name, isolation: { choice, binds }, offerings }: CloudConfig,
  installation: Installation,
  mayBePlain: boolean,
): Promise<LocalIsolation> {
  // Several processes may start in one directory at once.
  const workDir = installation.path(`isolation-trial-${name}-${process.pid}`)
  const chosen = (wanted: typeof choice) =>
    chooseIsolation({ choice: wanted, workDir, binds, hidden: [installation.path('')] })
  try {
    const { isolation, missed } = await chosen(choice).catch((error: unknown) => {
      if (!mayBePlain || choice !== 'auto') throw error
      return chosen('plain')
    })
    const { kind, tool } = isolation
    const text = tool === '' ? kind : `${kind} (${tool})`
    const tagged = offerings.map((one) => ({ ...one, tags: [...one.tags, isolationTag(kind)] }))
    return { choice: kind === 'plain' ? kind : choice, text, offerings: tagged, missed }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new PilotageError('forbidden', `cloud ${name}: ${why}`, { cause })
  } finally {
    rmSync(workDir, { recursive: true, force: true })
  }
}
