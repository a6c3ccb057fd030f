/**
 * The name under which a store remembers a submission. Keys of users and keys of the service lie in spaces of their own: a
 * user's key is the fourth of four parts, the service's the fifth of five, so that no text of a user spells one of the
 * service.
 */

import type { Owner } from './owner.ts'

/** reschedule: the key stands for the ended job that is submitted anew. */
export type KeySpace = 'reschedule'

export function submissionKey(
  { vo, group, owner }: Owner,
  { key, space }: { readonly key: string; readonly space?: KeySpace },
): string {
  return JSON.stringify(space === undefined ? [vo, group, owner, key] : [vo, group, owner, space, key])
}
