/**
 * Where the real servers are that tests run against: a running one by its URL, or a program to start. Reads the environment
 * that it is given; starts nothing but `--version`.
 *
 * What is named explicitly is what is used: a variable that leads nowhere is an error, never a reason to look elsewhere.
 * Without one, PATH is looked through, then the directory that test/peers/install fills. An absent peer says where it was
 * looked for.
 */

import { spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

export type PeerName = 'mongod' | 'nats-server'

/** `url`: somebody else's, which tests may use and leave as it was, but not stop. */
export type Place =
  | { readonly kind: 'program'; readonly program: string; readonly version: string }
  | { readonly kind: 'url'; readonly url: string }

export type Peer = {
  readonly name: PeerName
  /** Each is to be tested; the first is what is used beside other peers. None: absent. */
  readonly places: readonly Place[]
  /** Where it was looked for. */
  readonly soughtIn: string
}

export type Environment = Readonly<Record<string, string | undefined>>

type Known = {
  readonly name: PeerName
  readonly programVariable: string
  readonly urlVariable: string
  /** File names in the cache directory. A program of another version than the one before is tested as well. */
  readonly cached: readonly string[]
}

const known: readonly Known[] = [
  { name: 'mongod', programVariable: 'PILOTAGE_MONGOD', urlVariable: 'PILOTAGE_MONGO_URL', cached: ['mongod'] },
  {
    name: 'nats-server',
    programVariable: 'PILOTAGE_NATS_SERVER',
    urlVariable: 'PILOTAGE_NATS_URL',
    // The one of Debian, and the one that Go has built.
    cached: ['nats-server', 'nats-server-current'],
  },
]

export function findPeers(env: Environment): readonly Peer[] {
  return known.map((one) => find(one, env))
}

/** Where test/peers/install puts what it gets. */
export function cacheDirectory(env: Environment): string {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'pilotage/peers')
}

export function placeText(place: Place): string {
  // An address may carry a password.
  return place.kind === 'url' ? 'a running server' : `${place.version} (${place.program})`
}

function find({ name, programVariable, urlVariable, cached }: Known, env: Environment): Peer {
  const cache = cacheDirectory(env)
  const soughtIn = `${urlVariable}, ${programVariable}, PATH, ${cache}`
  const url = env[urlVariable]
  if (url) return { name, places: [{ kind: 'url', url }], soughtIn }
  const named = env[programVariable]
  if (named) {
    if (!isProgram(named)) throw new Error(`${programVariable}: ${named} is no program`)
    return { name, places: [placeOf(named)], soughtIn }
  }
  const inPath = (env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))
  // Debian has servers where only root's PATH leads.
  const system = [`/usr/sbin/${name}`, `/usr/local/sbin/${name}`]
  const first = [...inPath, ...system].find(isProgram)
  const others = cached.map((file) => join(cache, file)).filter(isProgram)
  const byVersion = new Map<string, Place>()
  for (const program of first === undefined ? others : [first, ...others]) {
    const place = placeOf(program)
    if (!byVersion.has(place.version)) byVersion.set(place.version, place)
  }
  return { name, places: [...byVersion.values()], soughtIn }
}

function placeOf(program: string): Extract<Place, { kind: 'program' }> {
  const { stdout, status, error } = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 30_000 })
  const version = /\bv?(\d+\.\d+\.\d+[-\w.]*)/.exec(stdout ?? '')?.[1]
  if (status !== 0 || version === undefined)
    throw new Error(`${program} --version: ${error?.message ?? `exit code ${status}`}`)
  return { kind: 'program', program, version }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
