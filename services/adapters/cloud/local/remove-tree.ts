/**
 * Removes a tree that payloads made: paths longer than the kernel takes, folders closed to their owner, names that are not
 * text.
 *
 * The usual way comes first. If it fails, the tree is taken apart: each folder is held by a descriptor and opened, and the
 * folders in it are moved to the top before it is removed. What stays true: no path names more than one entry of the tree,
 * no link is followed, and the same tree may be removed twice at one time.
 */

import { constants, type Dirent } from 'node:fs'
import { chmod, lstat, open, readdir, rename, rm, rmdir, unlink } from 'node:fs/promises'

/** Of Linux, on every processor that Node runs on: a descriptor that names a folder which may be closed to reading. */
const openPath = 0o10000000
const openMode = 0o700
const retries = 3

/** Rejects where something is left. Nothing there is good. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: retries })
  } catch {
    await ignoreAbsent(takeApart(path))
  }
}

async function takeApart(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) {
    await unlink(path)
    return
  }
  let moved = 0
  await inFolder(path, async (top) => {
    // Of this removal alone: a folder moved onto an empty one of another removal would take its place.
    const nextName = (): Buffer => {
      moved += 1
      return Buffer.from(`lifted-${process.pid}-${top}-${moved}`)
    }
    for (let entries = await entriesOf(top); entries.length > 0; entries = await entriesOf(top)) {
      for (const { name, isFolder } of entries) {
        await ignoreAbsent(isFolder ? liftOut(below(top, name), () => below(top, nextName())) : unlink(below(top, name)))
      }
    }
  })
  await rmdir(path)
}

/** The folders in it are moved to the next free place, and everything else in it is removed, and it itself. */
async function liftOut(path: Buffer, nextPlace: () => Buffer): Promise<void> {
  await inFolder(path, async (folder) => {
    for (const { name, isFolder } of await entriesOf(folder)) {
      const from = below(folder, name)
      if (isFolder) {
        // Its entry `..` changes: the system asks for the right to write to it.
        await ignoreAbsent(inFolder(from, async () => undefined))
        await ignoreAbsent(moveTo(from, nextPlace))
      } else await ignoreAbsent(unlink(from))
    }
  })
  await rmdir(path)
}

/** A place may be taken already: a payload names its folders as it likes. */
async function moveTo(from: Buffer, nextPlace: () => Buffer): Promise<void> {
  for (;;) {
    try {
      await rename(from, nextPlace())
      return
    } catch (error) {
      const isTaken = ['EEXIST', 'ENOTEMPTY', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
      if (!isTaken) throw error
    }
  }
}

/** Holds the folder itself, whatever its path leads to later, and opens it to its owner. */
async function inFolder(path: string | Buffer, act: (folder: number) => Promise<void>): Promise<void> {
  const handle = await open(path, openPath | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    await chmod(`/proc/self/fd/${handle.fd}`, openMode)
    await act(handle.fd)
  } finally {
    await handle.close()
  }
}

async function entriesOf(folder: number): Promise<readonly { readonly name: Buffer; readonly isFolder: boolean }[]> {
  const all: Dirent<Buffer>[] = await readdir(`/proc/self/fd/${folder}`, { withFileTypes: true, encoding: 'buffer' })
  return all.map((one) => ({ name: one.name, isFolder: one.isDirectory() }))
}

function below(folder: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${folder}/`), name])
}

async function ignoreAbsent(removal: Promise<void>): Promise<void> {
  try {
    await removal
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
