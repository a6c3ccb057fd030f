/**
 * One server as a process of this machine: started, waited for until it answers, killed, stopped, started again on what it
 * left. Knows nothing of what it serves: `answers` says whether it is ready.
 *
 * It works in its own directory, where its output is kept in `log`, so that a search for what is left finds it. Every
 * wait has an end. Processes are ended by their number, which is ours until their exit was seen.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, until } from '../../core/kernel/clock.ts'
import { isRunning } from '../support/processes.ts'

export type ServerProcess = {
  /** Of its last life; 0 before the first. */
  readonly pid: number
  readonly port: number
  isRunning(): boolean
  /** Resolves when it answers. Throws, with the end of its log, if it ends before or takes too long. */
  start(): Promise<void>
  /** SIGKILL, as a crash of the program would be. What it gave to the system is kept. */
  kill(): Promise<void>
  /** SIGTERM: it ends in its own good order. */
  stop(): Promise<void>
}

export type ServerOrder = {
  readonly clock: Clock
  readonly program: string
  readonly arguments: readonly string[]
  /** Its own, and there. */
  readonly dir: string
  readonly port: number
  /** Whether it is ready. May throw: then it is not. */
  answers(): Promise<boolean>
}

/** On a machine that is busy with other tests, a database may take this long to recover its files. */
const readyWithinMs = 90_000
const stopWithinMs = 40_000
const killWithinMs = 10_000

export function serverProcess(order: ServerOrder): ServerProcess {
  const { clock, dir, port } = order
  const logPath = join(dir, 'log')
  let child: ChildProcess | undefined
  let over = Promise.resolve('not started')
  let ending: string | undefined = 'not started'

  function launch(): void {
    const log = openSync(logPath, 'a', 0o600)
    const launched = spawn(order.program, order.arguments, { cwd: dir, stdio: ['ignore', log, log] })
    closeSync(log)
    child = launched
    ending = undefined
    over = new Promise((resolve) => {
      const end = (how: string): void => {
        ending = how
        resolve(how)
      }
      launched.once('error', (error) => end(error.message))
      launched.once('exit', (code, signal) => end(`ended with ${signal ?? code}`))
    })
  }

  async function end(signal: NodeJS.Signals, withinMs: number): Promise<void> {
    if (ending !== undefined) return
    child?.kill(signal)
    if (await until(clock, () => ending !== undefined, { withinMs })) return
    child?.kill('SIGKILL')
    await over
    throw new Error(`${order.program} (${child?.pid}) did not end by ${signal} within ${withinMs} ms`)
  }

  return {
    get pid() {
      return child?.pid ?? 0
    },
    port,
    isRunning: () => child?.pid !== undefined && isRunning(child.pid),
    async start() {
      if (ending === undefined) throw new Error(`${order.program} (${child?.pid}) runs already`)
      launch()
      const answers = (): Promise<boolean> => order.answers().catch(() => false)
      const isSettled = async (): Promise<boolean> => ending !== undefined || (await answers())
      const inTime = await until(clock, isSettled, { withinMs: readyWithinMs, everyMs: 50 })
      if (inTime && ending === undefined) return
      const why = ending ?? `no answer within ${readyWithinMs} ms`
      await end('SIGKILL', killWithinMs)
      throw new Error(`${order.program} on port ${port}: ${why}\n${endOf(logPath)}`)
    },
    kill: () => end('SIGKILL', killWithinMs),
    stop: () => end('SIGTERM', stopWithinMs),
  }
}

function endOf(path: string): string {
  return readFileSync(path, 'utf8').split('\n').slice(-15).join('\n')
}
