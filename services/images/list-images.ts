/**
 * List: what the catalogue has, and for each cloud that is configured with an image whether VMs may be made from it there.
 * Also names images that a cloud is configured with and the catalogue does not know: they are why nothing happens.
 */

import { barredWhy, type CheckedImage } from '../../core/model/image.ts'
import { type Catalogue, checkedImages } from './catalogue.ts'

export type ListedImage = {
  readonly name: string
  /** Absent: only the configuration knows it. */
  readonly image?: CheckedImage
  /** Why no VM may be made there; empty: one may. */
  readonly uses: readonly { readonly cloud: string; readonly site: string; readonly why: string }[]
}

/** By name. */
export async function listImages(catalogue: Catalogue): Promise<readonly ListedImage[]> {
  const { uses, clock } = catalogue
  const known = new Map((await checkedImages(catalogue)).map((image) => [image.entry.name, image]))
  const names = new Set([...known.keys(), ...uses.flatMap(({ images }) => images)])
  const nowMs = clock.nowMs()
  return [...names].sort().map((name) => {
    const image = known.get(name)
    const using = uses.filter(({ images }) => images.includes(name))
    return {
      name,
      image,
      uses: using.map(({ cloud, site }) => ({ cloud, site, why: barredWhy(name, image, { cloud, site }, nowMs) })),
    }
  })
}
