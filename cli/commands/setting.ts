/**
 * What every command works in: the terminal, the environment, the way to a service. Commands get it as an argument, so that
 * a test can give them another.
 *
 * Decides which server and token a command uses: the option, else the environment, else the installation that was started in
 * this directory. A token comes from a file, never from the command line, where every user of the machine can read it.
 */

import { existsSync, openSync, readSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { InvalidArgumentError } from 'commander'
import type { Clock } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Random } from '../../core/kernel/random.ts'
import { connectPilotage, type PilotageClient } from '../../client/pilotage-client.ts'
import type { Terminal } from './terminal.ts'

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
  /** The user wants to leave. */
  readonly signal: AbortSignal
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

/** How a command ended: 0 done, 1 refused or failed. Usage is 2, and not theirs to say. */
export type ExitCode = 0 | 1

const defaultServer = '127.0.0.1:7400'
const defaultDataDir = 'pilotage-data'
/** People wait for a command; a service that is starting needs a second or two. */
const defaultPatienceSeconds = 5
const tokenFileBytes = 64 * 1024
const caFileBytes = 1024 * 1024

function openClient(setting: Setting, options: CommonOptions): PilotageClient {
  const { environment, clock, random, signal } = setting
  const caFile = options.caFile ?? environment.PILOTAGE_CA_FILE
  return connectPilotage({
    server: options.server ?? environment.PILOTAGE_SERVER ?? defaultServer,
    token: readToken(setting, options),
    caPem: caFile === undefined ? undefined : readSmallFile(caFile, caFileBytes),
    patienceMs: (options.patience ?? defaultPatienceSeconds) * 1000,
    signal,
    clock,
    random,
  })
}

/** Runs with a client and closes it, whatever happens. */
export async function withClient(
  setting: Setting,
  options: CommonOptions,
  work: (client: PilotageClient) => Promise<ExitCode>,
): Promise<ExitCode> {
  const client = openClient(setting, options)
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
  const token = readSmallFile(path, tokenFileBytes).trim()
  if (!/^[\x21-\x7e]+$/.test(token)) throw new PilotageError('unauthenticated', `${path} does not hold a token`)
  return token
}

/** At most so many bytes, whatever the file claims to be. */
export function readSmallFile(path: string, mostBytes: number): string {
  const buffer = Buffer.alloc(mostBytes + 1)
  let length = 0
  try {
    const file = openSync(path, 'r')
    try {
      for (let got = -1; got !== 0 && length <= mostBytes; length += got)
        got = readSync(file, buffer, length, buffer.length - length, null)
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    throw new PilotageError('not-found', `reading ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
  if (length > mostBytes) throw new PilotageError('too-large', `${path} is larger than ${mostBytes} bytes`)
  return buffer.toString('utf8', 0, length)
}

/** For commander: a job's id. */
export function jobIdArgument(text: string): number {
  const id = /^\d{1,15}$/.test(text) ? Number(text) : 0
  if (id > 0) return id
  throw new InvalidArgumentError('a job is named by its number, 1 or more')
}

export function jobIdArguments(text: string, before: readonly number[] | undefined): readonly number[] {
  return [...(before ?? []), jobIdArgument(text)]
}

/** For commander: a number in a range, whole unless said otherwise. */
export function numberArgument(least: number, most: number, whole = true): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}(\.\d{1,6})?$/.test(text) ? Number(text) : NaN
    if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value
    throw new InvalidArgumentError(`${whole ? 'a whole number' : 'a number'} from ${least} to ${most}`)
  }
}
