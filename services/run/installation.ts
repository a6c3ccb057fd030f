/**
 * The data directory of one installation. Holds its signing key and its name, the admin's token, the agents' programs, and
 * with the embedded store that one, what payloads wrote, and the lock.
 *
 * The embedded store has one process: the lock is a file that names its owner by pid and start time, and after `kill -9` the
 * next start sees that the owner is dead (or that its pid was given to another process) and takes over. Over a shared store
 * any number of processes may have the directory, and start in it at one instant: what is made once is made by one of them,
 * and the others read it. Everything here is readable by its owner only.
 */

import { createHash } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { FactStore } from '../../core/ports/store.ts'
import { systemRandom } from '../../core/kernel/random.ts'

export type Installation = {
  readonly dataDir: string
  /** Its name towards clouds and in tokens: no two installations share one. */
  readonly name: string
  readonly signingKey: string
  readonly adminTokenPath: string
  readonly path: (name: string) => string
  unlock(): void
}

export type InstallationOptions = {
  /** Called where there is no key yet. What it makes counts only for the first of several that start at once. */
  readonly makeKey: () => Promise<string>
  /** Keep every other process out of the directory until `unlock`. */
  readonly alone: boolean
}

/** Throws `store-locked` where it is to be ours alone and a living process holds it. */
export async function openInstallation(dataDir: string, { makeKey, alone }: InstallationOptions): Promise<Installation> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const path = (name: string): string => join(dataDir, name)
  const unlock = alone ? takeLock(path('lock')) : () => {}
  const keyPath = path('signing-key.json')
  if (!existsSync(keyPath)) keepFirst(keyPath, await makeKey())
  const namePath = path('installation')
  if (!existsSync(namePath)) keepFirst(namePath, `pilotage-${systemRandom().letters(8)}\n`)
  return {
    dataDir,
    name: readFileSync(namePath, 'utf8').trim(),
    signingKey: readFileSync(keyPath, 'utf8'),
    adminTokenPath: path('admin.token'),
    path,
    unlock,
  }
}

/** For work on the embedded store beside every service: until what it answers is called. Throws `store-locked`. */
export function lockDirectory(dataDir: string): () => void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  return takeLock(join(dataDir, 'lock'))
}

/**
 * Over a shared store: that all who use it are one installation. Machines that were given the store but not the two files
 * would take each other's tokens for forgeries. Throws `conflict`.
 */
export async function agreeOn(
  { name, signingKey }: Installation,
  store: Pick<FactStore, 'note' | 'keepNote'>,
): Promise<void> {
  const mine = JSON.stringify({ name, key: createHash('sha256').update(signingKey).digest('hex').slice(0, 16) })
  if ((await store.note(installationNote)) === undefined) await store.keepNote(installationNote, mine)
  // Read again: of two that came first at one instant, one has overwritten the other.
  if ((await store.note(installationNote)) === mine) return
  throw new PilotageError(
    'conflict',
    `the store belongs to another installation than ${name}: copy \`installation\` and \`signing-key.json\` from the data ` +
      'directory of a machine that uses it',
  )
}

const installationNote = 'installation'

/** There whole or not at all, 0600. Of several that write at once the last one stays. */
export function writeWhole(path: string, text: string): void {
  renameSync(writeBeside(path, text), path)
}

/** As `writeWhole`, but of several the first one stays. */
function keepFirst(path: string, text: string): void {
  const beside = writeBeside(path, text)
  try {
    linked(beside, path)
  } finally {
    rmSync(beside, { force: true })
  }
}

/** Under a name of its own: pids are no names where processes of several containers share the directory. */
function writeBeside(path: string, text: string): string {
  const beside = `${path}.${systemRandom().letters(8)}.part`
  writeFileSync(beside, text, { mode: 0o600, flush: true, flag: 'wx' })
  return beside
}

function takeLock(path: string): () => void {
  const mine = `${process.pid} ${startOf(process.pid)}\n`
  const claim = `${path}.${process.pid}`
  writeFileSync(claim, mine, { mode: 0o600 })
  try {
    // Two tries: the second one after a dead owner's lock was put away.
    for (let tries = 0; tries < 2; tries += 1) {
      if (linked(claim, path)) return () => release(path, mine)
      const owner = readOwner(path)
      if (owner && owner.start !== '' && startOf(owner.pid) === owner.start && owner.text !== mine) {
        throw new PilotageError('store-locked', `the data directory is in use by process ${owner.pid}`)
      }
      // Renamed before it is removed: of two starters that see the same dead lock one puts away that very file.
      const aside = `${path}.dead.${process.pid}`
      try {
        renameSync(path, aside)
        rmSync(aside, { force: true })
      } catch {
        // Another process was faster; the next try sees which.
      }
    }
    throw new PilotageError('store-locked', 'another process takes the data directory at this moment')
  } finally {
    rmSync(claim, { force: true })
  }
}

/** A hard link is made by one process only. */
function linked(claim: string, path: string): boolean {
  try {
    linkSync(claim, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function readOwner(path: string): { pid: number; start: string; text: string } | undefined {
  try {
    const text = readFileSync(path, 'utf8')
    const [pid, start] = text.trim().split(' ')
    return { pid: Number(pid), start: start ?? '', text }
  } catch {
    return undefined
  }
}

/** When a process was started, in the kernel's ticks since boot; empty where there is none. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

function release(path: string, mine: string): void {
  if (readOwner(path)?.text === mine) rmSync(path, { force: true })
}
