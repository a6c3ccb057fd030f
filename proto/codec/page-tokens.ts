/**
 * Page tokens: opaque to callers, checked when they come back. A token says of which listing it is and where the next page
 * begins: behind an id, or after a number of entries. Page sizes have the same bounds everywhere.
 */

import { PilotageError, shown } from '../../core/kernel/errors.ts'
import { page } from '../../core/kernel/limits.ts'

/** `picked`: jobs by their ids. */
export type Listing = 'jobs' | 'picked' | 'queues' | 'vms' | 'clouds' | 'images'

const maxLength = 64
const form = /^([a-z]+):([1-9]\d{0,15})$/

/** `at`: above 0. */
export function pageToken(listing: Listing, at: number | undefined): string {
  return at === undefined ? '' : Buffer.from(`${listing}:${at}`).toString('base64url')
}

/** 0: from the beginning. Throws `invalid-argument` for what is no token of this listing. */
export function pageStart(listing: Listing, token: string): number {
  if (token === '') return 0
  const text = token.length > maxLength ? '' : Buffer.from(token, 'base64url').toString()
  const [, of, at] = form.exec(text) ?? []
  if (of === listing && Number.isSafeInteger(Number(at))) return Number(at)
  const accepted = 'next_page_token of the page before, from the same call'
  throw new PilotageError('invalid-argument', 'not a page token of this listing', {
    violations: [{ path: 'page_token', value: shown(token), rule: 'not a page token', accepted }],
  })
}

/** Throws `invalid-argument`. */
export function pageSize(asked: number): number {
  if (asked <= page.max) return asked === 0 ? page.default : asked
  throw new PilotageError('invalid-argument', `a page of ${asked}`, {
    violations: [{ path: 'page_size', value: String(asked), rule: 'out of range', accepted: `1 to ${page.max}` }],
  })
}

/** A page of a list that is here whole. */
export function pageOf<Item>(
  listing: Listing,
  items: readonly Item[],
  asked: { readonly pageSize: number; readonly pageToken: string },
): { readonly items: readonly Item[]; readonly isFirst: boolean; readonly nextPageToken: string } {
  const from = pageStart(listing, asked.pageToken)
  const end = from + pageSize(asked.pageSize)
  const next = end < items.length ? end : undefined
  return { items: items.slice(from, end), isFirst: from === 0, nextPageToken: pageToken(listing, next) }
}
