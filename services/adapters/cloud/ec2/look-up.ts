/**
 * From an order's image to an AMI: by its id, its name or its properties. Exactly one must match: of several, none is taken,
 * since any publisher of a newer image would then choose what we run.
 *
 * Names and properties are looked for only among the images of the configured owners. What was found is kept for some
 * minutes.
 */

import type { DescribeImagesCommandInput, Image } from '@aws-sdk/client-ec2'
import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'
import type { Reference } from '../../../../core/model/reference.ts'
import { lookUpCache } from '../kit/look-up-cache.ts'
import { onlyOne } from '../kit/only-one.ts'
import { literal } from './marks.ts'
import type { Ec2Options } from './options.ts'
import type { Session } from './session.ts'

export type FoundImage = { readonly id: string; readonly root?: RootDevice }
/** `minGib`: what it was made with; a machine's disk can only be larger. */
export type RootDevice = { readonly device: string; readonly minGib: number }

/** An image by our name, and how this cloud calls it. */
export type WantedImage = Pick<VmOrder, 'imageRef'> & { readonly shape: Pick<VmOrder['shape'], 'image'> }

export type Images = {
  /** Throws `cloud-refused` where it is none, or not one. */
  find(wanted: WantedImage, doing: string, signal: AbortSignal): Promise<FoundImage>
  /** An order with it was refused: it may not be there any more. */
  forget(wanted: WantedImage): void
}

export function findImages(
  session: Session,
  { imageOwners, clock }: Pick<Ec2Options, 'imageOwners'> & { readonly clock: Clock },
): Images {
  const cache = lookUpCache(clock)
  // By what it is called there: what a name of ours stands for may change.
  const keyOf = ({ imageRef }: WantedImage): string => JSON.stringify(imageRef)

  async function lookUp(reference: Reference, image: string, doing: string, signal: AbortSignal): Promise<FoundImage> {
    const input = queryFor(reference, imageOwners)
    const { sdk } = session
    const { Images: images } = await session.call(`${doing}: looking for image ${image}`, signal, (client, abortSignal) =>
      client.send(new sdk.DescribeImagesCommand(input), { abortSignal }),
    )
    if (!images) throw new PilotageError('cloud-transient', `${doing}: the answer has no images`)
    return imageOf(images, `image ${image}`)
  }

  return {
    forget: (wanted) => cache.forget(keyOf(wanted)),
    async find(wanted, doing, signal) {
      const { imageRef, shape } = wanted
      if (!imageRef) {
        throw new PilotageError('cloud-refused', `${doing}: the order does not say what image ${shape.image} is here`)
      }
      return cache.get(keyOf(wanted), () => lookUp(imageRef, shape.image, doing, signal))
    },
  }
}

/** No paging: a second match is refused anyway, and EC2 returns all images if the request has no page size. */
function queryFor(reference: Reference, owners: readonly string[]): DescribeImagesCommandInput {
  const Owners = [...owners]
  switch (reference.by) {
    case 'id':
      return { ImageIds: [reference.id] }
    case 'name':
      return { Owners, Filters: [{ Name: 'name', Values: [literal(reference.name)] }] }
    case 'properties': {
      const filters = Object.entries(reference.properties)
      // Here * and ? stand for other characters, as EC2's filters have it.
      return { Owners, Filters: filters.map(([Name, value]) => ({ Name, Values: [value] })) }
    }
  }
}

function imageOf(images: readonly Image[], what: string): FoundImage {
  const usable = images.filter(({ State }) => State === undefined || State === 'available')
  if (images.length > 0 && usable.length === 0) throw new PilotageError('cloud-refused', `${what} is not available`)
  const found = onlyOne(usable, what, ({ ImageId = '' }) => ImageId)
  const { ImageId: id, RootDeviceName: device, RootDeviceType, BlockDeviceMappings = [] } = found
  if (id === undefined) throw new PilotageError('cloud-transient', `${what}: the answer has no id`)
  if (device === undefined || RootDeviceType === 'instance-store') return { id }
  const mapping = BlockDeviceMappings.find(({ DeviceName }) => DeviceName === device)
  return { id, root: { device, minGib: mapping?.Ebs?.VolumeSize ?? 1 } }
}
