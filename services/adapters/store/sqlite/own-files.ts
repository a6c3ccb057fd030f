/**
 * The files of an embedded store: made for their owner only, and a lock that keeps every other process out for as long as
 * the store is open. The lock is one of SQLite's own on a file beside the database, so the kernel frees it when the process
 * ends. A lock on the database itself would keep out the reader, too.
 */

import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { PilotageError } from '../../../../core/kernel/errors.ts'

/** Does nothing where the file is there: closing a descriptor would end the locks that this process has on the file. */
export function makeOwnFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

/** Throws `store-locked` while another process has the store open. */
export function lockStore(path: string): { unlock(): void } {
  const lockPath = `${path}-lock`
  makeOwnFile(lockPath)
  const db = new DatabaseSync(lockPath)
  try {
    db.exec('begin exclusive')
  } catch (error) {
    db.close()
    throw new PilotageError('store-locked', 'another process has the store open', { cause: error })
  }
  return { unlock: () => db.close() }
}
