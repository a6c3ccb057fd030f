/**
 * The breakers of one cloud, its flavors and its images: what has failed lately and is not to be asked again for a while.
 *
 * They begin with what the cloud's note kept, so that neither a restart nor another director forgets a back-off, and do no
 * writing of their own. A create that was accepted proves the cloud and the flavor; only a VM that came up proves the image.
 * A scope without an entry is closed and has nothing against it.
 */

import {
  atTime,
  type BreakerPolicy,
  type BreakerScope,
  closedBreaker,
  cutBackoff,
  failed,
  type KeptBreaker,
  scopeOf,
  scopesOf,
} from '../../core/plan/breaker.ts'
import type { CloudFailure, Offering } from '../../core/model/cloud.ts'
import { newFact, type NewFact } from '../../core/model/fact-shapes.ts'
import { type KeptVm, isUp } from '../../core/model/vm.ts'

export type Breakers = {
  /** As they are to be kept. */
  kept(): readonly KeptBreaker[]
  isOpen(offering: Offering, nowMs: number): boolean
  accepted(offering: Offering): void
  failed(offering: Offering, failure: CloudFailure, why: string, nowMs: number): void
  bootFailed(offering: Offering, why: string, nowMs: number): void
  /** Learns from the VMs that came up since the image failed last. */
  learn(vms: readonly KeptVm[]): void
  /** No back-off lasts longer than from now on: the clock was put back. */
  cut(nowMs: number): void
  /** What opened or closed since this was asked last. */
  news(): readonly NewFact[]
}

type Book = {
  readonly cloud: string
  readonly policy: BreakerPolicy
  readonly entries: Map<BreakerScope, KeptBreaker>
  facts: NewFact[]
}

export function openBreakers(cloud: string, policy: BreakerPolicy, kept: readonly KeptBreaker[]): Breakers {
  const book: Book = { cloud, policy, entries: new Map(kept.map((one) => [one.scope, one])), facts: [] }
  return {
    kept: () => [...book.entries.values()],
    isOpen: (offering, nowMs) =>
      scopesOf(offering).some((scope) => atTime(book.entries.get(scope)?.breaker ?? closedBreaker, nowMs).state === 'open'),
    accepted(offering) {
      for (const scope of scopesOf(offering)) if (!scope.startsWith('image:')) succeed(book, scope)
    },
    failed(offering, failure, why, nowMs) {
      // Only what may be chance is counted; the rest says by itself that asking again is of no use.
      fail(book, scopeOf(failure, offering), why, nowMs, failure !== 'transient')
    },
    bootFailed(offering, why, nowMs) {
      fail(book, scopeOf('refused', offering), why, nowMs, false)
    },
    learn(vms) {
      for (const { vm } of vms) {
        if (vm.cloud !== cloud || !isUp(vm.phase) || vm.phase.activeMs === undefined) continue
        const entry = book.entries.get(scopeOf('refused', vm))
        if (entry && vm.phase.activeMs > entry.changedMs) succeed(book, entry.scope)
      }
    },
    cut(nowMs) {
      for (const { scope, breaker, changedMs } of book.entries.values())
        book.entries.set(scope, { scope, breaker: cutBackoff(breaker, nowMs), changedMs: Math.min(changedMs, nowMs) })
    },
    news() {
      const { facts } = book
      book.facts = []
      return facts
    },
  }
}

function fail(book: Book, scope: BreakerScope, why: string, nowMs: number, atOnce: boolean): void {
  const before = atTime(book.entries.get(scope)?.breaker ?? closedBreaker, nowMs)
  const breaker = failed(before, why, book.policy, nowMs, atOnce)
  book.entries.set(scope, { scope, breaker, changedMs: nowMs })
  if (breaker.state !== 'open' || before.state === 'open') return
  const data = { scope, why, backoffMs: breaker.backoffMs }
  book.facts.push(newFact('breaker', `cloud:${book.cloud}`, 'breaker opened', data))
}

function succeed(book: Book, scope: BreakerScope): void {
  const entry = book.entries.get(scope)
  if (!entry) return
  book.entries.delete(scope)
  if (entry.breaker.state === 'closed') return
  book.facts.push(newFact('breaker', `cloud:${book.cloud}`, 'breaker closed', { scope }))
}
