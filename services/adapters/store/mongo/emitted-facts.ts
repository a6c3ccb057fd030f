/** Facts that lie in no job's or VM's document, as they are written. */

import type { NewFact } from '../../../../core/model/fact-shapes.ts'
import type { Random } from '../../../../core/kernel/random.ts'
import type { EmittedFactDocument } from './database.ts'

export function emittedFactDocuments(news: readonly NewFact[], nowMs: number, random: Random): EmittedFactDocument[] {
  const name = random.letters(12)
  return news.map(({ subject, kind, data }, at) => {
    return { _id: `${name}.${at}`, subject, n: nowMs * 1000 + at, at: nowMs, kind, data: JSON.stringify(data) }
  })
}
