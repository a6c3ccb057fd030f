/**
 * Which service a command talks to, and as which caller: the options, else the environment, else the current context, else
 * the installation that was started in this directory.
 *
 * A context that is named with `--context` is an option like the others and stands before the environment. The token
 * file and the certificate authority of the current context belong to its service: if the options or the environment
 * name another service, the current context is left out whole, so that no token goes to a service that it is not for. A
 * token comes from a file, never from the command line, where every user of the machine can read it.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { PilotageClient } from '../client/pilotage-client.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import { type Context, contextOf, readContexts } from './contexts.ts'
import { type CommonOptions, defaultDataDir, defaultPatienceSeconds, type ExitCode, type Setting } from './setting.ts'
import { readSmallFile } from './small-file.ts'

export type Connection = {
  readonly server: string
  readonly tokenFile: string | undefined
  readonly caFile: string | undefined
  /** What decided on the server. */
  readonly from: 'option' | 'context' | 'environment' | 'default'
}

const defaultServer = '127.0.0.1:7400'
const maxTokenFileBytes = 64 * 1024
const maxCaFileBytes = 1024 * 1024

type Place = Pick<Setting, 'environment' | 'workDir'>

export function connectionOf(place: Place, options: CommonOptions): Connection {
  const { environment, workDir } = place
  const named = namedContext(place, options)
  const given = options.server ?? named?.server ?? (environment.PILOTAGE_SERVER || undefined)
  const current = named ? undefined : currentContext(place, given)
  const ofInstallation = join(workDir, defaultDataDir, 'admin.token')
  return {
    server: given ?? current?.server ?? defaultServer,
    tokenFile:
      options.tokenFile ??
      named?.tokenFile ??
      environment.PILOTAGE_TOKEN_FILE ??
      current?.tokenFile ??
      (existsSync(ofInstallation) ? ofInstallation : undefined),
    caFile: options.caFile ?? named?.caFile ?? environment.PILOTAGE_CA_FILE ?? current?.caFile,
    from: options.server ? 'option' : named ? 'context' : given ? 'environment' : current ? 'context' : 'default',
  }
}

function namedContext(place: Place, { context }: CommonOptions): Context | undefined {
  return context === undefined ? undefined : contextOf(readContexts(place), context)
}

/** Undefined where there is none, or where another service is asked for. */
function currentContext(place: Place, server: string | undefined): Context | undefined {
  const kept = readContexts(place)
  if (kept.current === undefined) return undefined
  const context = contextOf(kept, kept.current)
  return server === undefined || server === context.server ? context : undefined
}

/** Runs with a client and closes it, however the work ends. */
export async function withClient(
  setting: Setting,
  options: CommonOptions,
  work: (client: PilotageClient) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { clock, random, signal } = setting
  const { server, tokenFile, caFile } = connectionOf(setting, options)
  const settings = {
    server,
    token: readToken(tokenFile),
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

function readToken(path: string | undefined): string {
  if (path === undefined) {
    const places = '--token-file, PILOTAGE_TOKEN_FILE or a context (pilotage config set-context)'
    throw new PilotageError('unauthenticated', `no token: name a file with ${places}`)
  }
  const token = readSmallFile(path, maxTokenFileBytes).trim()
  if (!/^[\x21-\x7e]+$/.test(token)) throw new PilotageError('unauthenticated', `${path} does not contain a token`)
  return token
}
