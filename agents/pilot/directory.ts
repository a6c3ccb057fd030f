/**
 * A payload's own directory: `stdout`, `stderr`, `home` and `tmp`, closed to others.
 *
 * The directory itself and the outputs belong to the pilot; `home` and `tmp` belong to the payload's account. What is in
 * them was written by a stranger: it is removed by that account, or, where the pilot and its payloads have one account, by
 * the pilot once nothing of the payload runs.
 */

import { chmodSync, chownSync, lstatSync, mkdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { runScript } from './isolation/as-account.ts'

const ownFolders = ['home', 'tmp']
const removeMs = 120_000

/**
 * Throws where it is there already. `inTmp`: folders in `tmp`, each after the one that it lies in. With a `uid` the way
 * into it is open to the group of the same number alone, so that two payloads cannot meet in it whatever modes they set.
 */
export function makeDirectory(dir: string, uid?: number, inTmp: readonly string[] = []): void {
  mkdirSync(dir, { mode: 0o700 })
  if (uid !== undefined) {
    chownSync(dir, -1, uid)
    chmodSync(dir, 0o710)
  }
  const folders = [...ownFolders, ...inTmp.map((name) => join('tmp', name))].map((name) => join(dir, name))
  for (const path of folders) mkdirSync(path, { mode: 0o700 })
  // The innermost first: once a folder is the account's, the pilot passes through it no more.
  if (uid !== undefined) for (const path of folders.reverse()) chownSync(path, uid, uid)
}

/** For payloads under accounts of their own: they pass through a folder that they cannot list, whatever our mask is. */
export function openTheWay(dir: string): void {
  chmodSync(dir, 0o711)
}

/**
 * Closed folders are opened by their owner first: those beside each other in one call, then those that lie in each other one
 * by one. GNU, BSD and busybox tools follow no link here, and no list of names is longer than the kernel takes.
 */
const removeScript = [
  'cd "$1" || exit 0; shift',
  'for one in "$@"; do',
  '  [ -d "$one" ] && [ ! -L "$one" ] && chmod u+rwx "$one" && cd "$one" || continue',
  '  find . -type d ! -perm -700 -execdir chmod u+rwx {} +',
  '  find . -type d ! -perm -700 -execdir chmod u+rwx {} \\;',
  '  find . ! -name . -prune -exec rm -rf -- {} +',
  '  cd ..; rmdir "$one"',
  'done 2>/dev/null',
  'exit 0',
].join('\n')

/** `isOurs`: whether an account is one for payloads. `remover`: the account that removes its files; absent: the pilot's. */
export type Owners = { readonly isOurs: (uid: number) => boolean; readonly remover: (uid: number) => number | undefined }

const pilotAlone: Owners = { isOurs: () => false, remover: () => undefined }

/** outputs: `stdout` and `stderr` stay, for they are not delivered yet. */
export type Keeping = 'nothing' | 'outputs'

/** Called when nothing of the payload runs. Rejects where something is left. Repeating it is harmless. */
export async function removeDirectory(
  dir: string,
  owners: Owners = pilotAlone,
  keeping: Keeping = 'nothing',
): Promise<void> {
  const { isOurs, remover } = owners
  const self = process.getuid?.()
  const stats = ownFolders.map((name) => lstatSync(join(dir, name), { throwIfNoEntry: false }))
  for (const uid of new Set(stats.flatMap((stat) => (stat ? [stat.uid] : [])))) {
    if (uid === self) continue
    if (!isOurs(uid)) throw new Error(`${dir} has folders of account ${uid}, which is not a payload's`)
    await runScript(remover(uid), removeScript, [dir, ...ownFolders], removeMs)
  }
  const foreign = stats.some((stat) => stat !== undefined && stat.uid !== self)
  if (keeping === 'outputs') {
    for (const name of ownFolders) await (foreign ? removeFolder(dir, name) : removeTree(join(dir, name)))
  } else if (foreign) removeOwn(dir)
  else await removeTree(dir)
}

/** Removes it, and says why it is still there; empty: it is not. */
export function whyKept(dir: string, owners: Owners): Promise<string> {
  return removeDirectory(dir, owners).then(
    () => '',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
}

/** Entry by entry, so that no path leads through a folder that was a stranger's. */
function removeOwn(dir: string): void {
  for (const name of ownFolders) removeFolder(dir, name)
  for (const name of ['stdout', 'stderr', 'root']) {
    ignoreAbsent(() => (name === 'root' ? rmdirSync : unlinkSync)(join(dir, name)))
  }
  ignoreAbsent(() => rmdirSync(dir))
}

function removeFolder(dir: string, name: string): void {
  ignoreAbsent(() => rmdirSync(join(dir, name)))
}

/** All of it is the pilot's own account's. */
async function removeTree(dir: string): Promise<void> {
  try {
    await rm(dir, { recursive: true, force: true, maxRetries: 3 })
  } catch {
    // A payload may have closed its own folders, made them deeper than a path may be long, or given them names that are no
    // text.
    await runScript(undefined, removeScript, [dirname(dir), basename(dir)], removeMs)
    await rm(dir, { recursive: true, force: true })
  }
}

function ignoreAbsent(remove: () => void): void {
  try {
    remove()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
