/**
 * Files that were received, written below a directory and nowhere else: a path that is none of a sandbox is refused, and so
 * is one that leads through a link. A file appears whole under its name, and replaces what had it.
 */

import { lstat, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PilotageError, shown } from '../core/kernel/errors.ts'
import { sandboxPathForm, sandboxPathProblem } from '../core/model/sandbox-file.ts'

export type ReceivedFile = { readonly path: string; readonly executable: boolean }

/** Where it lies then. Throws what the pieces throw: nothing is left of it. */
export async function writeReceived(
  directory: string,
  { path, executable }: ReceivedFile,
  pieces: AsyncIterable<Uint8Array>,
): Promise<string> {
  const problem = sandboxPathProblem(path)
  if (problem !== undefined) {
    const violations = [{ path: 'path', value: shown(path), rule: problem, accepted: sandboxPathForm }]
    throw new PilotageError('invalid-argument', 'a file that would lie outside of the directory', { violations })
  }
  const target = join(directory, path)
  await makeFolders(directory, dirname(path))
  const part = `${target}.part`
  // One that a run before left, or a link under that name: removed, not followed.
  await rm(part, { force: true })
  try {
    const file = await open(part, 'wx', executable ? 0o777 : 0o666)
    try {
      for await (const piece of pieces) await file.appendFile(piece)
    } finally {
      await file.close()
    }
    await rename(part, target)
  } catch (error) {
    await rm(part, { force: true })
    throw error instanceof PilotageError ? error : cannotWrite(target, error)
  }
  return target
}

/** One by one, so that no link is passed. */
async function makeFolders(directory: string, folder: string): Promise<void> {
  await mkdir(directory, { recursive: true }).catch((error: unknown) => Promise.reject(cannotWrite(directory, error)))
  if (folder === '.') return
  let at = directory
  for (const name of folder.split('/')) {
    at = join(at, name)
    const known = await lstat(at).catch(() => undefined)
    if (known?.isDirectory()) continue
    if (known) throw cannotWrite(at, 'it is no folder, and links are not followed')
    await mkdir(at).catch((error: unknown) => Promise.reject(cannotWrite(at, error)))
  }
}

function cannotWrite(path: string, cause: unknown): PilotageError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new PilotageError('conflict', `writing ${path}: ${reason}`, { cause })
}
