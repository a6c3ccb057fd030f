/**
 * Page tokens: opaque to callers, checked when they come back. A token says of which listing it is and where the next page
 * begins: behind an id, or after a number of entries. Page sizes have the same bounds everywhere.
 */

import { PilotageError, shown } from '../../core/kernel/errors.ts'
import { isJobId, type JobId } from '../../core/kernel/ids.ts'
import { page } from '../../core/kernel/limits.ts'
import type { JobCursor, JobOrder } from '../../core/model/job-filter.ts'

/** `picked`: jobs by their ids. `changes`: jobs by change. */
export type Listing = 'jobs' | 'changes' | 'picked' | 'queues' | 'vms' | 'clouds' | 'images' | 'shares'

const maxLength = 64
const form = /^([a-z]+):([1-9]\d{0,15})$/

/** `at`: above 0. */
export function pageToken(listing: Listing, at: number | undefined): string {
  return at === undefined ? '' : Buffer.from(`${listing}:${at}`).toString('base64url')
}

const cursorForm = /^changes:([1-9]\d{0,15})\.(\d{1,15})$/

/** Of a list of jobs. By submission the id alone says where the next page begins. */
export function cursorToken(order: JobOrder, cursor: JobCursor | undefined): string {
  if (cursor === undefined || order.by === 'submission') return pageToken('jobs', cursor?.id)
  return Buffer.from(`changes:${cursor.id}.${cursor.changedMs}`).toString('base64url')
}

/** Undefined: from the beginning. Throws `invalid-argument` for what is no token of a list in this order. */
export function cursorOf(order: JobOrder, token: string): JobCursor | undefined {
  const text = token.length > maxLength ? '' : Buffer.from(token, 'base64url').toString()
  const [, id, changedMs] = order.by === 'change' ? (cursorForm.exec(text) ?? []) : []
  if (id !== undefined && isJobId(Number(id))) return { id: Number(id) as JobId, changedMs: Number(changedMs) }
  // Of a list by change this refuses every token that is left.
  const start = pageStart(order.by === 'change' ? 'changes' : 'jobs', token)
  return start === 0 ? undefined : { id: start as JobId, changedMs: 0 }
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
