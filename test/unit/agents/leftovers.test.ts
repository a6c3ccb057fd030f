import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { endLeftovers } from '../../../agents/pilot/leftovers.ts'
import { readStat } from '../../../agents/pilot/processes.ts'
import { startWatch } from '../../../agents/pilot/watch.ts'
import { systemClock, until } from '../../../core/kernel/clock.ts'

const clock = systemClock()

it('a payload that was started just before its pilot was killed is ended, though no journal knows it', async () => {
  const workDir = mkdtempSync(join(tmpdir(), 'pilotage-leftovers-'))
  const dir = join(workDir, '7.1')
  mkdirSync(dir)
  // The pilot makes the directory, starts the payload, and then writes: a kill comes in between.
  const child = spawn('sleep', ['60'], {
    detached: true,
    stdio: 'ignore',
    env: { PATH: '/usr/bin:/bin', PILOTAGE_DIR: dir },
  })
  const pid = child.pid ?? 0
  try {
    expect(await until(clock, () => readStat(pid)?.over === false, { withinMs: 5000 })).toBe(true)
    const over = new Promise<string>((resolve) => child.on('exit', (_, signal) => resolve(String(signal))))
    const swept = await endLeftovers([], workDir, clock, startWatch(clock, process.pid))
    expect(swept).toEqual({ ended: 1, left: 0 })
    expect(await over).toBe('SIGKILL')
  } finally {
    child.kill('SIGKILL')
    rmSync(workDir, { recursive: true, force: true })
  }
})
