/**
 * Starts the process of a flood, and ends it. It runs at the lowest priority: service, honest caller and flood share this
 * machine's few cores, and what a stranger computes on a machine of its own must not be counted as the service's slowness.
 * What the service does for the flood is done at the service's own priority, and is counted.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { join } from 'node:path'
import type { Flood, Ground } from './flood.ts'

export type Attacker = {
  /** When the flood is over: what it printed. */
  readonly figures: Promise<Readonly<Record<string, number | string>>>
  end(): Promise<void>
}

const program = join(import.meta.dirname, 'attack/main.ts')

export function startAttacker(
  flood: Flood,
  { grpc, dashboard, stage, dataDir }: Ground,
  given: unknown,
  floodMs: number,
): Attacker {
  const line = [
    '--max-old-space-size=1024',
    program,
    flood.name,
    String(floodMs),
    String(Math.floor(stage.random.next() * 1e6)),
  ]
  // The directory makes it the scenario's: what is left of it is found and ended.
  const child: ChildProcess = spawn(process.execPath, line, { cwd: join(dataDir, '..'), stdio: ['pipe', 'pipe', 'pipe'] })
  if (child.pid) setPriority(child.pid, constants.priority.PRIORITY_LOW)
  let printed = ''
  let complained = ''
  child.stdout?.on('data', (piece) => {
    printed += piece
  })
  child.stderr?.on('data', (piece) => {
    complained = `${complained}${piece}`.slice(-2000)
  })
  child.on('error', (error) => {
    complained = String(error)
  })
  child.stdin?.on('error', () => {})
  child.stdin?.end(JSON.stringify({ target: { grpc, dashboard }, given }))
  const over = new Promise<void>((resolve) => child.on('close', () => resolve()))
  return {
    figures: over.then(() => {
      if (complained !== '') stage.say(`${flood.name} said: ${complained.split('\n').slice(0, 3).join(' | ').slice(0, 300)}`)
      return printed === '' ? { flood: 'no-figures' } : JSON.parse(printed.trim().split('\n').at(-1) ?? '{}')
    }),
    async end() {
      child.kill('SIGKILL')
      await over
    },
  }
}
