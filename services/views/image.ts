/** Images as the page and its JSON show them: flat, and field by field, so that nothing travels that was not meant to. */

import type { ImageEntry } from '../../core/model/image-entry.ts'
import type { ListedImage } from '../images/list-images.ts'

export type ImageView = Partial<ImageEntry> & {
  readonly name: string
  /** Unknown: only the configuration names it. */
  readonly state: 'Unknown' | 'Listed' | 'Approved' | 'Revoked'
  /** Why its endorsement does not hold; empty: it does. */
  readonly distrust: string
  /** Those that have approved it. */
  readonly sites: readonly string[]
  readonly revokedBy?: string
  readonly revokedWhy?: string
  /** The clouds that are configured with it; `why`: no VM is made from it there; empty: VMs may be made. */
  readonly uses: ListedImage['uses']
}

export function imageView({ name, image, uses }: ListedImage): ImageView {
  if (!image) return { name, state: 'Unknown', distrust: '', sites: [], uses }
  const { entry, phase, distrust } = image
  const sites = phase.state === 'Approved' ? phase.approvals.map(({ site }) => site) : []
  const revoked = phase.state === 'Revoked' ? { revokedBy: phase.by, revokedWhy: phase.why } : {}
  return { ...entry, name, state: phase.state, distrust, sites, ...revoked, uses }
}
