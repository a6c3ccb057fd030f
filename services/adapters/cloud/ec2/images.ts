/**
 * From an image of ours to an AMI: by its id, its name or its properties. Exactly one must be meant: of several, none is taken,
 * since whoever publishes a newer one would choose what we run.
 *
 * Names and properties are looked for only among the images of the configured owners. What was found is kept for some minutes.
 */

import type { DescribeImagesCommandInput, Image } from '@aws-sdk/client-ec2'
import type { Clock } from '../../../../core/clock.ts'
import { PilotageError } from '../../../../core/errors.ts'
import type { Reference } from '../kit/driver.ts'
import { literal } from './marks.ts'
import type { Ec2Options } from './options.ts'
import type { Session } from './session.ts'

export type FoundImage = { readonly id: string; readonly root?: RootDevice }
/** `leastGib`: what it was made with; a machine's disk can only be larger. */
export type RootDevice = { readonly device: string; readonly leastGib: number }

export type Images = {
  /** Throws `cloud-refused` where it is none, or not one. */
  find(image: string, doing: string, signal: AbortSignal): Promise<FoundImage>
  /** The cloud says that it is not there (any more). */
  forget(image: string): void
}

const keepMs = 5 * 60_000

export function findImages(
  session: Session,
  { references, imageOwners, clock }: Pick<Ec2Options, 'references' | 'imageOwners'> & { readonly clock: Clock },
): Images {
  const kept = new Map<string, { readonly found: FoundImage; readonly untilMs: number }>()
  return {
    forget: (image) => void kept.delete(image),
    async find(image, doing, signal) {
      const known = kept.get(image)
      if (known && clock.monotonicMs() < known.untilMs) return known.found
      const reference = references.images.get(image)
      if (!reference) throw new PilotageError('cloud-refused', `${doing}: there is no image ${image}`)
      const input = queryFor(reference, imageOwners)
      const { sdk } = session
      const { Images: images } = await session.call(`${doing}: looking for image ${image}`, signal, (client, abortSignal) =>
        client.send(new sdk.DescribeImagesCommand(input), { abortSignal }),
      )
      if (!images) throw new PilotageError('cloud-transient', `${doing}: the answer tells no images`)
      const found = onlyOne(images, image, doing)
      kept.set(image, { found, untilMs: clock.monotonicMs() + keepMs })
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
