/**
 * Contexts: named services with a token file and a certificate authority each, in one file of the user's, and which of them
 * is current. As kubectl keeps them.
 *
 * The file names paths, never a token. It has mode 0600 and is replaced whole. One that others may write is refused: with
 * another address in it, a token would go there.
 */

import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { endpointsForm, parseEndpoints } from '../core/kernel/endpoints.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import { isName } from '../core/kernel/text.ts'
import type { Setting } from './setting.ts'
import { readSmallFile } from './small-file.ts'

/** Paths are absolute. */
export type Context = { readonly server: string; readonly tokenFile?: string; readonly caFile?: string }

export type Contexts = { readonly current?: string; readonly contexts: Readonly<Record<string, Context>> }

type Place = Pick<Setting, 'environment' | 'workDir'>

const maxFileBytes = 1024 * 1024
const othersMayWrite = 0o022
const none: Contexts = { contexts: {} }

/** Undefined where the user has no home. */
export function contextsPath({ environment }: Place): string | undefined {
  const { XDG_CONFIG_HOME: config, HOME: home } = environment
  if (config) return join(config, 'pilotage/contexts.json')
  return home ? join(home, '.config/pilotage/contexts.json') : undefined
}

export function readContexts(place: Place): Contexts {
  const path = contextsPath(place)
  if (path === undefined || !existsSync(path)) return none
  const mode = statSync(path).mode & 0o777
  if ((mode & othersMayWrite) !== 0) {
    throw new PilotageError('conflict', `${path} has mode ${mode.toString(8)}, so others may write it: chmod 600 it`)
  }
  return contextsIn(path, readSmallFile(path, maxFileBytes))
}

function contextsIn(path: string, text: string): Contexts {
  try {
    const { current, contexts } = JSON.parse(text) as Contexts
    const given = Object.entries(contexts).map(([name, context]) => [name, checked(name, context)] as const)
    return { current: typeof current === 'string' ? current : undefined, contexts: Object.fromEntries(given) }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new PilotageError('invalid-argument', `${path} does not hold contexts: ${why}; remove it to begin anew`, { cause })
  }
}

/** Throws where it cannot be one. */
export function checked(name: string, { server, tokenFile, caFile }: Context): Context {
  if (!isName(name) || name === '__proto__') {
    throw new PilotageError('invalid-argument', `${name} is no name of a context; accepted: letters, digits and . _ : / + -`)
  }
  if (parseEndpoints(server) === undefined)
    throw new PilotageError('invalid-argument', `${server} is no server: ${endpointsForm}`)
  for (const file of [tokenFile, caFile]) {
    if (file !== undefined && resolve(file) !== file) throw new PilotageError('invalid-argument', `${file} is not absolute`)
  }
  return { server, ...(tokenFile === undefined ? {} : { tokenFile }), ...(caFile === undefined ? {} : { caFile }) }
}

/** Whole or not at all: two commands at one time leave what one of them wrote. */
export function writeContexts(place: Place, contexts: Contexts): string {
  const path = contextsPath(place)
  if (path === undefined)
    throw new PilotageError('not-found', 'no place for contexts: set XDG_CONFIG_HOME or HOME to a directory')
  const fresh = `${path}.${process.pid}`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(fresh, `${JSON.stringify(contexts, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' })
    chmodSync(fresh, 0o600)
    renameSync(fresh, path)
  } catch (cause) {
    rmSync(fresh, { force: true })
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new PilotageError('conflict', `writing ${path}: ${why}`, { cause })
  }
  return path
}

export function contextOf({ contexts }: Contexts, name: string): Context {
  const found = Object.hasOwn(contexts, name) ? contexts[name] : undefined
  if (found) return found
  const known = Object.keys(contexts)
  const next = known.length === 0 ? 'make one with pilotage config set-context' : `accepted: ${known.join(', ')}`
  throw new PilotageError('not-found', `there is no context ${name}; ${next}`)
}
