/** The methods of OperateService on images: the catalogue as it is, and what operators decide about it. */

import { PilotageError, shown } from '../../../core/kernel/errors.ts'
import { isName } from '../../../core/kernel/text.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/operate.ts'
import { addImage } from '../../images/add-image.ts'
import type { Catalogue, ChangedImage } from '../../images/catalogue.ts'
import { approveImage, disapproveImage, revokeImage } from '../../images/decide.ts'
import { type ListedImage, listImages } from '../../images/list-images.ts'
import type { Caller } from './admission.ts'
import { type Edge, userOf } from './edge.ts'
import { reasonOf } from './job-handlers.ts'

type ImageMethods = Pick<
  wire.OperateServiceServer,
  'listImages' | 'addImage' | 'approveImage' | 'disapproveImage' | 'revokeImage'
>

export function imageHandlers(catalogue: Catalogue, edge: Edge): ImageMethods {
  const decision = ({ name, site }: wire.DecideImageRequest, caller: Caller) => {
    return { name: named('name', name), site: named('site', site), by: byOf(caller) }
  }
  return {
    listImages: edge.unary('listImages', async () => ({ images: (await listImages(catalogue)).map(imageToWire) })),
    addImage: edge.unary('addImage', async ({ entry, signature }: wire.AddImageRequest, caller) =>
      changedToWire(await addImage(catalogue, { entry, signature, by: byOf(caller) })),
    ),
    approveImage: edge.unary('approveImage', async (request: wire.DecideImageRequest, caller) =>
      changedToWire(await approveImage(catalogue, decision(request, caller))),
    ),
    disapproveImage: edge.unary('disapproveImage', async (request: wire.DecideImageRequest, caller) =>
      changedToWire(await disapproveImage(catalogue, decision(request, caller))),
    ),
    revokeImage: edge.unary('revokeImage', async ({ name, reason }: wire.RevokeImageRequest, caller) =>
      changedToWire(await revokeImage(catalogue, { name: named('name', name), by: byOf(caller), why: reasonOf(reason) })),
    ),
  }
}

function byOf(caller: Caller): string {
  return userOf(caller).owner.owner
}

function named(path: 'name' | 'site', value: string): string {
  if (isName(value)) return value
  const violation = { path, value: shown(value), rule: 'not a name', accepted: 'letters, digits and . _ : / + -' }
  throw new PilotageError('invalid-argument', `no ${path}: ${shown(value)}`, { violations: [violation] })
}

function changedToWire({ image, changed }: ChangedImage): wire.ChangeImageResponse {
  return { changed, state: image.phase.state }
}

function imageToWire({ name, image, uses }: ListedImage): wire.Image {
  const phase = image?.phase
  const revocation = phase?.state === 'Revoked' ? phase : undefined
  return {
    name,
    state: phase?.state ?? 'Unknown',
    entry: image && { ...image.entry, references: { ...image.entry.references } },
    signature: image?.signature ?? '',
    distrust: image?.distrust ?? '',
    approvals: phase?.state === 'Approved' ? [...phase.approvals] : [],
    uses: uses.map(({ cloud, site, why }) => ({ cloud, site, barred: why })),
    addedBy: image?.addedBy ?? '',
    addedMs: image?.addedMs ?? 0,
    revokedBy: revocation?.by ?? '',
    revokedWhy: revocation?.why ?? '',
    revokedMs: revocation?.atMs ?? 0,
  }
}
