/**
 * What a site and an operator decide about an image: VMs may be made from it at a site, no new ones any more, or it is not
 * to be used by anybody again. Each is idempotent and keeps the caller's name; a revocation is final.
 */

import type { Caller } from '../../core/access/caller.ts'
import { PilotageError, shown } from '../../core/kernel/errors.ts'
import { type Catalogue, changeCatalogue, type ChangedImage } from './catalogue.ts'

export type AtSite = { readonly name: string; readonly site: string }

/** Throws `not-found`, `conflict` (it is revoked), and `invalid-argument` for a site where no cloud stands. */
export function approveImage(catalogue: Catalogue, { owner }: Caller, decision: AtSite): Promise<ChangedImage> {
  const { sites } = catalogue
  if (!sites.includes(decision.site)) {
    const accepted = sites.length === 0 ? 'the site of a cloud in the configuration; it has none' : sites.join(', ')
    throw new PilotageError('invalid-argument', `no cloud stands at site ${shown(decision.site)}`, {
      violations: [{ path: 'site', value: shown(decision.site), rule: 'not a site of this installation', accepted }],
    })
  }
  return changeCatalogue(catalogue, { kind: 'approve', ...decision, by: owner.owner })
}

/**
 * No new VMs there; those that run go on. Also for a site that is not configured any more. Throws `not-found`, `conflict`.
 */
export function disapproveImage(catalogue: Catalogue, { owner }: Caller, decision: AtSite): Promise<ChangedImage> {
  return changeCatalogue(catalogue, { kind: 'disapprove', ...decision, by: owner.owner })
}

/** No new VMs anywhere, and those that run are drained. Throws `not-found`. */
export function revokeImage(
  catalogue: Catalogue,
  { owner }: Caller,
  revocation: { readonly name: string; readonly why: string },
): Promise<ChangedImage> {
  return changeCatalogue(catalogue, { kind: 'revoke', ...revocation, by: owner.owner })
}
