/** Facts for people: each with one readable line. The first line of a job's history is its own record. */

import type { Fact } from '../../core/model/fact-shapes.ts'
import { factText, jobSubject } from '../../core/model/facts.ts'
import type { Job } from '../../core/model/job.ts'
import { visibleText } from '../../core/kernel/text.ts'

export type FactView = {
  readonly seq: number
  readonly atMs: number
  readonly subject: string
  readonly kind: string
  /** One readable line. */
  readonly text: string
}

export function factView(fact: Fact): FactView {
  return { seq: fact.seq, atMs: fact.atMs, subject: fact.subject, kind: fact.kind, text: visibleText(factText(fact)) }
}

/** The submission, as a job's record has it. */
export function submittedView({ id, owner, group, vo, submittedMs }: Job): FactView {
  const text = `Submitted: owner ${owner}, group ${group}, vo ${vo}`
  return { seq: 0, atMs: submittedMs, subject: jobSubject(id), kind: 'Submitted', text }
}
