/**
 * The proxies of a site as they are now: those of the configuration, and then the squids that are kept there and serve.
 *
 * Thousands of workers ask again and again, so that VMs are read at most every few seconds for all of them together. Where
 * they cannot be read nothing is answered: who asks keeps what it has.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { squidsAt } from '../../core/plan/services.ts'
import type { KeptVm } from '../../core/model/vm.ts'
import type { VmStore } from '../../core/ports/store.ts'

/** Undefined: the site is not known. Rejects with what the store says. */
export type SiteProxies = (site: string) => Promise<readonly string[] | undefined>

export type SiteProxiesOptions = {
  readonly store: Pick<VmStore, 'liveVms'>
  readonly clock: Clock
  /** Those of the configuration; undefined: it knows no such site. */
  readonly configured: (site: string) => readonly string[] | undefined
  /** Sites where squids are kept. */
  readonly squidSites: ReadonlySet<string>
}

const freshMs = 5000

export function siteProxies({ store, clock, configured, squidSites }: SiteProxiesOptions): SiteProxies {
  let read: { readonly atMs: number; readonly vms: Promise<readonly KeptVm[]> } | undefined

  function vms(): Promise<readonly KeptVm[]> {
    const nowMs = clock.monotonicMs()
    if (read && nowMs - read.atMs < freshMs) return read.vms
    const reading = { atMs: nowMs, vms: store.liveVms() }
    read = reading
    reading.vms.catch(() => {
      if (read === reading) read = undefined
    })
    return reading.vms
  }

  return async (site) => {
    const named = configured(site)
    if (named === undefined || !squidSites.has(site)) return named
    return [...named, ...squidsAt(await vms(), site, clock.nowMs())]
  }
}
