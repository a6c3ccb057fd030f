/** One VM of a test: a directory with a context file, and the agents' bundles run in it as a real VM would. */

import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { pathsUnder } from '../../../agents/kit/config.ts'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import type { AgentConfig } from '../../../core/model/agent-config.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { key } from './fake-service.ts'
import { mib } from './tasks.ts'
import { isolationHere } from '../../support/isolation-here.ts'
import { noAmounts } from '../../../core/model/resources.ts'

export const clock = systemClock()
const day = 24 * 60 * 60 * 1000

export type AgentProcess = {
  readonly child: ChildProcess
  console(): string
  /** Ends by the signal, or by itself where none is given; resolves with the exit code, or the signal's name. */
  ended(signal?: NodeJS.Signals): Promise<number | string>
}

export type TestVm = {
  readonly root: string
  readonly paths: ReturnType<typeof pathsUnder>
  run(bundle: string): AgentProcess
  /** Ends what still runs, by its pid, and removes the directory. */
  remove(): Promise<void>
}

export function testVm(
  port: number,
  change: Pick<Partial<AgentConfig>, 'activationKey' | 'endpoint' | 'service' | 'interruption' | 'isolation'> & {
    policy?: Partial<AgentConfig['policy']>
  } = {},
): TestVm {
  const root = mkdtempSync(join(tmpdir(), 'pilotage-vm-'))
  const paths = pathsUnder(root)
  const calm = { idleMs: day, leastLifeMs: 0, endByMs: clock.nowMs() + day, deadManMs: day, leastDiskFreeBytes: 0 }
  const config: AgentConfig = {
    vmId: 'vm-abcdefghjk' as VmId,
    endpoint: change.endpoint ?? `127.0.0.1:${port}`,
    activationKey: change.activationKey ?? key,
    cloud: 'local',
    site: 'here',
    platform: 'linux',
    size: { cores: 4, ...noAmounts, memoryBytes: 1024 * mib, diskBytes: 1024 * mib },
    sizeFrom: 'context',
    policy: { ...calm, ...change.policy },
    powerOff: [],
    service: change.service,
    interruption: change.interruption,
    isolation: change.isolation ?? { choice: isolationHere, binds: [], hidden: [] },
  }
  mkdirSync(dirname(paths.config), { recursive: true })
  writeFileSync(paths.config, JSON.stringify(config), { mode: 0o600 })
  const running = new Set<AgentProcess>()

  return {
    root,
    paths,
    run(bundle) {
      // A copy in the VM's own directory: nothing of the repository is near it.
      const program = join(root, basename(bundle))
      cpSync(bundle, program)
      const env = { PILOTAGE_ROOT: root, SECRET_OF_THE_AGENT: 'hush' }
      const child = spawn(process.execPath, [program], { cwd: root, env })
      let text = ''
      child.stdout.on('data', (data) => {
        text += data
      })
      child.stderr.on('data', (data) => {
        text += data
      })
      const over = new Promise<number | string>((resolve) => {
        child.on('exit', (code, signal) => resolve(code ?? signal ?? ''))
      })
      const agent: AgentProcess = {
        child,
        console: () => text,
        ended(signal) {
          if (signal && child.exitCode === null) child.kill(signal)
          return over
        },
      }
      running.add(agent)
      void over.then(() => running.delete(agent))
      return agent
    },
    async remove() {
      for (const agent of running) await agent.ended('SIGKILL')
      rmSync(root, { recursive: true, force: true })
    },
  }
}

export async function soon(holds: () => boolean, what: string, withinMs = 8000): Promise<void> {
  if (!(await until(clock, holds, { withinMs, everyMs: 10 }))) throw new Error(`not within ${withinMs} ms: ${what}`)
}

export function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
