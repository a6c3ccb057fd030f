/** The program's commands within a test's own process: what they print, and how they end. */

import { runCommand } from '../../cli/program.ts'
import type { ExitCode, Setting } from '../../cli/setting.ts'
import { systemClock } from '../../core/kernel/clock.ts'
import { seededRandom } from '../../core/kernel/random.ts'

export type Ran = { readonly code: ExitCode; readonly out: string; readonly err: string }

/** Not on a terminal, with nothing in the environment and at standard input, unless `change` says otherwise. */
export async function run(argv: readonly string[], change: Partial<Setting> = {}): Promise<Ran> {
  const out: string[] = []
  const err: string[] = []
  const code = await runCommand(argv, {
    terminal: {
      isTerminal: false,
      async write(text) {
        out.push(typeof text === 'string' ? text : Buffer.from(text).toString('utf8'))
        return true
      },
      say: (line) => err.push(line),
      async writeError(bytes) {
        err.push(Buffer.from(bytes).toString('utf8'))
        return true
      },
      progress: () => {},
    },
    environment: {},
    workDir: '/',
    clock: systemClock(),
    random: seededRandom(1),
    stdin: (async function* () {})(),
    isStdinTerminal: false,
    signal: new AbortController().signal,
    onReload: () => {},
    startService: () => Promise.reject(new Error('no service of its own here')),
    ...change,
  })
  return { code, out: out.join(''), err: err.join('\n') }
}
