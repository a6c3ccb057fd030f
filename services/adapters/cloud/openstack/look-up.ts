/**
 * What the configuration and an order name, by the ids that this cloud has for it: flavors, images, networks, groups. A name
 * that stands for nothing or for several things is refused, with what there is: a guess would make the wrong machines.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'
import type { Reference } from '../../../../core/model/reference.ts'
import type { VmShape } from '../../../../core/model/vm.ts'
import type { References } from '../kit/driver.ts'
import { type Compute, type Flavor, isUuid } from './compute.ts'
import type { Deadline } from '../kit/deadline.ts'
import { onlyOne } from '../kit/only-one.ts'
import type { LookUpCache } from '../kit/look-up-cache.ts'
import { listIn, type Session } from './session.ts'

export type Finder = {
  flavor(shape: VmShape, until: Deadline): Promise<Flavor>
  imageId(order: VmOrder, until: Deadline): Promise<string>
  networkId(nameOrId: string, isExternal: boolean, until: Deadline): Promise<string>
  securityGroupId(nameOrId: string, until: Deadline): Promise<string>
  serverGroupId(nameOrId: string, until: Deadline): Promise<string>
  /** What was remembered may be why an order was refused. */
  forget(): void
}

type Image = { readonly id: string; readonly name?: string; readonly status?: string }
type Thing = { readonly id: string; readonly name?: string }
type Parts = {
  readonly session: Session
  readonly compute: Compute
  readonly memory: LookUpCache
  readonly references: References
}

const mib = 1024 * 1024

export function finder({ session, compute, memory, references }: Parts): Finder {
  async function images(query: string, until: Deadline): Promise<readonly Image[]> {
    const doing = 'looking for an image'
    const path = `/images?limit=20&status=active&${query}`
    return listIn<Image>(await session.send({ service: 'image', method: 'GET', path, doing }, until), 'images', doing)
  }

  async function image(reference: Reference, until: Deadline): Promise<string> {
    const what = `image ${described(reference)}`
    if (reference.by === 'name')
      return only(await images(`name=${encodeURIComponent(inFilter(reference.name))}`, until), what).id
    if (reference.by === 'properties') return only(await images(query(reference.properties), until), what).id
    const doing = `looking at ${what}`
    const path = `/images/${encodeURIComponent(reference.id)}`
    const request = { service: 'image', method: 'GET', path, answers: [404], doing, isOrder: true } as const
    const { status, body } = await session.send(request, until)
    if (status === 404) throw refused(`there is no ${what}`)
    if (body.status !== 'active') throw refused(`${what} is ${String(body.status)}, not active`)
    return reference.id
  }

  async function named(
    kind: 'networks' | 'security-groups',
    nameOrId: string,
    more: string,
    until: Deadline,
  ): Promise<string> {
    if (isUuid(nameOrId)) return nameOrId
    const doing = `looking for ${nameOrId} among the ${kind}`
    const path = `/${kind}?fields=id&fields=name&name=${encodeURIComponent(nameOrId)}${more}`
    const answer = await session.send({ service: 'network', method: 'GET', path, doing }, until)
    return only(listIn<Thing>(answer, kind.replace('-', '_'), doing), `${kind} ${nameOrId}`).id
  }

  return {
    async flavor(shape, until) {
      const reference = flavorReference(references, shape.flavor)
      const lookUp = async (): Promise<Flavor> => {
        const fitting = (await compute.flavors(until)).filter((one) => isFlavor(one, reference))
        return only(fitting, `flavor ${described(reference)}`)
      }
      return memory.find(`flavor ${shape.flavor}`, lookUp, (found) => asPromised(found, shape))
    },
    async imageId({ imageRef, shape }, until) {
      if (!imageRef) throw refused(`the order does not say what image ${shape.image} is here`)
      return memory.get(`image ${JSON.stringify(imageRef)}`, () => image(imageRef, until))
    },
    networkId: (nameOrId, isExternal, until) =>
      memory.get(`network ${nameOrId}`, () => named('networks', nameOrId, isExternal ? '&router:external=true' : '', until)),
    securityGroupId: (nameOrId, until) =>
      memory.get(`security group ${nameOrId}`, async () => {
        // An administrator sees those of all projects.
        const projectId = await session.projectId(until)
        return named('security-groups', nameOrId, `&project_id=${encodeURIComponent(projectId)}`, until)
      }),
    serverGroupId: (nameOrId, until) =>
      memory.get(`server group ${nameOrId}`, async () => {
        if (isUuid(nameOrId)) return nameOrId
        const groups = (await compute.serverGroups(until)).filter(({ name }) => name === nameOrId)
        return only(groups, `server group ${nameOrId}`).id
      }),
    forget: () => memory.clear(),
  }
}

function flavorReference({ flavors }: References, name: string): Reference {
  const reference = flavors.get(name)
  if (reference) return reference
  throw refused(`the configuration of this cloud has no flavor ${name}`)
}

/** `vcpus`, `ram` (MiB) and `disk` (GiB) are a flavor's size; every other property is one of its extra specs. */
function isFlavor(flavor: Flavor, reference: Reference): boolean {
  switch (reference.by) {
    case 'id':
      return flavor.id === reference.id
    case 'name':
      return flavor.name === reference.name
    case 'properties':
      return Object.entries(reference.properties).every(([key, value]) => {
        if (key === 'vcpus' || key === 'ram' || key === 'disk') return flavor[key] === Number(value)
        return flavor.extra_specs?.[key] === value
      })
  }
}

/** Jobs are matched by what was promised: a smaller machine would be given what does not fit. */
function asPromised(flavor: Flavor, shape: VmShape): Flavor {
  const { name, vcpus, ram } = flavor
  const [promisedGpus, gpus] = [shape.gpus ?? 0, gpusOf(flavor.extra_specs ?? {})]
  if (gpus !== undefined && gpus < promisedGpus) {
    throw refused(`flavor ${shape.flavor} is promised with ${promisedGpus} GPUs, but ${name} has ${gpus}`)
  }
  if (vcpus >= shape.cores && ram * mib >= shape.memoryBytes) return flavor
  const promised = `${shape.cores} cores and ${Math.ceil(shape.memoryBytes / mib)} MiB`
  throw refused(`flavor ${shape.flavor} is promised with ${promised}, but ${name} has ${vcpus} and ${ram} MiB`)
}

/** Nova's two ways to give a flavor GPUs; undefined: it says nothing, and may have some in a third way. */
export function gpusOf(specs: Readonly<Record<string, string>>): number | undefined {
  const aliases = specs['pci_passthrough:alias']?.split(',') ?? []
  const passed = aliases.map((alias) => Number(alias.slice(alias.indexOf(':') + 1)))
  const counts = [...passed, Number(specs['resources:VGPU'] ?? Number.NaN)].filter(Number.isSafeInteger)
  return counts.length === 0 ? undefined : counts.reduce((sum, count) => sum + count, 0)
}

function only<T extends Thing>(found: readonly T[], what: string): T {
  return onlyOne(found, what, ({ id }) => id)
}

function described(reference: Reference): string {
  if (reference.by === 'id') return reference.id
  if (reference.by === 'name') return `"${reference.name}"`
  return `with ${Object.entries(reference.properties)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ')}`
}

function query(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties)
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(key === 'name' ? inFilter(value) : value)}`)
    .join('&')
}

/** Glance takes `in:a,b` for a choice and a colon for an operator. */
function inFilter(name: string): string {
  return /[:,"]/.test(name) ? `in:"${name.replaceAll('"', '\\"')}"` : name
}

function refused(why: string): PilotageError {
  return new PilotageError('cloud-refused', why)
}
