/** Facts in the order of what happened, as far as the caller may hear them. */

import { type Caller, visibleVo } from '../../core/access/caller.ts'
import { page } from '../../core/kernel/limits.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import type { FactStore } from '../../core/ports/store.ts'
import type { Hearing } from './hearing.ts'

export type FactPorts = { readonly store: Pick<FactStore, 'facts'>; readonly hearing: Hearing }

/** `lastSeq`: where to go on reading, facts that are not for the caller passed over. */
export type FactPage = { readonly facts: readonly Fact[]; readonly lastSeq: number }

/** `after` -1: the latest facts. For a caller who does not hear all of them, they are looked for among some more. */
export async function readFacts(
  { store, hearing }: FactPorts,
  caller: Caller,
  after: number,
  limit: number,
): Promise<FactPage> {
  const isSifted = after < 0 && visibleVo(caller) !== undefined
  const facts = await store.facts(after, isSifted ? Math.min(limit * 10, page.max) : limit)
  const heard = await hearing.heard(caller, facts)
  return { facts: heard.slice(-limit), lastSeq: facts.at(-1)?.seq ?? Math.max(0, after) }
}
