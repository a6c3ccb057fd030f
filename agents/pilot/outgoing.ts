/**
 * What goes up the stream: everything of a moment in one message.
 *
 * Decides which reports are ready, whether a renewal is due, and whether the offer changed. What stays true: an end is sent
 * only when the journal holds it; an attempt leaves the offer's count in the very message that reports its end, so that the
 * service never sees room that it believes to be taken.
 */

import type { Offer } from './state.ts'
import { keyOf, owned, type Link } from './held.ts'
import type { Draft, Outgoing } from './state.ts'
import { greater, minus, noResources, total } from '../../core/model/resources.ts'

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
  const isOfferDue = renewing || offered !== link.offered
  if (ready.length === 0 && !isOfferDue) return

  const renewDueMs = renewing ? draft.nowMs + link.renewEveryMs : link.renewDueMs
  const renewSentMs = renew.length > 0 ? (link.renewSentMs ?? draft.nowMs) : link.renewSentMs
  const next: Link = { ...link, renewDueMs, renewSentMs, offered }
  draft.state = { ...draft.state, link: next }
  const message: Outgoing = { kind: 'message', reports: ready, offer: isOfferDue ? offer : undefined, renew }
  draft.effects.push({ kind: 'send', message })
}

function offerOf(draft: Draft, received: number): Offer {
  const { size, maxJobs, draining, pausedUntilMs, reports } = draft.state
  const reported = new Set(reports.filter((one) => one.phase === 'ended' && one.sent).map(keyOf))
  const taken = [...draft.held.values()].filter((held) => !reported.has(keyOf(held)))
  const free = greater(minus(size, total(taken.map((held) => held.size))), noResources)
  const isWhole = taken.length === 0 && { isWhole: true }
  return { ...free, ...isWhole, maxJobs: draining || draft.nowMs < pausedUntilMs ? 0 : maxJobs, received }
}
