/** Notes: small named documents, and the one way to change one from what it was, with its facts. */

import type { ClientSession } from 'mongodb'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { Random } from '../../../../core/kernel/random.ts'
import type { FactStore, NoteChange } from '../../../../core/ports/store.ts'
import { type Database, guarded, inTransaction, isDuplicate } from './database.ts'
import { emittedFactDocuments } from './emitted-facts.ts'

export function openNotes(database: Database, random: Random): Pick<FactStore, 'note' | 'keepNote' | 'changeNote'> {
  const { emittedFacts, notes } = database
  return {
    async note(name) {
      return (await guarded('reading a note', () => notes.findOne({ _id: name })))?.text
    },
    async keepNote(name, text) {
      await guarded('keeping a note', () => notes.updateOne({ _id: name }, { $set: { text } }, { upsert: true }))
    },
    async changeNote(note, news, nowMs) {
      try {
        return await inTransaction(database, 'changing a note', async (session) => {
          if (!(await isChanged(database, session, note))) return false
          if (news.length > 0) await emittedFacts.insertMany(emittedFactDocuments(news, nowMs, random), { session })
          return true
        })
      } catch (error) {
        if (error instanceof PilotageError && isDuplicate(error.cause)) return false
        throw error
      }
    },
  }
}

async function isChanged({ notes }: Database, session: ClientSession, { name, was, text }: NoteChange): Promise<boolean> {
  if (was === undefined) {
    await notes.insertOne({ _id: name, text }, { session })
    return true
  }
  const { matchedCount } = await notes.updateOne({ _id: name, text: was }, { $set: { text } }, { session })
  return matchedCount > 0
}
