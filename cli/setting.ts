/**
 * What every command works in: the terminal, the environment, the connection to a service. Commands get it as an argument,
 * so that a test can give them another.
 */

import { writeFileSync } from 'node:fs'
import type { Clock } from '../core/kernel/clock.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import type { Random } from '../core/kernel/random.ts'
import type { Terminal } from './output/terminal.ts'

/** A service that a command started for itself. */
export type OwnService = {
  readonly server: string
  readonly adminToken: string
  readonly dashboardUrl: string
  readonly dataDir: string
  /** Of payloads on this machine. */
  readonly isolation?: string
  stop(): Promise<void>
}

export type StartService = (options: { readonly dataDir: string; readonly config?: object }) => Promise<OwnService>

export type Setting = {
  readonly terminal: Terminal
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workDir: string
  readonly clock: Clock
  readonly random: Random
  readonly stdin: AsyncIterable<Uint8Array>
  readonly isStdinTerminal: boolean
  /** Aborted when the user wants to leave, or the reader of standard output is gone. */
  readonly signal: AbortSignal
  /** Is given what SIGHUP does instead of ending the command. */
  readonly onReload: (reload: () => void) => void
  readonly startService: StartService
}

/** The options that every command has. */
export type CommonOptions = {
  readonly server?: string
  readonly tokenFile?: string
  readonly caFile?: string
  /** The name of a context. */
  readonly context?: string
  readonly patience?: number
  readonly json?: boolean
}

/**
 * How a command ended: 0 done, 1 failed or refused, 2 wrong usage, `signal` cut short by the user. `run` ends with its
 * payload's exit code.
 */
export type ExitCode = number | 'signal'

/** Of a service that was started in this directory. */
export const defaultDataDir = 'pilotage-data'
/** People wait for a command; a service that is starting needs a second or two. */
export const defaultPatienceSeconds = 5

/** Refuses a file that exists: its mode and its readers were chosen by its owner. */
export function writeNewFile(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode })
  } catch (cause) {
    throw new PilotageError('conflict', `writing ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}
