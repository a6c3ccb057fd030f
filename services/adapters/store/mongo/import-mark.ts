/**
 * The mark of an import that is under way, beside what else the database says of itself. While it stands no service works
 * here.
 */

import type { Collection } from 'mongodb'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { type Database, guarded } from './database.ts'

/** `header` identifies the archive; `records` of its records are here, with the digest of just these. */
export type ImportMark = { _id: 'import'; header: string; records: number; digest: string }

export function importMarks({ db }: Pick<Database, 'db'>): Collection<ImportMark> {
  return db.collection<ImportMark>('meta')
}

/** Throws `store-failed`: half of an installation is none. */
export async function assertNoImport(database: Database): Promise<void> {
  const found = await guarded('looking for an import', () => importMarks(database).findOne({ _id: 'import' }))
  if (!found) return
  const what = `an import into this store was not finished, ${found.records} records are in it`
  throw new PilotageError('store-failed', `${what}: finish it with pilotage store import, or begin with an empty store`)
}
