/**
 * The breakers of all clouds, flavors and images: what has failed lately and is not to be asked again for a while.
 *
 * Kept as the note `breakers`, so that a restart does not forget a back-off. A create that was accepted proves the cloud and
 * the flavor; only a VM that came up proves the image. A scope without an entry is closed and has nothing against it.
 */

import {
  atTime,
  type Breaker,
  type BreakerPolicy,
  type BreakerScope,
  type CloudFailure,
  closedBreaker,
  failed,
  type Offering,
  scopeOf,
  scopesOf,
} from '../../core/cloud.ts'
import type { NewFact } from '../../core/facts.ts'
import { breakersNow } from '../../core/fleet-limits.ts'
import type { FactStore, KeptVm } from '../../core/ports/store.ts'
import { isUp } from '../../core/vm.ts'

export const breakersNote = 'breakers'

/** As kept: a JSON array of these. */
export type KeptBreaker = { readonly scope: BreakerScope; readonly breaker: Breaker; readonly changedMs: number }

export type Breakers = {
  /** As they are at this moment, a probe that is on its way counted. */
  now(vms: readonly KeptVm[], nowMs: number): ReadonlyMap<BreakerScope, Breaker>
  isOpen(offering: Offering, nowMs: number): boolean
  accepted(offering: Offering): void
  failed(offering: Offering, failure: CloudFailure, why: string, nowMs: number): void
  bootFailed(offering: Offering, why: string, nowMs: number): void
  /** Learns from the VMs that came up since the image failed last. */
  learn(vms: readonly KeptVm[]): void
  /** Writes what has changed. Answers the clouds where something opened or closed. */
  keep(nowMs: number): Promise<readonly string[]>
}

type Book = {
  readonly entries: Map<BreakerScope, KeptBreaker>
  facts: NewFact[]
  turned: string[]
  isChanged: boolean
}

export async function openBreakers(store: FactStore, policyOf: (cloud: string) => BreakerPolicy): Promise<Breakers> {
  const kept = JSON.parse((await store.note(breakersNote)) ?? '[]') as readonly KeptBreaker[]
  const book: Book = { entries: new Map(kept.map((one) => [one.scope, one])), facts: [], turned: [], isChanged: false }
  return {
    now: (vms, nowMs) => {
      const breakers = new Map([...book.entries.values()].map(({ scope, breaker }) => [scope, breaker]))
      return breakersNow(breakers, vms, nowMs)
    },
    isOpen: (offering, nowMs) =>
      scopesOf(offering).some((scope) => atTime(book.entries.get(scope)?.breaker ?? closedBreaker, nowMs).state === 'open'),
    accepted(offering) {
      for (const scope of scopesOf(offering)) if (!scope.startsWith('image:')) succeed(book, scope, offering.cloud)
    },
    failed(offering, failure, why, nowMs) {
      // Only what may be chance is counted; the rest says by itself that asking again is of no use.
      fail(book, scopeOf(failure, offering), offering.cloud, why, policyOf(offering.cloud), nowMs, failure !== 'transient')
    },
    bootFailed(offering, why, nowMs) {
      fail(book, scopeOf('refused', offering), offering.cloud, why, policyOf(offering.cloud), nowMs, false)
    },
    learn(vms) {
      for (const { vm } of vms) {
        if (!isUp(vm.phase) || vm.phase.activeMs === undefined) continue
        const entry = book.entries.get(scopeOf('refused', vm))
        if (entry && vm.phase.activeMs > entry.changedMs) succeed(book, entry.scope, vm.cloud)
      }
    },
    keep: (nowMs) => keep(book, store, nowMs),
  }
}

function fail(
  book: Book,
  scope: BreakerScope,
  cloud: string,
  why: string,
  policy: BreakerPolicy,
  nowMs: number,
  atOnce: boolean,
): void {
  const before = atTime(book.entries.get(scope)?.breaker ?? closedBreaker, nowMs)
  const breaker = failed(before, why, policy, nowMs, atOnce)
  book.entries.set(scope, { scope, breaker, changedMs: nowMs })
  book.isChanged = true
  if (breaker.state !== 'open' || before.state === 'open') return
  const data = { scope, why, backoffMs: breaker.backoffMs }
  book.facts.push({ subject: `cloud:${cloud}`, kind: 'breaker opened', data })
  book.turned.push(cloud)
}

function succeed(book: Book, scope: BreakerScope, cloud: string): void {
  const entry = book.entries.get(scope)
  if (!entry) return
  book.entries.delete(scope)
  book.isChanged = true
  if (entry.breaker.state === 'closed') return
  book.facts.push({ subject: `cloud:${cloud}`, kind: 'breaker closed', data: { scope } })
  book.turned.push(cloud)
}

async function keep(book: Book, store: FactStore, nowMs: number): Promise<readonly string[]> {
  if (!book.isChanged) return []
  const { entries, facts, turned } = book
  Object.assign(book, { facts: [], turned: [], isChanged: false })
  await store.keepNote(breakersNote, JSON.stringify([...entries.values()]))
  if (facts.length > 0) await store.tell(facts, nowMs)
  return [...new Set(turned)]
}
