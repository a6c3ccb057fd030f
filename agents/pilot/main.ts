/**
 * The pilot's process: reads its context, waits for the credential from the monitor, and works until it gets a signal.
 *
 * `node pilot.cjs`, with the VM's root in PILOTAGE_ROOT (empty on a real machine).
 */

import { mkdirSync, readFileSync } from 'node:fs'
import { systemClock, until } from '../../core/kernel/clock.ts'
import { activationKeepMs } from '../../core/kernel/limits.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { pathsUnder, readConfig } from '../kit/config.ts'
import { sayTo } from '../kit/console.ts'
import { readIfThere } from '../kit/files.ts'
import { agentVersion } from '../kit/uplink.ts'
import { isolationText, startAgent, workDirectory } from './agent.ts'
import { findCgroups, prepareCgroups } from './cgroup.ts'
import { chooseIsolation } from './isolation/choose.ts'
import { measure, sizeOf, sizeText } from './machine.ts'
import { findGpus } from './find-gpus.ts'
import { findTraits, traitsLine } from './traits.ts'

/** A machine that is switched off gives its services some ten seconds more than a payload's grace. */
const closeMs = 20_000

async function main(): Promise<void> {
  const clock = systemClock()
  const say = sayTo((text) => process.stdout.write(text), clock, 'pilot')
  // The reader of the console may be gone; the pilot goes on without it.
  process.stdout.on('error', () => undefined)
  const fail = (error: unknown): void => {
    say(`ends: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  }
  // An uncaught error is a bug: a new process, which recovers from the journal, is better than a half-working one.
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)

  const paths = pathsUnder(process.env.PILOTAGE_ROOT ?? '')
  const config = readConfig(paths.config)
  mkdirSync(paths.work, { recursive: true, mode: 0o700 })
  const cgroups = prepareCgroups(findCgroups(text('/proc/self/cgroup'), text('/proc/self/mountinfo')), process.pid)
  const limits = cgroups.kind === 'delegated' ? 'by cgroup' : `by watching (${cgroups.why})`
  say(`version ${agentVersion} of ${config.vmId}: memory limits ${limits}`)

  const { isolation, missed } = await chooseIsolation({
    choice: config.isolation?.choice ?? 'auto',
    accounts: config.payloadAccounts,
    workDir: workDirectory(paths),
    binds: config.isolation?.binds ?? [],
    hidden: config.isolation?.hidden ?? [],
  })
  say(`isolation of payloads: ${isolationText(isolation)}`)
  for (const why of missed) say(`not possible here: ${why}`)

  const came = await until(clock, () => (readIfThere(paths.credential) ?? '') !== '', {
    withinMs: activationKeepMs,
    everyMs: 50,
  })
  if (!came) throw new Error('no credential came within the time that an activation key is good for')

  const gpus = findGpus()
  const agent = await startAgent({
    config,
    paths,
    measure() {
      const own = cgroups.kind === 'delegated' ? cgroups.dir : undefined
      const size = sizeOf(config, measure(paths.work, own, gpus.count))
      say(`it has ${sizeText(size)}; promised: ${sizeText(config.size)}`)
      return size
    },
    findTraits() {
      const found = findTraits(config, paths.work, clock, gpus)
      say(`beside its size it has ${traitsLine(found)}`)
      return found
    },
    cgroups,
    isolation,
    clock,
    random: systemRandom(),
    pid: process.pid,
    say,
    onFatal: fail,
  })
  let closing = false
  const close = (signal: NodeJS.Signals): void => {
    if (closing) return
    closing = true
    say(`ends on ${signal}`)
    agent.close('the VM is being stopped', closeMs).then(() => process.exit(0), fail)
  }
  process.on('SIGTERM', close)
  process.on('SIGINT', close)
}

function text(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

main().catch((error: unknown) => {
  process.stdout.write(`pilot: cannot start: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
