/**
 * The breakers of one cloud, its flavors and its images: what has failed lately and is not to be asked again for a while.
 *
 * They begin with what the cloud's note kept, so that neither a restart nor another director forgets a back-off, and do no
 * writing of their own. A create that was accepted proves the cloud and the flavor, unless these failed by VMs that were
 * accepted and did not come up: then only a VM that comes up does. Only a VM that did what it was made for proves the image,
 * and one that ended by a fault of its own counts against it, once, or against what its cloud says is to blame. A scope
 * without an entry is closed and has nothing against it.
 */

import {
  atTime,
  type BreakerPolicy,
  type BreakerScope,
  closedBreaker,
  cutBackoff,
  failed,
  type KeptBreaker,
  needsBoot,
  orderScope,
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
  /** It may be asked for any number of times. */
  isClosed(offering: Offering, nowMs: number): boolean
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
    isClosed: (offering, nowMs) =>
      scopesOf(offering).every(
        (scope) => atTime(book.entries.get(scope)?.breaker ?? closedBreaker, nowMs).state === 'closed',
      ),
    accepted(offering) {
      for (const scope of scopesOf(offering)) {
        const entry = book.entries.get(scope)
        if (entry && !needsBoot(entry)) succeed(book, scope)
      }
    },
    failed(offering, failure, why, nowMs) {
      fail(book, offering, failure, { why, nowMs, isBoot: false })
    },
    learn(vms, nowMs) {
      const own = vms.filter((vm) => vm.cloud === cloud).toSorted((a, b) => judgedMs(a) - judgedMs(b))
      for (const vm of own) {
        arrive(book, vm)
        if (vm.fault === undefined) prove(book, vm)
        else blame(book, vm, vm.fault, nowMs)
      }
    },
    forget(live) {
      for (const id of book.blamed) if (!live.has(id)) book.blamed.delete(id)
    },
    cut(nowMs) {
      for (const entry of book.entries.values()) {
        const { scope, breaker, changedMs } = entry
        book.entries.set(scope, { ...entry, breaker: cutBackoff(breaker, nowMs), changedMs: Math.min(changedMs, nowMs) })
      }
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

/** It has come up: its cloud and its flavor have room, whatever its image is worth. */
function arrive(book: Book, vm: Vm): void {
  const activeMs = 'activeMs' in vm.phase ? vm.phase.activeMs : undefined
  for (const scope of scopesOf(vm)) {
    const entry = book.entries.get(scope)
    if (!entry || scope === orderScope(vm) || !needsBoot(entry)) continue
    if (activeMs !== undefined && activeMs > entry.changedMs) succeed(book, scope)
  }
}

function prove(book: Book, vm: Vm): void {
  const entry = book.entries.get(orderScope(vm))
  const activeMs = 'activeMs' in vm.phase ? vm.phase.activeMs : undefined
  if (!entry || vm.provenMs === undefined || activeMs === undefined) return
  if (activeMs > entry.changedMs) succeed(book, entry.scope)
}

function blame(book: Book, vm: Vm, why: string, nowMs: number): void {
  if (book.blamed.has(vm.id)) return
  book.blamed.add(vm.id)
  fail(book, vm, vm.faultOf, { why: `${vm.id}: ${why}`, nowMs, isBoot: true })
}

type Failed = { readonly why: string; readonly nowMs: number; readonly isBoot: boolean }

/** Without a `failure` the image is to blame, and that may be chance. */
function fail(book: Book, offering: Offering, failure: CloudFailure | undefined, { why, nowMs, isBoot }: Failed): void {
  const scope = scopeOf(failure ?? 'refused', offering)
  const entry = book.entries.get(scope)
  const before = atTime(entry?.breaker ?? closedBreaker, nowMs)
  // Only what may be chance is counted; the rest says by itself that asking again is of no use.
  const atOnce = failure !== undefined && failure !== 'transient'
  const breaker = failed(before, why, book.policy, nowMs, { atOnce, last: orderScope(offering) })
  const isMarked = isBoot || entry?.needsBoot === true
  book.entries.set(scope, { scope, breaker, changedMs: nowMs, ...(isMarked ? { needsBoot: true } : {}) })
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
