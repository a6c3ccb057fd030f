/**
 * The gate of a cloud: which images nothing may be made from there and why, and how the cloud calls one that is let through.
 *
 * Asked twice: for the plan, of all images at once, and right before a VM is ordered, of its own. A revocation between the
 * two makes no VM. Clouds whose machines are made from no image have no gate.
 */

import type { Offering } from '../../core/model/cloud.ts'
import type { CloudView } from '../../core/plan/fleet.ts'
import { barredWhy, type CheckedImage, revokedWhy } from '../../core/model/image.ts'
import { parseReference, type Reference } from '../../core/model/reference.ts'
import type { DirectedCloud, DirectorOptions } from './options.ts'

export type ImageGate = Pick<CloudView, 'barred' | 'revoked'>

const open: ImageGate = { barred: new Map(), revoked: new Map() }

/** Every image of the installation; none where no cloud needs them. */
export async function readImages({ clouds, images }: DirectorOptions): Promise<readonly CheckedImage[]> {
  return clouds.some(({ startsImages }) => startsImages) ? images() : []
}

export function gateOf(
  { offerings, startsImages }: Pick<DirectedCloud, 'offerings' | 'startsImages'>,
  images: readonly CheckedImage[],
  nowMs: number,
): ImageGate {
  if (!startsImages) return open
  const known = new Map(images.map((image) => [image.entry.name, image]))
  const barred = new Map<string, string>()
  for (const offering of offerings) {
    const why = barredWhy(offering.image, known.get(offering.image), offering, nowMs)
    if (why !== '') barred.set(offering.image, why)
  }
  // Also those that nothing is made from any more: their VMs may still be there.
  const revoked = images.flatMap((image): [string, string][] => {
    const why = revokedWhy(image)
    return why === '' ? [] : [[image.entry.name, why]]
  })
  return { barred, revoked: new Map(revoked) }
}

export type Admission =
  | { readonly ok: true; readonly imageRef: Reference | undefined }
  | { readonly ok: false; readonly why: string }

/** As things are at this moment. */
export async function admit(
  { startsImages }: Pick<DirectedCloud, 'startsImages'>,
  offering: Offering,
  { images, clock }: Pick<DirectorOptions, 'images' | 'clock'>,
): Promise<Admission> {
  if (!startsImages) return { ok: true, imageRef: undefined }
  const [image] = await images([offering.image])
  const why = barredWhy(offering.image, image, offering, clock.nowMs())
  if (why !== '') return { ok: false, why }
  const imageRef = parseReference(image?.entry.references[offering.cloud] ?? '')
  return imageRef ? { ok: true, imageRef } : { ok: false, why: `image ${offering.image}: its reference is none` }
}
