/**
 * The squids that Pilotage keeps at a site: `squid: managed`, or how many of what. What the director wants of it is listed
 * site by site; which offering serves is its own choice unless one is named here.
 */

import { isIP, isIPv4 } from 'node:net'
import Type from 'typebox'
import type { CloudTraits } from '../../core/model/cloud.ts'
import type { ServiceWish } from '../../core/plan/fleet.ts'
import type { Violations } from '../../core/kernel/violations.ts'
import { absent, list, mapping, name, optional, type Read, reading, text, whole } from './fields.ts'

const wanted = mapping({
  count: optional(whole(1, 16), 1),
  cloud: absent(name),
  flavor: absent(name),
  image: absent(name),
  clients: absent(list(text, 50)),
})

type RawSquid = Read<typeof wanted>

const schema = Type.Union([Type.Literal('managed'), wanted.schema])

export const squid = reading<RawSquid>(schema, (value, path, violations) => {
  if (value === 'managed') return wanted({}, path, violations)
  if (typeof value === 'object') return wanted(value, path, violations)
  const accepted = 'managed, or a mapping of count, cloud, flavor, image, clients'
  violations.add(path, value, 'neither managed nor a mapping', accepted)
  return undefined
})

type Site = { readonly name: string; readonly squid: RawSquid | undefined }

/** What can be started, as far as the configuration knows it. */
export type Startable = {
  readonly name: string
  readonly traits: Pick<CloudTraits, 'isOnThisMachine' | 'isLent'>
  readonly site: string
  readonly flavors: readonly { readonly name: string }[] | undefined
  readonly images: readonly { readonly name: string }[] | undefined
}

/** A squid is a machine: at its site there must be a cloud that makes some, with what is named. */
export function checkSquids(sites: readonly Site[], clouds: readonly Startable[], violations: Violations): void {
  sites.forEach(({ name: site, squid: wish }, at) => {
    if (!wish) return
    const path = `context.sites[${at}].squid`
    wish.clients?.forEach((network, index) => {
      if (isNetwork(network)) return
      violations.add(`${path}.clients[${index}]`, network, 'not a network', 'an address or a network, as 10.0.0.0/8')
    })
    const atSite = clouds.filter((cloud) => cloud.site === site)
    // Processes of ours, and hosts that are only lent, are no place for one.
    const there = atSite.filter(({ traits }) => !traits.isOnThisMachine && !traits.isLent)
    if (wish.cloud === undefined && there.length > 0 && there.length < atSite.length) {
      const names = there.map((cloud) => cloud.name).join(', ')
      violations.add(`${path}.cloud`, undefined, 'missing, as not every cloud there makes machines', names)
    }
    const chosen = there.filter((cloud) => (wish.cloud ?? cloud.name) === cloud.name)
    if (chosen.length === 0) {
      const names = there.map((cloud) => cloud.name).join(', ')
      const accepted = names === '' ? `a cloud at ${site} that makes machines` : names
      violations.add(wish.cloud === undefined ? path : `${path}.cloud`, wish.cloud ?? 'managed', 'no machine', accepted)
      return
    }
    for (const key of ['flavor', 'image'] as const) {
      const known = chosen.flatMap((cloud) => (cloud[`${key}s`] ?? []).map((one) => one.name))
      const named = wish[key]
      if (named !== undefined && !known.includes(named)) {
        violations.add(`${path}.${key}`, named, 'not known there', known.join(', '))
      }
    }
  })
}

function isNetwork(text: string): boolean {
  const [address = '', length, ...more] = text.split('/')
  const bits = isIPv4(address) ? 32 : 128
  if (isIP(address) === 0 || more.length > 0) return false
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits)
}

export function compileSquids(sites: readonly Site[]): readonly ServiceWish[] {
  return sites.flatMap(({ name: site, squid: wish }) => {
    if (!wish) return []
    const { count, cloud, flavor, image } = wish
    return [{ service: 'squid', site, count, cloud, flavor, image }]
  })
}
