/**
 * The programs in the sandboxes, as this process sees them: one test file per call, with a time limit.
 *
 * A host that does not answer in time is ended with all that it has started, and the next call starts another one.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, Timer } from '../../core/kernel/clock.ts'
import type { Sandbox } from './sandbox.ts'

export type Request = {
  readonly test: string
  /** Only these tests of the file; all of them without it. */
  readonly ids?: readonly string[]
  /** Whether the first failure ends the run. */
  readonly isQuick: boolean
}

/** As a host gets it: with the source files that changed since the last request. */
export type HostRequest = Request & { readonly changed: readonly string[] }

export type Answer = {
  readonly isOk: boolean
  readonly failed: readonly string[]
  readonly passed: readonly string[]
  readonly tests: number
  readonly ms: number
  readonly why: string
}

export type Host = {
  readonly sandbox: Sandbox
  /** The answer, 'timeout', or 'died' if the host ended by itself. */
  run(request: Request, maxMs: number): Promise<Answer | 'timeout' | 'died'>
  write(file: string, text: string): void
  remove(file: string): void
  close(): Promise<void>
}

/** A test may hold what it likes; a mutant that collects without end does not take the machine. */
const heapMib = 1024
/** vitest keeps something of each run. */
const runsPerHost = 400
const startMs = 60_000

export function openHost(sandbox: Sandbox, clock: Clock, env: Readonly<Record<string, string | undefined>>): Host {
  let child: ChildProcess | undefined
  let runs = 0
  /** Sources that were written since the last request: vitest keeps what it read until it hears of a change. */
  const written = new Set<string>()

  async function end(): Promise<void> {
    const ended = child
    child = undefined
    runs = 0
    if (!ended || ended.exitCode !== null || ended.signalCode !== null) return
    const exit = once(ended, 'exit')
    if (ended.pid !== undefined) process.kill(-ended.pid, 'SIGKILL')
    await exit
  }

  async function start(): Promise<ChildProcess> {
    const [program = '', ...args] = sandbox.enter([sandbox.node, join(sandbox.inside, 'test/mutants/host/main.ts')])
    const isConfined = sandbox.inside !== sandbox.dir
    const temporary = isConfined ? '/tmp' : join(sandbox.dir, 'tmp')
    if (!isConfined) mkdirSync(temporary, { recursive: true })
    const started = spawn(program, args, {
      cwd: sandbox.dir,
      detached: true,
      env: { ...env, TMPDIR: temporary, HOME: temporary, NODE_OPTIONS: `--max-old-space-size=${heapMib}` },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    child = started
    const first = await answer<'ready'>(started, startMs)
    if (first !== 'ready') throw new Error(`the host in ${sandbox.dir} did not start: ${first}`)
    return started
  }

  function answer<T>(from: ChildProcess, maxMs: number): Promise<T | 'timeout' | 'died'> {
    return new Promise((resolve) => {
      let timer: Timer | undefined
      const settle = (value: T | 'timeout' | 'died'): void => {
        timer?.cancel()
        from.off('message', settle)
        from.off('exit', died)
        resolve(value)
      }
      const died = (): void => settle('died')
      timer = clock.after(maxMs, () => settle('timeout'))
      from.on('message', settle)
      from.on('exit', died)
    })
  }

  return {
    sandbox,
    run: async (request, maxMs) => {
      if (runs >= runsPerHost) await end()
      const running = child ?? (await start())
      runs += 1
      running.send({ ...request, changed: [...written] } satisfies HostRequest)
      written.clear()
      const result = await answer<Answer>(running, maxMs)
      if (result === 'timeout' || result === 'died') await end()
      return result
    },
    write: (file, text) => {
      written.add(file)
      writeFileSync(join(sandbox.dir, file), text)
    },
    remove: (file) => rmSync(join(sandbox.dir, file), { force: true }),
    close: end,
  }
}
