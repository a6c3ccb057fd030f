/**
 * Where the real servers are that tests run against: a running one by its URL, or a program to start. Reads the environment
 * that it is given; starts nothing but `--version`.
 *
 * What is named explicitly is what is used: a variable that leads nowhere is a fault, never a reason to look elsewhere.
 * Without one, PATH is looked through, then the directory that test/peers/install fills. An absent peer says where it was
 * looked for, a faulty one what is wrong with it. Both fail only what needs that peer.
 */

import type { Environment, Peer, PeerName, Place } from './peer.ts'
import { spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { findOpenNebula } from './opennebula-peer.ts'
import { findOpenStack } from './openstack-peer.ts'
import { findSshd } from './sshd-peer.ts'
import { findVm } from './vm-peer.ts'

type Known = {
  readonly name: PeerName
  readonly programVariable: string
  /** Absent: it is a program and no server that another program could run. */
  readonly urlVariable?: string
  /** File names in the cache directory. A program of another version than the one before is tested as well. */
  readonly cached: readonly string[]
  /** Of a Python package: the Python that its first line names prints its version. Absent: it does itself, by --version. */
  readonly packageName?: string
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
  {
    name: 'moto_server',
    programVariable: 'PILOTAGE_MOTO_SERVER',
    urlVariable: 'PILOTAGE_MOTO_URL',
    cached: ['moto_server'],
    packageName: 'moto',
  },
  { name: 'squid', programVariable: 'PILOTAGE_SQUID', cached: [] },
  { name: 'cloud-init', programVariable: 'PILOTAGE_CLOUD_INIT', cached: ['cloud-init'] },
]

export function findPeers(env: Environment): readonly Peer[] {
  return [
    ...known.map((one) => sound(one.name, () => find(one, env))),
    sound('openstack', () => findOpenStack(env)),
    sound('opennebula', () => findOpenNebula(env)),
    sound('sshd', () => findSshd(env)),
    sound('vm', () => findVm(cacheDirectory(env))),
  ]
}

/** Throws `not run: ...` with the reason where the peer is absent or faulty. `isOurs`: a running server will not do. */
export function neededPeer(peers: readonly Peer[], name: PeerName, isOurs = false): Place {
  const peer = peers.find((one) => one.name === name)
  if (peer === undefined) throw new Error(`not run: ${name} was not looked for`)
  const place = peer.places.find(({ kind }) => kind === 'program' || !isOurs)
  if (place !== undefined) return place
  throw new Error(
    `not run: ${peer.places.length > 0 ? `${name} is a running server, and a program is needed` : whyAbsent(peer)}`,
  )
}

export function whyAbsent({ name, soughtIn, fault }: Peer): string {
  return fault === undefined
    ? `${name} was not found in ${soughtIn}; test/peers/install gets it`
    : `${name} cannot be used: ${fault}; test/peers/install replaces what it installed itself`
}

/** A peer that is broken must not take the others with it. */
function sound(name: PeerName, look: () => Peer): Peer {
  try {
    return look()
  } catch (error) {
    return { name, places: [], soughtIn: '', fault: error instanceof Error ? error.message : String(error) }
  }
}

/** Where test/peers/install puts what it gets. */
export function cacheDirectory(env: Environment): string {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'pilotage/peers')
}

export function placeText(place: Place): string {
  // An address may carry a password.
  return place.kind === 'url' ? 'a running server' : `${place.version} (${place.program})`
}

function find({ name, programVariable, urlVariable, cached, packageName }: Known, env: Environment): Peer {
  const cache = cacheDirectory(env)
  const soughtIn = [...(urlVariable ? [urlVariable] : []), programVariable, 'PATH', cache].join(', ')
  // A wrapper of pyenv stands in PATH for programs that its Python of today may not have.
  const isThere = (path: string): boolean => isProgram(path) && (!packageName || pythonOf(path) !== undefined)
  const url = urlVariable === undefined ? undefined : env[urlVariable]
  if (url) return { name, places: [{ kind: 'url', url }], soughtIn }
  const named = env[programVariable]
  if (named) {
    if (!isThere(named)) throw new Error(`${programVariable}: ${named} is no program`)
    return { name, places: [placeOf(named, packageName)], soughtIn }
  }
  const inPath = (env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))
  // Debian has servers where only root's PATH leads.
  const system = [`/usr/sbin/${name}`, `/usr/local/sbin/${name}`]
  const first = [...inPath, ...system].find(isThere)
  const others = cached.map((file) => join(cache, file)).filter(isThere)
  const byVersion = new Map<string, Place>()
  for (const program of first === undefined ? others : [first, ...others]) {
    const place = placeOf(program, packageName)
    if (!byVersion.has(place.version)) byVersion.set(place.version, place)
  }
  return { name, places: [...byVersion.values()], soughtIn }
}

function placeOf(program: string, packageName: string | undefined): Extract<Place, { kind: 'program' }> {
  const python = packageName === undefined ? undefined : pythonOf(program)
  const ask = `from importlib.metadata import version; print(version("${packageName}"))`
  const [teller, args] = python === undefined ? [program, ['--version']] : [python, ['-c', ask]]
  const { stdout, status, error } = spawnSync(teller, args, { encoding: 'utf8', timeout: 30_000 })
  const version = /\bv?(\d+\.\d+(?:\.\d+)?[-\w.]*)/.exec(stdout ?? '')?.[1]
  if (status !== 0 || version === undefined)
    throw new Error(`${[teller, ...args].join(' ')}: ${error?.message ?? `exit code ${status}`}`)
  return { kind: 'program', program, version }
}

/** A script names what runs it in its first line. */
function pythonOf(script: string): string | undefined {
  return /^#!\s*(\S*python[\d.]*)\s/.exec(readFileSync(script, 'latin1').slice(0, 256))?.[1]
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
