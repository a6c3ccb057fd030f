/**
 * A real OpenStack for tests: a running one by its state directory, or the scripts that bring one up. It takes minutes and
 * two gigabytes, so the runner brings it up once for all files, into its own directory, and takes it down at the end.
 *
 * Tests share it: each works under an installation of its own and removes what it made. `silence` stops Nova's API for a
 * while, as a cloud that accepts connections and answers nothing; `speak` takes that back.
 */

import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import { endAllUnder } from '../support/processes.ts'
import type { Environment, Peer, Place } from './peer.ts'
import { quietRow } from './quiet-ports.ts'

/** What peer.json says, as far as tests use it. */
export type OpenStackFacts = {
  readonly authUrl: string
  readonly region: string
  readonly user: { readonly name: string; readonly domain: string; readonly password: string }
  readonly admin: { readonly name: string; readonly password: string; readonly project: string }
  readonly projects: Readonly<
    Record<
      'peer' | 'peer-small',
      { readonly id: string; readonly applicationCredential: { readonly id: string; readonly secret: string } }
    >
  >
  readonly image: { readonly id: string; readonly name: string }
  readonly flavors: Readonly<Record<string, string>>
  readonly network: { readonly id: string; readonly name: string }
  readonly externalNetwork: { readonly name: string }
  readonly securityGroup: string
  readonly zones: { readonly works: string; readonly bootsAlwaysFail: string }
  readonly keypair: { readonly name: string }
}

export type OpenStackPeer = {
  readonly facts: OpenStackFacts
  silence(): void
  speak(): void
}

/** Beside the repository, as in the project's own workshops. */
const beside = resolve(import.meta.dirname, '../../../shared/peers/openstack')

export function findOpenStack(env: Environment): Peer {
  const soughtIn = `PILOTAGE_OPENSTACK_STATE, PILOTAGE_OPENSTACK_PEER, ${beside}`
  const state = env.PILOTAGE_OPENSTACK_STATE
  if (state) {
    if (!isFile(join(state, 'peer.json'))) throw new Error(`PILOTAGE_OPENSTACK_STATE: ${state} has no peer.json`)
    return { name: 'openstack', places: [{ kind: 'url', url: resolve(state) }], soughtIn }
  }
  const named = env.PILOTAGE_OPENSTACK_PEER
  const program = join(named || beside, 'up')
  if (isFile(program)) return { name: 'openstack', places: [{ kind: 'program', program, version: 'Zed' }], soughtIn }
  if (named) throw new Error(`PILOTAGE_OPENSTACK_PEER: ${named} has no up`)
  return { name: 'openstack', places: [], soughtIn }
}

/** Brings it up if the scripts are what was found. Resolves with what takes it down again. */
export async function raiseOpenStack(clock: Clock, place: Place, dir: string): Promise<() => Promise<void>> {
  if (place.kind === 'url') return async () => {}
  const state = openStackIn(place, dir)
  const log = logIn(dir)
  mkdirSync(dirname(log), { recursive: true })
  console.log(`openstack: bringing it up in ${state}; minutes, the first time`)
  const down = (): Promise<void> => lowerOpenStack(clock, place, dir)
  try {
    await run([`OPENSTACK_PEER_PORT=${await quietRow(portsNeeded)}`, resolve(place.program), state], log)
  } catch (error) {
    await down().catch(() => {})
    throw error
  }
  return down
}

/**
 * Takes down what was brought up in the directory, by whichever process: its own script, by the numbers of the services, and
 * then every process of it that is still there. A worker that starts while its service is killed has no parent that ends it.
 */
export async function lowerOpenStack(clock: Clock, place: Place, dir: string): Promise<void> {
  const log = logIn(dir)
  if (place.kind === 'url' || !existsSync(dirname(log))) return
  const state = openStackIn(place, dir)
  try {
    await run([resolve(place.program, '../down'), '--wipe', state], log)
  } finally {
    for (const left of [dirname(log), state]) await endAllUnder(clock, left)
  }
}

export function openOpenStack(place: Place, dir: string): OpenStackPeer {
  const state = openStackIn(place, dir)
  const signal = (name: NodeJS.Signals): void => {
    // Its number and when it began. It leads a group: its workers are what answers.
    const [pid = ''] = readFileSync(join(state, 'run/nova-api.pid'), 'utf8').split(/\s+/)
    process.kill(-Number(pid), name)
  }
  return {
    facts: JSON.parse(readFileSync(join(state, 'peer.json'), 'utf8')) as OpenStackFacts,
    silence: () => signal('SIGSTOP'),
    speak: () => signal('SIGCONT'),
  }
}

const portsNeeded = 9

/** The services work beside it. */
function logIn(dir: string): string {
  return join(dir, 'openstack-work/openstack.log')
}

/** The state directory of what is found, or of what is brought up in a directory. */
export function openStackIn(place: Place, dir: string): string {
  return place.kind === 'url' ? place.url : join(dir, 'openstack')
}

/** By `env`, which adds to what the runner has in its environment. */
async function run(command: readonly string[], log: string): Promise<void> {
  const output = openSync(log, 'a', 0o600)
  // Some of its services overwrite what /proc shows of them: where they work says whose they are.
  const child = spawn('env', command, { cwd: dirname(log), stdio: ['ignore', output, output] })
  closeSync(output)
  const how = await new Promise<string>((done) => {
    child.once('error', (error) => done(error.message))
    child.once('exit', (code, signal) => done(code === 0 ? '' : `ended with ${signal ?? code}`))
  })
  if (how === '') return
  throw new Error(`${command.join(' ')}: ${how}\n${readFileSync(log, 'utf8').split('\n').slice(-15).join('\n')}`)
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}
