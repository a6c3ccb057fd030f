/**
 * A cloud: one endpoint and project where VMs can be had. Says what it offers, what it may cost us, and how it fails.
 *
 * The breaker keeps a failing cloud, flavor or image from being asked again and again: it opens after failures in a row, and
 * after a back-off lets exactly one probe through. What stays true: one success closes it, and the back-off doubles only
 * when a probe fails.
 *
 *              failure                         success   time passes
 *   closed     closed, or open at the limit    closed    closed
 *   open       open (it was on its way)        closed    half-open when the back-off is over
 *   half-open  open, twice the back-off        closed    half-open; one probe at a time
 */

import type { CloudFailure, Offering } from '../model/cloud.ts'

/** What fails together: an expired credential fails the cloud, a bad image only itself. */
export type BreakerScope = `cloud:${string}` | `flavor:${string}/${string}` | `image:${string}/${string}/${string}`

export type Breaker =
  | { readonly state: 'closed'; readonly failures: number }
  | (Failing & { readonly state: 'open'; readonly untilMs: number })
  | (Failing & { readonly state: 'half-open'; readonly probing: boolean })

type Failing = {
  readonly backoffMs: number
  readonly why: string
  /** The order that failed last: where others want the probe as well, they come first. */
  readonly last?: BreakerScope
}

export type BreakerPolicy = { readonly failures: number; readonly backoffMs: number; readonly maxBackoffMs: number }

export const closedBreaker: Breaker = { state: 'closed', failures: 0 }

export function scopeOf(failure: CloudFailure, offering: Offering): BreakerScope {
  const { cloud, flavor } = offering
  switch (failure) {
    case 'auth':
    case 'transient':
      return `cloud:${cloud}`
    // Quotas are of cores, memory, or kinds of machines: what is too much of one flavor may not be of another.
    case 'quota':
    case 'capacity':
      return `flavor:${cloud}/${flavor}`
    case 'refused':
    case 'gone':
      return orderScope(offering)
  }
}

export function scopesOf(offering: Offering): readonly BreakerScope[] {
  const { cloud, flavor } = offering
  return [`cloud:${cloud}`, `flavor:${cloud}/${flavor}`, orderScope(offering)]
}

/**
 * One order: a flavor with an image. A squid that does not come up says nothing against the workers that are made from the
 * same image, nor they against it.
 */
export function orderScope({ cloud, flavor, image, service }: Offering): BreakerScope {
  return `image:${cloud}/${flavor}/${image}${service === undefined ? '' : `/${service}`}`
}

/** `atOnce`: no use in counting (a credential that is refused, a quota that is full). `last`: the order that failed. */
export function failed(
  breaker: Breaker,
  why: string,
  policy: BreakerPolicy,
  nowMs: number,
  { atOnce = false, last }: { readonly atOnce?: boolean; readonly last?: BreakerScope } = {},
): Breaker {
  const opened = (backoffMs: number): Breaker => {
    const breakerNow = { state: 'open', untilMs: nowMs + backoffMs, backoffMs, why } as const
    return last === undefined ? breakerNow : { ...breakerNow, last }
  }
  switch (breaker.state) {
    case 'closed': {
      const failures = breaker.failures + 1
      return failures < policy.failures && !atOnce ? { state: 'closed', failures } : opened(policy.backoffMs)
    }
    case 'open':
      return breaker
    case 'half-open':
      return opened(Math.min(breaker.backoffMs * 2, policy.maxBackoffMs))
  }
}

export function succeeded(): Breaker {
  return closedBreaker
}

export function atTime(breaker: Breaker, nowMs: number): Breaker {
  if (breaker.state !== 'open' || nowMs < breaker.untilMs) return breaker
  const { untilMs: _, ...failing } = breaker
  return { ...failing, state: 'half-open', probing: false }
}

/** A back-off ends at most its own length after now. */
export function cutBackoff(breaker: Breaker, nowMs: number): Breaker {
  if (breaker.state !== 'open' || breaker.untilMs <= nowMs + breaker.backoffMs) return breaker
  return { ...breaker, untilMs: nowMs + breaker.backoffMs }
}

/** How many creates it lets through now: any number, one probe, or none. */
export function allowance(breaker: Breaker): number {
  switch (breaker.state) {
    case 'closed':
      return Infinity
    case 'half-open':
      return breaker.probing ? 0 : 1
    case 'open':
      return 0
  }
}

/** A probe is on its way: no other until it succeeded or failed. */
export function probing(breaker: Breaker): Breaker {
  return breaker.state === 'half-open' ? { ...breaker, probing: true } : breaker
}

/** What failures keep from being asked: a cloud, a flavor or an image. half-open: one probe goes through. */
export type BlockedScope = { readonly kind: string; readonly name: string; readonly why: string } & (
  | { readonly state: 'open'; readonly untilMs: number }
  | { readonly state: 'half-open' }
)

/** Undefined: it is closed. */
export function blockedScope(scope: BreakerScope, breaker: Breaker): BlockedScope | undefined {
  const at = scope.indexOf(':')
  const [kind, name] = [scope.slice(0, at), scope.slice(at + 1)]
  switch (breaker.state) {
    case 'closed':
      return undefined
    case 'open':
      return { kind, name, state: breaker.state, untilMs: breaker.untilMs, why: breaker.why }
    case 'half-open':
      return { kind, name, state: breaker.state, why: breaker.why }
  }
}

/** As a cloud's holder keeps it. */
export type KeptBreaker = {
  readonly scope: BreakerScope
  readonly breaker: Breaker
  readonly changedMs: number
  /** VMs that were accepted did not come up: an accepted create proves nothing then. */
  readonly needsBoot?: boolean
}

/** Only a VM that came up is a success: of an image always, of the rest where VMs failed after they were accepted. */
export function needsBoot({ scope, needsBoot: isMarked = false }: Pick<KeptBreaker, 'scope' | 'needsBoot'>): boolean {
  return isMarked || scope.startsWith('image:')
}
