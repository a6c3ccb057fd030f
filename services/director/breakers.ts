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
  accepted(offering: Offering, nowMs: number): void
  failed(offering: Offering, failure: CloudFailure, why: string, nowMs: number): void
  bootFailed(offering: Offering, why: string, nowMs: number): void
  /** Learns from the VMs that came up since the image failed last. */
  learn(vms: readonly KeptVm[], nowMs: number): void
  /** Writes what has changed, and tells what opened or closed. True where there was something. */
  keep(nowMs: number): Promise<boolean>
}

export async function openBreakers(store: FactStore, policyOf: (cloud: string) => BreakerPolicy): Promise<Breakers> {
  const entries = new Map<BreakerScope, KeptBreaker>()
  const note = await store.note(breakersNote)
  for (const kept of JSON.parse(note ?? '[]') as readonly KeptBreaker[]) entries.set(kept.scope, kept)
  let facts: NewFact[] = []
  let changed = false

  function fail(scope: BreakerScope, cloud: string, why: string, nowMs: number, atOnce: boolean): void {
    const before = atTime(entries.get(scope)?.breaker ?? { state: 'closed', failures: 0 }, nowMs)
    const breaker = failed(before, why, policyOf(cloud), nowMs, atOnce)
    entries.set(scope, { scope, breaker, changedMs: nowMs })
    changed = true
    if (breaker.state === 'open' && before.state !== 'open') {
      const data = { scope, why, backoffMs: breaker.backoffMs }
      facts.push({ subject: `cloud:${cloud}`, kind: 'breaker opened', data })
    }
  }

  function succeed(scope: BreakerScope, cloud: string): void {
    const entry = entries.get(scope)
    if (!entry) return
    entries.delete(scope)
    changed = true
    if (entry.breaker.state !== 'closed') facts.push({ subject: `cloud:${cloud}`, kind: 'breaker closed', data: { scope } })
  }

  return {
    now: (vms, nowMs) =>
      breakersNow(new Map([...entries.values()].map(({ scope, breaker }) => [scope, breaker])), vms, nowMs),
    isOpen: (offering, nowMs) =>
      scopesOf(offering).some((scope) => {
        const entry = entries.get(scope)
        return entry !== undefined && atTime(entry.breaker, nowMs).state === 'open'
      }),
    accepted(offering) {
      for (const scope of scopesOf(offering)) if (!scope.startsWith('image:')) succeed(scope, offering.cloud)
    },
    failed(offering, failure, why, nowMs) {
      // Only what may be chance is counted; the rest says by itself that asking again is of no use.
      fail(scopeOf(failure, offering), offering.cloud, why, nowMs, failure !== 'transient')
    },
    bootFailed(offering, why, nowMs) {
      fail(scopeOf('refused', offering), offering.cloud, why, nowMs, false)
    },
    learn(vms) {
      for (const { vm } of vms) {
        const { phase } = vm
        if (!isUp(phase) || phase.activeMs === undefined) continue
        const scope = scopeOf('refused', vm)
        const entry = entries.get(scope)
        if (entry && phase.activeMs > entry.changedMs) succeed(scope, vm.cloud)
      }
    },
    async keep(nowMs) {
      if (!changed) return false
      changed = false
      const told = facts
      facts = []
      await store.keepNote(breakersNote, JSON.stringify([...entries.values()]))
      if (told.length > 0) await store.tell(told, nowMs)
      return true
    },
  }
}
