/**
 * What every command works in: the terminal, the environment, the connection to a service. Commands get it as an argument,
 * so that a test can give them another.
 *
 * Decides which server and token a command uses: the option, else the environment, else the installation that was started in
 * this directory. A token comes from a file, never from the command line, where every user of the machine can read it.
 */

import { closeSync, existsSync, openSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PilotageClient } from '../client/pilotage-client.ts'
import type { Clock } from '../core/kernel/clock.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import { utf8Text } from '../core/kernel/file-text.ts'
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
  readonly patience?: number
  readonly json?: boolean
}

/**
 * How a command ended: 0 done, 1 failed or refused, 2 wrong usage, `signal` cut short by the user. `run` ends with its
 * payload's exit code.
 */
export type ExitCode = number | 'signal'

const defaultServer = '127.0.0.1:7400'
/** Of a service that was started in this directory. */
export const defaultDataDir = 'pilotage-data'
/** People wait for a command; a service that is starting needs a second or two. */
export const defaultPatienceSeconds = 5
const maxTokenFileBytes = 64 * 1024
const maxCaFileBytes = 1024 * 1024

/** Runs with a client and closes it, however the work ends. */
export async function withClient(
  setting: Setting,
  options: CommonOptions,
  work: (client: PilotageClient) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { environment, clock, random, signal } = setting
  const caFile = options.caFile ?? environment.PILOTAGE_CA_FILE
  const settings = {
    server: options.server ?? environment.PILOTAGE_SERVER ?? defaultServer,
    token: readToken(setting, options),
    caPem: caFile === undefined ? undefined : readSmallFile(caFile, maxCaFileBytes),
    patienceMs: (options.patience ?? defaultPatienceSeconds) * 1000,
    signal,
    clock,
    random,
  }
  const { connectPilotage } = await import('../client/pilotage-client.ts')
  const client = connectPilotage(settings)
  try {
    return await work(client)
  } finally {
    client.close()
  }
}

function readToken({ environment, workDir }: Setting, { tokenFile }: CommonOptions): string {
  const ofInstallation = join(workDir, defaultDataDir, 'admin.token')
  const path = tokenFile ?? environment.PILOTAGE_TOKEN_FILE ?? (existsSync(ofInstallation) ? ofInstallation : undefined)
  if (path === undefined) {
    throw new PilotageError('unauthenticated', 'no token: name a file with --token-file or PILOTAGE_TOKEN_FILE')
  }
  const token = readSmallFile(path, maxTokenFileBytes).trim()
  if (!/^[\x21-\x7e]+$/.test(token)) throw new PilotageError('unauthenticated', `${path} does not contain a token`)
  return token
}

/** Reads `maxBytes` at most, whatever size the file claims to have. */
export function readSmallFile(path: string, maxBytes: number): string {
  const buffer = Buffer.alloc(maxBytes + 1)
  let length = 0
  try {
    const file = openSync(path, 'r')
    try {
      for (let got = -1; got !== 0 && length <= maxBytes; length += got)
        got = readSync(file, buffer, length, buffer.length - length, null)
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    throw new PilotageError('not-found', `reading ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
  if (length > maxBytes) throw new PilotageError('too-large', `${path} is larger than ${maxBytes} bytes`)
  return utf8Text(buffer.subarray(0, length), path)
}

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
