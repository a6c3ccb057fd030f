/**
 * The catalogue of images as the operations have it: the store behind it, whom to believe, and where images are used.
 * Answers what it has with what is to be thought of the endorsements.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { CheckedImage, Image, ImageEvent, ImagePlace } from '../../core/model/image.ts'
import { imageNameOf, type ImageRefusal } from '../../core/model/image.ts'
import { imageLimits } from '../../core/kernel/limits.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { ImageStore } from '../../core/ports/store.ts'
import type { Trust } from './trust.ts'

/** A cloud that makes machines from images, and which of them the configuration names. */
export type ImageUse = ImagePlace & { readonly images: readonly string[] }

export type Catalogue = {
  readonly store: ImageStore
  readonly bus: Bus
  readonly clock: Clock
  readonly trust: Trust
  readonly uses: readonly ImageUse[]
  /** Where clouds of this installation stand. */
  readonly sites: readonly string[]
}

export type ChangedImage = { readonly image: Image; readonly changed: boolean }

/** As `images` of the store. Every endorsement is looked at with the keys that are trusted now. */
export async function checkedImages(
  { store, trust }: Pick<Catalogue, 'store' | 'trust'>,
  names?: readonly string[],
): Promise<readonly CheckedImage[]> {
  const images = await store.images(names)
  return images.map((image) => ({ ...image, distrust: trust.distrust(image.entry, image.signature) }))
}

/** Throws what the refusal means. Directors hear of it at once. */
export async function changeCatalogue({ store, bus, clock }: Catalogue, event: ImageEvent): Promise<ChangedImage> {
  const outcome = await store.changeImage(event, clock.nowMs())
  const name = imageNameOf(event)
  if (!outcome.ok) throw refusalOf(outcome.why, name)
  if (outcome.changed) bus.hint({ kind: 'images', ids: [name] })
  return outcome
}

function refusalOf(why: ImageRefusal, name: string): PilotageError {
  switch (why) {
    case 'not-found':
      return new PilotageError('not-found', `there is no image ${name} in the catalogue`)
    case 'conflict':
      return new PilotageError('conflict', `image ${name} is known with another content: another image needs another name`)
    case 'revoked':
      return new PilotageError('conflict', `image ${name} is revoked, and that is final: another image needs another name`)
    case 'too-many': {
      const most = `${imageLimits.images} images and ${imageLimits.approvals} sites for each`
      return new PilotageError('too-large', `the catalogue has no room: it keeps ${most}`)
    }
  }
}
