/**
 * The monitor's process: activates the VM, sends heartbeats until the VM ends, and switches it off.
 *
 * `node monitor.cjs`, with the VM's root in PILOTAGE_ROOT (empty on a real machine). Where the context names no command for
 * switching off, the end of this process is the end of the VM (the local cloud).
 */

import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { type Clock, sleep, systemClock } from '../../core/kernel/clock.ts'
import { parseEndpoints, takeTurns } from '../../core/kernel/endpoints.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { pathsUnder, readConfig } from '../kit/config.ts'
import { type Say, sayTo } from '../kit/console.ts'
import { agentVersion, openUplink } from '../kit/uplink.ts'
import { activate } from './activate.ts'
import { watchOver } from './agent.ts'

/** A machine that still runs after the power-off command gets the command again. */
const powerOffAgainMs = 30_000

async function main(): Promise<void> {
  const clock = systemClock()
  const random = systemRandom()
  const say = sayTo((text) => process.stdout.write(text), clock, 'monitor')
  // The reader of the console may be gone; the monitor goes on without it.
  process.stdout.on('error', () => undefined)
  process.on('SIGTERM', () => process.exit(0))
  process.on('SIGINT', () => process.exit(0))

  const paths = pathsUnder(process.env.PILOTAGE_ROOT ?? '')
  const config = readConfig(paths.config)
  mkdirSync(paths.work, { recursive: true, mode: 0o700 })
  say(`version ${agentVersion} of ${config.vmId}`)

  const { endpoint, caPem, policy, powerOff } = config
  const turns = takeTurns(parseEndpoints(endpoint) ?? [endpoint], random)
  const open = (credential?: string) => openUplink({ clock, endpoint: turns.current(), caPem, credential })
  const credential = await activate({ config, paths, clock, random, say, turns, open, withinMs: policy.deadManMs })
  const reason =
    credential === undefined
      ? 'it was never activated'
      : await watchOver({ config, paths, clock, random, say, turns, open: () => open(credential) })
  say(`power-off: ${reason}`)
  await switchOff(powerOff, clock, say)
}

async function switchOff([command, ...args]: readonly string[], clock: Clock, say: Say): Promise<void> {
  if (command === undefined) process.exit(0)
  for (;;) {
    const child = spawn(command, args, { stdio: 'ignore', detached: true })
    child.on('error', (error) => say(`cannot switch off: ${error.message}`))
    await sleep(clock, powerOffAgainMs)
  }
}

main().catch((error: unknown) => {
  process.stdout.write(`monitor: ends: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
