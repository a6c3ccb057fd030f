/**
 * A payload's own directory: `stdout`, `stderr`, `home` and `tmp`, closed to others.
 *
 * Everything in it was written by a stranger: it is measured without following links, and removed whatever its modes are.
 */

import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { chmod, lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Account } from './accounts.ts'

/** A walk ends here: what was found so far is a lower bound, and the next walk is no dearer. */
const entriesWalked = 50_000

/**
 * Fresh, even where a former life of the pilot left one of that name. With an account, `home` and `tmp` are its own and the
 * way there is open to it; what it cannot read on the way stays ours.
 */
export function makeDirectory(dir: string, account?: Pick<Account, 'own'>): void {
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  if (account) openTheWay(dir)
  for (const path of [join(dir, 'home'), join(dir, 'tmp')]) {
    mkdirSync(path, { mode: 0o700 })
    account?.own(path)
  }
}

/** For payloads under accounts of their own: they pass through a folder that they cannot list, whatever our mask is. */
export function openTheWay(dir: string): void {
  chmodSync(dir, 0o711)
}

/** Bytes on disk, counted until they are more than `enoughBytes`. */
export async function diskUseBytes(dir: string, enoughBytes: number): Promise<number> {
  let bytes = 0
  let entries = 0
  const folders = [dir]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const inside = await readdir(folder, { withFileTypes: true }).catch(() => [])
    for (const entry of inside) {
      entries += 1
      if (bytes > enoughBytes || entries > entriesWalked) return bytes
      const path = join(folder, entry.name)
      if (entry.isDirectory()) folders.push(path)
      else bytes += ((await lstat(path).catch(() => undefined))?.blocks ?? 0) * 512
    }
  }
  return bytes
}

export async function removeDirectory(dir: string): Promise<void> {
  const options = { recursive: true, force: true, maxRetries: 3 } as const
  try {
    await rm(dir, options)
  } catch {
    // A payload may have closed its own folders to everybody, to us too.
    await open(dir)
    await rm(dir, options)
  }
}

async function open(dir: string): Promise<void> {
  await chmod(dir, 0o700)
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (entry.isDirectory()) await open(join(dir, entry.name))
  }
}
