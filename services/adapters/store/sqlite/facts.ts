/** The operations of the embedded store on facts and notes. Facts are only added, read in order, and forgotten with age. */

import type { DatabaseSync } from 'node:sqlite'
import type { Fact, FactData, NewFact, Subject } from '../../../../core/model/fact-shapes.ts'
import type { NoteChange } from '../../../../core/ports/store.ts'
import type { Inside } from './inside.ts'

export type FactOperations = {
  emit(facts: readonly NewFact[], nowMs: number): void
  note(name: string): string | undefined
  keepNote(name: string, text: string): void
  changeNote(note: NoteChange, facts: readonly NewFact[], nowMs: number): boolean
}

/** Writes facts into the open transaction, beside the change that they explain. */
export function factWriter(inside: Pick<Inside, 'db' | 'lastFact'>): (fact: NewFact, nowMs: number) => void {
  const insert = inside.db.prepare('insert into facts (seq, at_ms, subject, kind, data) values (?, ?, ?, ?, ?)')
  return ({ subject, kind, data }, nowMs) => {
    inside.lastFact += 1
    insert.run(inside.lastFact, nowMs, subject, kind, JSON.stringify(data))
  }
}

export function lastFactIn(db: DatabaseSync): number {
  const kept = db.prepare("select value from ids where name = 'fact'").get()
  const found = db.prepare('select max(seq) as seq from facts').get()
  return Math.max(Number(kept?.value ?? 0), Number(found?.seq ?? 0))
}

export function factOperations(inside: Inside): FactOperations {
  const { db } = inside
  const write = factWriter(inside)
  const oneNote = db.prepare('select text from notes where name = ?')
  const keep = db.prepare(
    'insert into notes (name, text) values (?, ?) on conflict (name) do update set text = excluded.text',
  )
  return {
    emit(facts, nowMs) {
      for (const fact of facts) write(fact, nowMs)
    },
    note(name) {
      const row = oneNote.get(name)
      return row && String(row.text)
    },
    keepNote(name, text) {
      keep.run(name, text)
    },
    changeNote({ name, was, text }, facts, nowMs) {
      const row = oneNote.get(name)
      if ((row && String(row.text)) !== was) return false
      keep.run(name, text)
      for (const fact of facts) write(fact, nowMs)
      return true
    },
  }
}

export function factOf(row: Record<string, unknown>): Fact {
  return {
    seq: Number(row.seq),
    atMs: Number(row.at_ms),
    subject: String(row.subject) as Subject,
    kind: String(row.kind),
    data: JSON.parse(String(row.data)) as FactData,
  }
}
