/**
 * Whether a request that changes something comes from a page of ours. Browsers say so: `Sec-Fetch-Site` where the connection
 * is trustworthy (TLS, or this machine), and `Origin` with every form that is posted. A form of another site signs no person
 * in or out.
 */

import type { IncomingHttpHeaders } from 'node:http'
import { PilotageError } from '../../core/kernel/errors.ts'

const reading = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Throws `forbidden`. A program that is no browser sends neither header, and has no session of another person. */
export function assertSameOrigin(method: string, headers: IncomingHttpHeaders): void {
  if (reading.has(method)) return
  const site = headers['sec-fetch-site']
  const isOurs = site === undefined ? isOwnOrigin(headers) : site === 'same-origin' || site === 'none'
  if (!isOurs) throw new PilotageError('forbidden', 'This form does not come from this page.')
}

/**
 * A proxy in front may speak TLS where we do not, so the scheme is not compared. `null` is the origin of a page that hides
 * it.
 */
function isOwnOrigin({ origin, host }: IncomingHttpHeaders): boolean {
  if (origin === undefined) return true
  const url = URL.parse(origin)
  return url !== null && host !== undefined && url.host === URL.parse(`${url.protocol}//${host}`)?.host
}
