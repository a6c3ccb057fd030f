/**
 * Where a service is to be found: one address or several, of which any serves as well as another.
 *
 * Decides which one is tried next, and nothing about when: the caller waits, or does not. Each caller goes round in an order
 * of its own, so that ten thousand of them spread evenly over the addresses, and over those that are left when one dies.
 */

import { assert } from './assert.ts'
import type { Random } from './random.ts'

/** More are a mistake, or want a name with many addresses behind it. */
export const maxEndpoints = 32
export const endpointsForm = `host:port, or up to ${maxEndpoints} of them with commas between`

/** `host:port`, several with commas between; undefined where any of it is something else. */
export function parseEndpoints(text: string): readonly string[] | undefined {
  const endpoints = text.split(',').map((one) => one.trim())
  return endpoints.length <= maxEndpoints && endpoints.every(isEndpoint) ? endpoints : undefined
}

/** A name, an IPv4 address or an IPv6 address in brackets, with a port from 1. */
export function isEndpoint(text: string): boolean {
  const port = Number(/^(?:\[[0-9a-fA-F:.]{2,45}\]|[a-zA-Z0-9._-]{1,253}):(\d{1,5})$/.exec(text)?.[1] ?? 0)
  return port > 0 && port < 65_536
}

/** An IPv6 address gets its brackets. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Only this machine: there is no wire to listen on. */
export function isLoopback(endpoint: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\]):\d{1,5}$/.test(endpoint)
}

export type Turns = {
  readonly count: number
  /** The one to use now. */
  current(): string
  /** It works: when it fails later, every other one is worth a try at once. */
  worked(endpoint: string): void
  /**
   * It failed: the next is current, unless that was reported before. True while the current one has not failed since one
   * last worked, so that it may be tried at once; of callers that fail side by side each counts its own tries.
   */
  failed(endpoint: string): boolean
}

/** Begins anywhere, and goes on with one for as long as it works. */
export function takeTurns(endpoints: readonly string[], random: Random): Turns {
  assert(endpoints.length > 0, 'there is an endpoint')
  const order = shuffled(endpoints, random)
  let at = 0
  let failures = 0
  const current = (): string => order[at] ?? ''
  return {
    count: order.length,
    current,
    worked(endpoint) {
      if (endpoint === current()) failures = 0
    },
    failed(endpoint) {
      if (endpoint !== current()) return true
      at = (at + 1) % order.length
      failures = (failures + 1) % order.length
      return failures > 0
    },
  }
}

function shuffled<Item>(items: readonly Item[], random: Random): readonly Item[] {
  return items
    .map((item) => ({ item, place: random.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item)
}
