/**
 * Which template an order starts from, and which image where images are named apart: an order's reference as OpenNebula's
 * ids.
 *
 * Looked up in the pools of all that the account may use, kept for some minutes, forgotten when the cloud refuses an order.
 * What is not there, or there twice, is `cloud-refused`: an order is never made of a guess.
 */

import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'
import type { Reference } from '../../../../core/model/reference.ts'
import { lookUpCache } from '../kit/look-up-cache.ts'
import { onlyOne } from '../kit/only-one.ts'
import type { Deadline } from '../kit/deadline.ts'
import { type Client, documentOf } from './client.ts'
import type { Template } from './order.ts'
import { childOf, listOf, type Node, numberOf, textOf, textsOf } from './xml.ts'

export type Catalogue = {
  find(order: WantedImage, deadline: Deadline): Promise<{ readonly template: Template; readonly imageId?: number }>
  forget(): void
}

/** An image by our name, and how this cloud calls it. */
export type WantedImage = Pick<VmOrder, 'imageRef'> & { readonly shape: Pick<VmOrder['shape'], 'image'> }

export type CatalogueOptions = {
  readonly client: Client
  readonly clock: Clock
  /** Of all VMs; then images are images. Without it an image is a template. */
  readonly template?: Reference
}

type Pool = { readonly element: string; readonly method: string; readonly root: string; readonly word: string }
const templates: Pool = {
  element: 'VMTEMPLATE',
  method: 'one.templatepool.info',
  root: 'VMTEMPLATE_POOL',
  word: 'template',
}
const images: Pool = { element: 'IMAGE', method: 'one.imagepool.info', root: 'IMAGE_POOL', word: 'image' }

export function openCatalogue({ client, clock, template }: CatalogueOptions): Catalogue {
  const cache = lookUpCache(clock)

  async function read({ element, method, root, word }: Pool, deadline: Deadline): Promise<readonly Node[]> {
    const doing = `reading the ${word}s`
    const value = await client.value(method, [-2, -1, -1], { doing, asking: 'all', deadline })
    return listOf(documentOf(value, root, doing), element)
  }

  async function entry(pool: Pool, reference: Reference, deadline: Deadline): Promise<Node> {
    const what = `${pool.word} ${referenceText(reference)} that the account may use`
    const only = (entries: readonly Node[]): Node =>
      onlyOne(
        entries.filter((one) => holds(one, reference)),
        what,
        (one) => textOf(one, 'ID'),
      )
    return cache.find(pool.method, () => read(pool, deadline), only)
  }

  return {
    async find({ imageRef: reference, shape: { image } }, deadline) {
      if (!reference) throw new PilotageError('cloud-refused', `the order does not say what image ${image} is here`)
      if (!template) return { template: templateOf(await entry(templates, reference, deadline)) }
      const [base, own] = await Promise.all([entry(templates, template, deadline), entry(images, reference, deadline)])
      return { template: templateOf(base), imageId: numberOf(own, 'ID') }
    },
    forget: () => cache.clear(),
  }
}

function holds(entry: Node, reference: Reference): boolean {
  switch (reference.by) {
    case 'id':
      return textOf(entry, 'ID') === reference.id
    case 'name':
      return textOf(entry, 'NAME') === reference.name
    default:
      // What the pool says of it, or what stands in its own template.
      return Object.entries(reference.properties).every(
        ([key, value]) => textOf(entry, key) === value || textOf(entry, 'TEMPLATE', key) === value,
      )
  }
}

function referenceText(reference: Reference): string {
  switch (reference.by) {
    case 'id':
      return `with id ${reference.id}`
    case 'name':
      return `called ${reference.name}`
    default:
      return `with ${JSON.stringify(reference.properties)}`
  }
}

function templateOf(entry: Node): Template {
  const body = childOf(entry, 'TEMPLATE')
  return {
    id: numberOf(entry, 'ID'),
    context: textsOf(childOf(body, 'CONTEXT')),
    disks: listOf(body, 'DISK').map(textsOf),
  }
}
