/** A trial of an isolation: a payload that does nothing, started as every payload is. What works here works for jobs. */

import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { plainEnvironment } from './as-account.ts'
import type { Isolation } from './isolation.ts'
import { launchBytes, launchStatus, specDescriptor, statusDescriptor } from './launcher.ts'

export type Probed = { readonly isGood: true } | { readonly isGood: false; readonly why: string }

const probeMs = 15_000
const probeBytes = 16 * 1024 * 1024
const saidLength = 300

export async function probe(isolation: Isolation, workDir: string): Promise<Probed> {
  mkdirSync(workDir, { recursive: true, mode: 0o711 })
  const dir = join(workDir, `trial-${isolation.kind}-${isolation.tool.split(' ', 1)[0]}`)
  const confinement = isolation.confine('trial', dir, probeBytes)
  if (!confinement) return { isGood: false, why: 'no account is free' }
  if (confinement.mode === 'direct') return { isGood: true }
  try {
    confinement.prepare()
    const spec = { mode: confinement.mode, cwd: join(dir, 'home'), environment: {}, executable: '/bin/true', arguments: [] }
    return await run(confinement.command, launchBytes(spec))
  } catch (error) {
    return { isGood: false, why: error instanceof Error ? error.message : String(error) }
  } finally {
    await confinement.end()
    await confinement.remove()
  }
}

function run([file = '', ...args]: readonly string[], spec: Buffer): Promise<Probed> {
  return new Promise((resolve) => {
    const stdio = ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] as const
    const child = spawn(file, args, {
      cwd: '/',
      env: plainEnvironment,
      stdio: [...stdio],
      detached: true,
      timeout: probeMs,
      killSignal: 'SIGKILL',
    })
    const texts = { said: '', status: '' }
    const into = (name: 'said' | 'status') => (data: Buffer) => {
      texts[name] += data.toString('latin1')
    }
    child.stderr?.on('data', into('said'))
    const [input, status] = [child.stdio[specDescriptor], child.stdio[statusDescriptor]]
    status?.on('data', into('status'))
    for (const stream of [input, status]) stream?.on('error', () => undefined)
    if (input && 'end' in input) input.end(spec)
    child.on('error', (error) => resolve({ isGood: false, why: error.message }))
    child.on('close', (code, signal) => {
      const came = launchStatus(texts.status)
      if (came.kind === 'ran' && code === 0 && (came.wait ?? 0) === 0) resolve({ isGood: true })
      else resolve({ isGood: false, why: texts.said.trim().slice(0, saidLength) || `it ended with ${signal ?? code}` })
    })
  })
}
