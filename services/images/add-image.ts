/**
 * Add: an endorsed entry comes into the catalogue, if an endorser whom this installation trusts has signed it. No VM follows
 * from it.
 */

import type { Caller } from '../../core/access/caller.ts'
import { checkImageEntry, type ImageEntry, wireEntryPaths } from '../../core/model/image-entry.ts'
import { gatherViolations } from '../../core/kernel/violations.ts'
import { type Catalogue, changeCatalogue, type ChangedImage } from './catalogue.ts'

export type Adding = {
  /** As it came: of any shape. */
  readonly entry: unknown
  readonly signature: string
}

/** Idempotent by content. Throws `invalid-argument` with all that is wrong, `conflict`, `too-large`. */
export function addImage(catalogue: Catalogue, { owner }: Caller, { entry, signature }: Adding): Promise<ChangedImage> {
  const violations = gatherViolations()
  const checked = checkImageEntry(entry, violations, wireEntryPaths)
  if (checked) checkEndorsement(catalogue, checked, signature, violations)
  violations.settle('adding an image')
  if (!checked) throw new Error('assertion failed: an entry without violations is one')
  return changeCatalogue(catalogue, { kind: 'add', entry: checked, signature, by: owner.owner })
}

function checkEndorsement(
  { trust }: Catalogue,
  entry: ImageEntry,
  signature: string,
  violations: ReturnType<typeof gatherViolations>,
): void {
  const { endorsers } = trust
  if (!endorsers.includes(entry.endorsedBy)) {
    const accepted =
      endorsers.length === 0 ? 'one of images.trusted in the configuration; it has none' : endorsers.join(', ')
    violations.add(wireEntryPaths('endorsedBy'), entry.endorsedBy, 'not trusted here', accepted)
  } else if (trust.distrust(entry, signature) !== '') {
    const accepted = `what pilotage image endorse writes with the private key of ${entry.endorsedBy}`
    violations.add('signature', signature === '' ? undefined : signature, 'not a signature of this entry', accepted)
  }
}
