/** An image, flat and field by field, so that nothing travels that was not meant to. Every edge shows this one. */

import type { ImageEntry } from '../../core/model/image-entry.ts'
import type { ImageApproval } from '../../core/model/image.ts'
import type { ListedImage } from '../images/list-images.ts'

/** In the catalogue: what was endorsed, and by whom it was added and revoked. */
type Known = ImageEntry & {
  readonly state: 'Listed' | 'Approved' | 'Revoked'
  readonly signature: string
  readonly addedBy: string
  readonly addedMs: number
  readonly revokedBy?: string
  readonly revokedWhy?: string
  readonly revokedMs?: number
}

/** Only the configuration names it. */
type Unknown = { readonly [Field in Exclude<keyof Known, 'name' | 'state'>]?: undefined } & { readonly state: 'Unknown' }

export type ImageView = (Known | Unknown) & {
  readonly name: string
  /** Why its endorsement does not hold; empty: it does. */
  readonly distrust: string
  /** Those that have approved it. */
  readonly sites: readonly string[]
  /** The same sites: who approved it there, and when. */
  readonly approvals: readonly ImageApproval[]
  /** The clouds that are configured with it; `why`: no VM is made from it there; empty: VMs may be made. */
  readonly uses: ListedImage['uses']
}

export function imageView({ name, image, uses }: ListedImage): ImageView {
  if (!image) return { name, state: 'Unknown', distrust: '', sites: [], approvals: [], uses }
  const { entry, phase, signature, distrust, addedBy, addedMs } = image
  const approvals = phase.state === 'Approved' ? phase.approvals : []
  const sites = approvals.map(({ site }) => site)
  const revoked =
    phase.state === 'Revoked' ? { revokedBy: phase.by, revokedWhy: phase.why, revokedMs: phase.atMs } : undefined
  return { ...entry, state: phase.state, signature, distrust, sites, approvals, addedBy, addedMs, ...revoked, uses }
}
