/**
 * The breakers of one cloud, its flavors and its images: what has failed lately and is not to be asked again for a while.
 *
 * They begin with what the cloud's note kept, so that neither a restart nor another director forgets a back-off, and do no
 * writing of their own. A create that was accepted proves the cloud and the flavor; only a VM that did what it was made for
 * proves the image, and one that ended by a fault of its own counts against it, once. A scope without an entry is closed and
 * has nothing against it.
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
import type { VmId } from '../../core/kernel/ids.ts'
import type { CloudNote } from '../../core/plan/cloud-note.ts'
import type { Vm } from '../../core/model/vm.ts'

export type Breakers = {
  /** As they are to be kept. */
  kept(): Kept
  isOpen(offering: Offering, nowMs: number): boolean
  accepted(offering: Offering): void
  failed(offering: Offering, failure: CloudFailure, why: string, nowMs: number): void
  /** Learns from the VMs that are to blame, and from those that are proven and came up since the image failed last. */
  learn(vms: readonly Vm[], nowMs: number): void
  /** Whose fault was counted is remembered while the VM lives. */
  forget(live: ReadonlyMap<VmId, unknown>): void
  /** No back-off lasts longer than from now on: the clock was put back. */
  cut(nowMs: number): void
  /** What opened or closed since this was asked last. */
  news(): readonly NewFact[]
}

type Kept = Required<Pick<CloudNote, 'breakers' | 'blamed'>>

type Book = {
  readonly cloud: string
  readonly policy: BreakerPolicy
  readonly entries: Map<BreakerScope, KeptBreaker>
  readonly blamed: Set<VmId>
  facts: NewFact[]
}

export function openBreakers(
  cloud: string,
  policy: BreakerPolicy,
  noted?: Pick<CloudNote, 'breakers' | 'blamed'>,
): Breakers {
  const entries = new Map(noted?.breakers.map((one) => [one.scope, one]))
  const book: Book = { cloud, policy, entries, blamed: new Set(noted?.blamed), facts: [] }
  return {
    kept: () => ({ breakers: [...book.entries.values()], blamed: [...book.blamed] }),
    isOpen: (offering, nowMs) =>
      scopesOf(offering).some((scope) => atTime(book.entries.get(scope)?.breaker ?? closedBreaker, nowMs).state === 'open'),
    accepted(offering) {
      for (const scope of scopesOf(offering)) if (!scope.startsWith('image:')) succeed(book, scope)
    },
    failed(offering, failure, why, nowMs) {
      // Only what may be chance is counted; the rest says by itself that asking again is of no use.
      fail(book, scopeOf(failure, offering), why, nowMs, failure !== 'transient')
    },
    learn(vms, nowMs) {
      const own = vms.filter((vm) => vm.cloud === cloud).toSorted((a, b) => judgedMs(a) - judgedMs(b))
      for (const vm of own) {
        if (vm.fault === undefined) prove(book, vm)
        else blame(book, vm, vm.fault, nowMs)
      }
    },
    forget(live) {
      for (const id of book.blamed) if (!live.has(id)) book.blamed.delete(id)
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

function judgedMs({ provenMs, changedMs }: Vm): number {
  return provenMs ?? changedMs
}

function prove(book: Book, vm: Vm): void {
  const entry = book.entries.get(scopeOf('refused', vm))
  const activeMs = 'activeMs' in vm.phase ? vm.phase.activeMs : undefined
  if (!entry || vm.provenMs === undefined || activeMs === undefined) return
  if (activeMs > entry.changedMs) succeed(book, entry.scope)
}

function blame(book: Book, vm: Vm, why: string, nowMs: number): void {
  if (book.blamed.has(vm.id)) return
  book.blamed.add(vm.id)
  fail(book, scopeOf('refused', vm), `${vm.id}: ${why}`, nowMs, false)
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
