/**
 * The `pilotage` command as a process: its arguments, environment, signals, streams and exit code. No other file of cli/
 * touches them.
 *
 * Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 128 and the signal's number where a signal ended it; `run` has its
 * payload's. The first
 * signal ends the command in good order: calls are cancelled, a service that it runs is stopped. The second one ends it at
 * once. SIGHUP reloads a command that can reload.
 */

import { isatty } from 'node:tty'
import { systemClock } from '../core/kernel/clock.ts'
import { systemRandom } from '../core/kernel/random.ts'
import { streamTerminal, wantsColors } from './output/terminal.ts'
import { runCommand } from './program.ts'

const signalCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const
/** As programs end that the kernel stops with SIGPIPE. */
const pipeClosedCode = 141

/** Runs the command of this process's command line, and ends the process. */
export async function runProcess(): Promise<void> {
  const clock = systemClock()
  const leaving = new AbortController()
  let signalCode = 1
  let isStdinOpen = false
  let reload: (() => void) | undefined
  for (const [signal, code] of Object.entries(signalCodes)) {
    process.on(signal, () => {
      if (signal === 'SIGHUP' && reload) {
        reload()
        return
      }
      if (leaving.signal.aborted) process.exit(code)
      signalCode = code
      leaving.abort(signal)
      if (isStdinOpen) process.stdin.destroy()
    })
  }
  // The reader (head, less) closed the pipe and wants no more.
  process.stdout.on('error', () => {
    signalCode = pipeClosedCode
    leaving.abort('stdout-closed')
  })
  const ended = await runCommand(process.argv.slice(2), {
    terminal: streamTerminal(process.stdout, process.stderr, clock, wantsColors(process.env)),
    environment: process.env,
    workDir: process.cwd(),
    clock,
    random: systemRandom(),
    stdin: (async function* () {
      isStdinOpen = true
      yield* process.stdin
    })(),
    isStdinTerminal: isatty(0),
    signal: leaving.signal,
    onReload(given) {
      reload = given
    },
    async startService(options) {
      const { startService } = await import('../services/run/compose.ts')
      return startService({ ...options, environment: process.env })
    },
  })
  // Nothing is left to do, and what was written is written. A VM that hangs may hold its end of a connection: not waited
  // for.
  process.exit(ended === 'signal' ? signalCode : ended)
}
