/**
 * How much of the dashboard one viewer, one address and all together may take, with where the numbers come from.
 *
 * People open some tabs and look at once; a script asks some times per second. Everything beyond that is a mistake or an
 * attack, and the numbers only have to be large enough never to meet the former.
 */

import { assert } from '../../core/kernel/assert.ts'

/** A stream is a socket and its share of each batch. Sixteen tabs of one person; 64 in all were taken by one user. */
export const streamLimits = { perOwner: 16, all: 256 } as const

/** Browsers of one person; and, at some hundred bytes each, those of every user of a large installation. */
export const sessionLimits = { perOwner: 16, all: 4000 } as const

/**
 * A page asks every 2 s and at most every 0.4 s with its events: 2.5 requests per second and tab. `atOnce`: that are
 * answered.
 */
export const viewerLimits = { atOnce: 16, perSecond: 50, burst: 200, maxKeys: 10_000, maxWaiting: 1000 } as const

/**
 * Requests of strangers, per address: a first visit is 5 requests. Beyond the burst they wait their turn. With every
 * connection of the address waiting, the last one waits for (perAddress * atOnce) / perSecond: 2.6 s.
 */
export const strangerLimits = { perSecond: 200, burst: 200, maxKeys: 10_000, maxWaiting: 1000 } as const

/**
 * A browser opens six connections. An address may be that of a whole institute, or of the proxy in front of us. `accept`:
 * new connections per address; a proxy that keeps none alive opens one per request.
 */
export const connectionLimits = {
  perAddress: 256,
  all: 1024,
  accept: { perSecond: 50, burst: 256, maxKeys: 10_000 },
  /** Requests on one connection before the first has its answer: browsers and proxies send one. */
  atOnce: 2,
} as const

/** Milliseconds. A head that takes longer is no browser's; a reader that takes nothing for `idle` is gone. */
export const httpTimes = { headers: 10_000, request: 30_000, idle: 45_000, keepAlive: 15_000, handshake: 10_000 } as const

/** A token has at most 4 KiB; the rest of a head has less than that. */
export const headerBytes = 12 * 1024

assert(streamLimits.perOwner * 8 <= streamLimits.all, 'one viewer has a small part of the streams')
assert(
  viewerLimits.atOnce + streamLimits.perOwner < connectionLimits.perAddress,
  'one viewer leaves its address connections',
)
assert(connectionLimits.perAddress * 4 <= connectionLimits.all, 'one address has a small part of the connections')
