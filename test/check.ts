/**
 * `npm run check`: types, lint and format, packages, generated code, structure and documents, in well under a minute.
 *
 * Each step is a program of its own and is judged by its exit code; two run at a time. A step that fails says why and keeps
 * no other from running. Ends with one line that names every step, and with 1 where any of them failed.
 */

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../core/kernel/clock.ts'
import { installedFaults, type Lock } from './supply/lock.ts'
import { thisPlatform } from './supply/platform.ts'

type Step = { readonly name: string; readonly command: readonly string[] }

const root = join(import.meta.dirname, '..')
const installed = (name: string): string => join(root, 'node_modules/.bin', name)
const env = { ...process.env, NO_COLOR: '1' }

const steps: readonly Step[] = [
  { name: 'types', command: [installed('tsc'), '--noEmit'] },
  { name: 'lint', command: [installed('biome'), 'check', '--error-on-warnings', '--diagnostic-level=warn'] },
  { name: 'supply', command: [process.execPath, 'test/supply/main.ts'] },
  { name: 'proto', command: [process.execPath, 'proto/generate.ts', '--check'] },
  { name: 'contract', command: [process.execPath, 'proto/landed.ts', '--check'] },
  {
    name: 'structure',
    command: [
      installed('vitest'),
      'run',
      '--reporter=dot',
      'test/structure.test.ts',
      'test/structure/',
      'test/docs.test.ts',
    ],
  },
]

/** Cores of the smallest machine that this is to be quick on. */
const atOnce = 2
/** A step that hangs is a step that failed. */
const stepMs = 120_000

const clock = systemClock()
const ended = new Map<string, 'ok' | 'FAILED'>()
const waiting = [...steps]

async function work(): Promise<void> {
  for (let step = waiting.shift(); step; step = waiting.shift()) {
    const beginMs = clock.monotonicMs()
    const { code, output } = await run(step.command)
    const verdict = code === 0 ? 'ok' : 'FAILED'
    ended.set(step.name, verdict)
    if (code !== 0) console.log(output.trimEnd())
    console.log(`${step.name.padEnd(10)} ${verdict.padEnd(7)} ${((clock.monotonicMs() - beginMs) / 1000).toFixed(1)} s`)
  }
}

function run([program = '', ...args]: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    // A group of its own, so that what a step has started ends with it.
    const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    const timer = clock.after(stepMs, () => {
      pieces.push(Buffer.from(`\nno end within ${stepMs / 1000} s`))
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => pieces.push(piece))
    const end = (code: number): void => {
      timer.cancel()
      resolve({ code, output: Buffer.concat(pieces).toString('utf8') })
    }
    child.on('error', (error) => {
      pieces.push(Buffer.from(`${program}: ${error.message}`))
      end(1)
    })
    child.on('close', (code) => end(code ?? 1))
  })
}

/** Without what the lock file names every step fails, and none says why. */
function packageFaults(): readonly string[] {
  const read = (path: string): Lock => JSON.parse(readFileSync(join(root, path), 'utf8')) as Lock
  return installedFaults(read('package-lock.json'), read('node_modules/.package-lock.json'), thisPlatform())
}

const faults = packageFaults()
if (faults.length > 0) {
  console.log(`${faults.join('\n')}\nnode_modules is not what package-lock.json names: run npm ci`)
  process.exit(1)
}

await Promise.all(Array.from({ length: atOnce }, work))
console.log(`check: ${steps.map(({ name }) => `${name}=${ended.get(name)}`).join(' ')}`)
process.exitCode = steps.every(({ name }) => ended.get(name) === 'ok') ? 0 : 1
