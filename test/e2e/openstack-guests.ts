/**
 * The guests of a cloud whose hypervisor runs none: for every server that the cloud calls active, the real agents on what
 * the director has rendered for it, as Nova hands it out. A guest switches its server off when its monitor says so.
 *
 * All agents run in this process, each VM's under a directory of its own; payloads are processes. A server of an image that
 * no machine can boot has no guest.
 */

import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import { pathsUnder } from '../../agents/kit/config.ts'
import { openUplink } from '../../agents/kit/uplink.ts'
import { activate } from '../../agents/monitor/activate.ts'
import { watchOver } from '../../agents/monitor/agent.ts'
import { PilotAgent } from '../../agents/pilot/agent.ts'
import { plainIsolation } from '../../agents/pilot/isolation/plain-isolation.ts'
import { openJournal } from '../../agents/pilot/journal.ts'
import { recover } from '../../agents/pilot/leftovers.ts'
import { startWatch, type Watch } from '../../agents/pilot/watch.ts'
import { type Clock, sleep } from '../../core/kernel/clock.ts'
import { type AgentConfig, agentPaths } from '../../core/model/agent-config.ts'
import { parseEndpoints, takeTurns } from '../../core/kernel/endpoints.ts'
import { jobsPerOffer, leaseMarginMs } from '../../core/kernel/limits.ts'
import { startLoop } from '../../services/coordination/loop.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import type { Raw } from '../peers/openstack-raw.ts'

export type Server = {
  readonly id: string
  readonly status: string
  readonly metadata: Readonly<Record<string, string>>
  readonly image: { readonly id: string }
}

export type Guests = {
  /** Every server that was ever seen, by its id. */
  readonly seen: ReadonlyMap<string, Server>
  /** How many there were when they were looked at last, and the peak since this was asked last. */
  counts(): { readonly now: number; readonly peak: number }
  /** What went wrong here, and not in what is tested. */
  readonly troubles: readonly string[]
  stop(): Promise<void>
}

export type GuestsOptions = {
  readonly clock: Clock
  readonly dir: string
  /** The administrator's: no other account may read the user data of a server. */
  readonly raw: Raw
  readonly projectId: string
  /** Servers of this image have no guest. */
  readonly deadImage: string
}

/** Python answers a list in a fifth of a second of two cores: who asks all the time takes them from what is tested. */
const lookEveryMs = 3000
/** User data are shown since this version. */
const shown = { 'openstack-api-version': 'compute 2.26' }

export function playGuests({ clock, dir, raw, projectId, deadImage }: GuestsOptions): Guests {
  const seen = new Map<string, Server>()
  const guests = new Map<string, Promise<void>>()
  const troubles: string[] = []
  // One look at the machine's processes serves all pilots: fifty of them would do nothing else.
  const watch = startWatch(clock, process.pid)
  const trouble = (error: unknown): void => void troubles.push(error instanceof Error ? error.message : String(error))
  let [now, peak] = [0, 0]

  async function play(id: string): Promise<void> {
    const { body } = await raw('compute', 'GET', `/servers/${id}`, undefined, shown)
    const encoded = (body.server as Record<string, unknown>)['OS-EXT-SRV-ATTR:user_data']
    await live(clock, watch, join(dir, 'guests', id), configIn(Buffer.from(String(encoded), 'base64').toString('utf8')))
    await raw('compute', 'POST', `/servers/${id}/action`, { 'os-stop': null })
  }

  const loop = startLoop({
    clock,
    periodMs: lookEveryMs,
    async step() {
      const { body } = await raw('compute', 'GET', `/servers/detail?all_tenants=1&project_id=${projectId}`)
      const servers = body.servers as readonly Server[]
      now = servers.length
      peak = Math.max(peak, now)
      for (const server of servers) {
        seen.set(server.id, server)
        const isBootable = server.status === 'ACTIVE' && server.image.id !== deadImage
        if (isBootable && !guests.has(server.id)) guests.set(server.id, play(server.id).catch(trouble))
      }
    },
    onError: trouble,
  })
  loop.wake()
  return {
    seen,
    troubles,
    counts() {
      const counts = { now, peak }
      peak = now
      return counts
    },
    async stop() {
      await loop.stop()
      // Those that are left end when they hear nothing of the service any more.
      const ended = Promise.all(guests.values()).then(() => 'ended')
      if ((await Promise.race([ended, sleep(clock, lastMs)])) !== 'ended') troubles.push('guests did not end')
    },
  }
}

/** As on a machine of its own, but for what only root of a machine can do. */
function configIn(userData: string): AgentConfig {
  const document = parse(userData, { version: '1.1' }) as { write_files: readonly { path: string; content: string }[] }
  const file = document.write_files.find(({ path }) => path === agentPaths.config)
  if (!file) throw new Error('the user data bring no context')
  const config = JSON.parse(file.content) as AgentConfig
  return { ...config, sizeFrom: 'context', payloadAccounts: undefined, powerOff: [] }
}

/** From activation to the monitor's last word. */
async function live(clock: Clock, watch: Watch, root: string, config: AgentConfig): Promise<void> {
  const paths = pathsUnder(root)
  for (const path of [dirname(paths.credential), paths.work]) mkdirSync(path, { recursive: true })
  const random = systemRandom()
  const say = (): void => undefined
  const { endpoint, caPem, policy } = config
  const turns = takeTurns(parseEndpoints(endpoint) ?? [endpoint], random)
  const open = (credential?: string) => openUplink({ clock, endpoint: turns.current(), caPem, credential })
  const shared = { config, paths, clock, random, say }
  const credential = await activate({ ...shared, turns, open, withinMs: policy.deadManMs })
  if (credential === undefined) return
  const cgroups = { kind: 'none', why: 'a guest that is played' } as const
  const failed = Promise.withResolvers<never>()
  const { size } = config
  const workDir = join(paths.work, 'work')
  mkdirSync(workDir)
  const journal = await openJournal(join(paths.work, 'pilot.journal'))
  const start = { size, leaseMarginMs, maxJobs: jobsPerOffer, ...recover(journal.replayed) }
  const options = { ...shared, cgroups, isolation: plainIsolation(), found: {}, pid: process.pid, onFatal: failed.reject }
  const pilot = new PilotAgent(options, start, workDir, journal, watch)
  await Promise.race([watchOver({ ...shared, turns, open: () => open(credential) }), failed.promise])
  await Promise.race([pilot.close('the VM is being stopped', closeMs), sleep(clock, 2 * closeMs)])
}

const closeMs = 10_000
/** The contact timeout of one minute, and what a pilot takes to close. */
const lastMs = 120_000
