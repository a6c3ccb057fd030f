/**
 * The data directory: one installation, one writer. Holds the store, the sandbox, the installation's signing key and name, the
 * admin's first token, and the lock.
 *
 * The lock is a file that names its owner by pid and start time: after `kill -9` the next start sees that the owner is dead
 * (or that its pid was given to somebody else) and takes over. Everything here is readable by its owner only.
 */

import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PilotageError } from '../core/errors.ts'
import { systemRandom } from '../core/random.ts'

export type Installation = {
  readonly dataDir: string
  /** Its name towards clouds and in tokens: no two installations share one. */
  readonly name: string
  readonly signingKey: string
  readonly adminTokenPath: string
  readonly path: (name: string) => string
  unlock(): void
}

/** Throws `store-locked` where a living process holds the directory. `makeKey` is called on the first start only. */
export async function openInstallation(dataDir: string, makeKey: () => Promise<string>): Promise<Installation> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const path = (name: string): string => join(dataDir, name)
  const unlock = takeLock(path('lock'))
  const keyPath = path('signing-key.json')
  if (!existsSync(keyPath)) writeWhole(keyPath, await makeKey())
  const namePath = path('installation')
  if (!existsSync(namePath)) writeWhole(namePath, `pilotage-${systemRandom().letters(8)}\n`)
  return {
    dataDir,
    name: readFileSync(namePath, 'utf8').trim(),
    signingKey: readFileSync(keyPath, 'utf8'),
    adminTokenPath: path('admin.token'),
    path,
    unlock,
  }
}

/** There whole or not at all, 0600. */
export function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.part`, text, { mode: 0o600, flush: true })
  renameSync(`${path}.part`, path)
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
        // Somebody was faster; the next try sees who.
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
