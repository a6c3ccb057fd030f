/** The methods of OperateService on images: the catalogue as it is, and what operators decide about it. */

import { PilotageError, shown } from '../../../core/kernel/errors.ts'
import { isName } from '../../../core/kernel/text.ts'
import { changedImageToWire, entryOfWire, imageToWire } from '../../../proto/codec/operate.ts'
import { pageOf } from '../../../proto/codec/page-tokens.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/operate.ts'
import { addImage } from '../../images/add-image.ts'
import type { Catalogue } from '../../images/catalogue.ts'
import { approveImage, disapproveImage, revokeImage } from '../../images/decide.ts'
import { listImages } from '../../images/list-images.ts'
import { imageView } from '../../views/image.ts'
import { asUser, type Edge } from './edge.ts'
import { reasonOf } from './reason.ts'

type ImageMethods = Pick<
  wire.OperateServiceServer,
  'listImages' | 'addImage' | 'approveImage' | 'disapproveImage' | 'revokeImage'
>

export function imageHandlers(catalogue: Catalogue, edge: Edge): ImageMethods {
  const decision = ({ name, site }: wire.DecideImageRequest) => ({ name: named('name', name), site: named('site', site) })
  return {
    listImages: edge.unary('listImages', async (request: wire.ListImagesRequest) => {
      const { items, nextPageToken } = pageOf('images', await listImages(catalogue), request)
      return { images: items.map((image) => imageToWire(imageView(image))), nextPageToken }
    }),
    addImage: edge.unary('addImage', async ({ entry, signature }: wire.AddImageRequest, caller) =>
      changedImageToWire(await addImage(catalogue, asUser(caller), { entry: entry && entryOfWire(entry), signature })),
    ),
    approveImage: edge.unary('approveImage', async (request: wire.DecideImageRequest, caller) =>
      changedImageToWire(await approveImage(catalogue, asUser(caller), decision(request))),
    ),
    disapproveImage: edge.unary('disapproveImage', async (request: wire.DecideImageRequest, caller) =>
      changedImageToWire(await disapproveImage(catalogue, asUser(caller), decision(request))),
    ),
    revokeImage: edge.unary('revokeImage', async ({ name, reason }: wire.RevokeImageRequest, caller) =>
      changedImageToWire(await revokeImage(catalogue, asUser(caller), { name: named('name', name), why: reasonOf(reason) })),
    ),
  }
}

function named(path: 'name' | 'site', value: string): string {
  if (isName(value)) return value
  const violation = { path, value: shown(value), rule: 'not a name', accepted: 'letters, digits and . _ : / + -' }
  throw new PilotageError('invalid-argument', `no ${path}: ${shown(value)}`, { violations: [violation] })
}
