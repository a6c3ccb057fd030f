/**
 * What goes up the stream: everything of a moment in one message.
 *
 * Decides which reports are ready, whether a renewal is due, and whether the offer changed. What stays true: an end is sent
 * only when the journal holds it; an attempt leaves the offer's count in the very message that reports its end, so that the
 * service never sees room that it believes to be taken.
 */

import type { Result } from '../../core/model/attempt.ts'
import type { AttemptRef } from '../../core/kernel/ids.ts'
import { keyOf, owned, type Link } from './held.ts'
import type { Draft } from './pilot.ts'
import { greater, minus, noResources, type Resources, total } from '../../core/model/resources.ts'

export type Report = AttemptRef & {
  readonly reportId: number
  readonly phase: 'running' | 'completing' | 'ended'
  readonly startedMs: number
  readonly result?: Result
  /** On the stream that is open now. */
  readonly sent: boolean
}

/** Free now. How long the VM still lives is added where the wall clock is known. */
export type Offer = Resources & { readonly maxJobs: number; readonly received: number }

export type Outgoing =
  | { readonly kind: 'hello'; readonly held: readonly AttemptRef[] }
  | {
      readonly kind: 'message'
      readonly reports: readonly Report[]
      readonly offer?: Offer
      readonly renew: readonly AttemptRef[]
    }

export function flush(draft: Draft, durableReportId: number): void {
  const { link } = draft.state
  if (link.state !== 'up') return
  const ready = draft.state.reports.filter((one) => !one.sent && (one.phase !== 'ended' || one.reportId <= durableReportId))
  const reports = draft.state.reports.map((one) => (ready.includes(one) ? { ...one, sent: true } : one))
  draft.state = { ...draft.state, reports }

  const renewing = draft.nowMs >= link.renewDueMs
  const renew = renewing ? owned(draft.held) : []
  const offer = offerOf(draft, link.received)
  const offered = JSON.stringify(offer)
  // With every renewal too: what is left of the VM's life shrinks without an event.
  const telling = renewing || offered !== link.offered
  if (ready.length === 0 && !telling) return

  const renewDueMs = renewing ? draft.nowMs + link.renewEveryMs : link.renewDueMs
  const renewSentMs = renew.length > 0 ? (link.renewSentMs ?? draft.nowMs) : link.renewSentMs
  const next: Link = { ...link, renewDueMs, renewSentMs, offered }
  draft.state = { ...draft.state, link: next }
  const message: Outgoing = { kind: 'message', reports: ready, offer: telling ? offer : undefined, renew }
  draft.effects.push({ kind: 'send', message })
}

function offerOf(draft: Draft, received: number): Offer {
  const { size, maxJobs, draining, reports } = draft.state
  const told = new Set(reports.filter((one) => one.phase === 'ended' && one.sent).map(keyOf))
  const taken = [...draft.held.values()].filter((held) => !told.has(keyOf(held)))
  const free = greater(minus(size, total(taken.map((held) => held.size))), noResources)
  return { ...free, maxJobs: draining ? 0 : maxJobs, received }
}
