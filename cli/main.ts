/**
 * The `pilotage` command as a process: its environment, signals, streams and exit code, and nothing else of it.
 *
 * Exit codes: 0 done, 1 refused or failed, 2 wrong usage. An interrupt ends what is under way in good order: calls are
 * cancelled, a service that the command started is stopped.
 */

import { type Clock, systemClock } from '../core/kernel/clock.ts'
import { systemRandom } from '../core/kernel/random.ts'
import { runCommand } from './commands/program.ts'
import type { StartService } from './commands/setting.ts'
import type { Terminal } from './commands/terminal.ts'

const loggedProgressMs = 5000

/** Runs the command and sets the exit code of this process. `startService` is for the commands that bring their own. */
export async function main(argv: readonly string[], startService: StartService): Promise<void> {
  const clock = systemClock()
  const leaving = new AbortController()
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      // Asked twice: whoever asks does not want to wait for good order.
      if (leaving.signal.aborted) process.exit(code)
      leaving.abort()
      process.stdin.destroy()
    })
  }
  // A reader that closed the pipe (head, less) has seen enough.
  process.stdout.on('error', () => leaving.abort())
  process.exitCode = await runCommand(argv, {
    terminal: processTerminal(clock),
    environment: process.env,
    workDir: process.cwd(),
    clock,
    random: systemRandom(),
    stdin: process.stdin,
    signal: leaving.signal,
    startService,
  })
}

function processTerminal(clock: Clock): Terminal {
  const { stdout, stderr } = process
  let shown = false
  let nextMs = 0
  const clear = (): void => {
    if (shown) stderr.write('\r\u001b[K')
    shown = false
  }
  return {
    isTerminal: stdout.isTTY === true,
    write(text) {
      clear()
      return new Promise((resolve) => stdout.write(text, () => resolve()))
    },
    say(line) {
      clear()
      stderr.write(`${line}\n`)
    },
    progress(line) {
      if (!stderr.isTTY) {
        // A log keeps every line: one in a while is enough.
        if (line === '' || clock.monotonicMs() < nextMs) return
        nextMs = clock.monotonicMs() + loggedProgressMs
        stderr.write(`${line}\n`)
        return
      }
      clear()
      if (line === '') return
      stderr.write(line.slice(0, Math.max(20, (stderr.columns || 80) - 1)))
      shown = true
    },
  }
}
