/**
 * From an order's image to an AMI: by its id, its name or its properties. Exactly one must be meant: of several, none is taken,
 * since whoever publishes a newer one would choose what we run.
 *
 * Names and properties are looked for only among the images of the configured owners. What was found is kept for some minutes.
 */

import type { DescribeImagesCommandInput, Image } from '@aws-sdk/client-ec2'
import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'
import type { Reference } from '../../../../core/model/reference.ts'
import { literal } from './marks.ts'
import type { Ec2Options } from './options.ts'
import type { Session } from './session.ts'

export type FoundImage = { readonly id: string; readonly root?: RootDevice }
/** `leastGib`: what it was made with; a machine's disk can only be larger. */
export type RootDevice = { readonly device: string; readonly leastGib: number }

/** An image by our name, and how this cloud calls it. */
export type WantedImage = Pick<VmOrder, 'imageRef'> & { readonly shape: Pick<VmOrder['shape'], 'image'> }

export type Images = {
  /** Throws `cloud-refused` where it is none, or not one. */
  find(wanted: WantedImage, doing: string, signal: AbortSignal): Promise<FoundImage>
  /** The cloud says that it is not there (any more). */
  forget(wanted: WantedImage): void
}

const keepMs = 5 * 60_000

export function findImages(
  session: Session,
  { imageOwners, clock }: Pick<Ec2Options, 'imageOwners'> & { readonly clock: Clock },
): Images {
  const kept = new Map<string, { readonly found: FoundImage; readonly untilMs: number }>()
  // By what it is called there: what a name of ours stands for may be told anew.
  const keyOf = ({ imageRef }: WantedImage): string => JSON.stringify(imageRef)
  return {
    forget: (wanted) => void kept.delete(keyOf(wanted)),
    async find(wanted, doing, signal) {
      const known = kept.get(keyOf(wanted))
      if (known && clock.monotonicMs() < known.untilMs) return known.found
      const { imageRef: reference } = wanted
      const { image } = wanted.shape
      if (!reference)
        throw new PilotageError('cloud-refused', `${doing}: the order does not say what image ${image} is here`)
      const input = queryFor(reference, imageOwners)
      const { sdk } = session
      const { Images: images } = await session.call(`${doing}: looking for image ${image}`, signal, (client, abortSignal) =>
        client.send(new sdk.DescribeImagesCommand(input), { abortSignal }),
      )
      if (!images) throw new PilotageError('cloud-transient', `${doing}: the answer tells no images`)
      const found = onlyOne(images, image, doing)
      kept.set(keyOf(wanted), { found, untilMs: clock.monotonicMs() + keepMs })
      return found
    },
  }
}

/** No paging: two are too many already, and EC2 tells all where no page size is asked for. */
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

function onlyOne(images: readonly Image[], image: string, doing: string): FoundImage {
  const refuse = (why: string): never => {
    throw new PilotageError('cloud-refused', `${doing}: image ${image}: ${why}`)
  }
  const usable = images.filter(({ State }) => State === undefined || State === 'available')
  const [found, ...others] = usable
  if (found?.ImageId === undefined) return refuse(images.length > 0 ? 'it is not available' : 'there is none such')
  if (others.length > 0) {
    const some = usable.slice(0, 3).map(({ ImageId }) => ImageId)
    return refuse(`${usable.length} are such, among them ${some.join(', ')}: name one`)
  }
  const { ImageId: id, RootDeviceName: device, RootDeviceType, BlockDeviceMappings = [] } = found
  if (device === undefined || RootDeviceType === 'instance-store') return { id }
  const mapping = BlockDeviceMappings.find(({ DeviceName }) => DeviceName === device)
  return { id, root: { device, leastGib: mapping?.Ebs?.VolumeSize ?? 1 } }
}
