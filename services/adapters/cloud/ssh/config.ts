/**
 * The keys of a cloud of kind ssh, under `ssh`, and what the driver runs on. A private key has no place in a configuration:
 * a key says where one lies.
 */

import { isIP } from 'node:net'
import type { Violations } from '../../../../core/kernel/violations.ts'
import {
  absent,
  account,
  flag,
  list,
  mapping,
  name,
  needed,
  optional,
  placedBy,
  type Read,
  type SecretSource,
  secretSource,
  text,
  whole,
} from '../../../config/fields.ts'
import type { DriverSchema } from '../../../config/driver-schema.ts'
import type { NamedByCloud } from '../../../config/flavors.ts'

const port = optional(whole(1, 65_535), 22)
const login = { user: optional(account, 'root'), privateKey: needed(secretSource), sudo: optional(flag, false) }
const maxHosts = 1000

const keys = mapping({
  ...login,
  hosts: needed(list(mapping({ address: needed(text), port, flavor: needed(name), hostKey: absent(text) }), maxHosts)),
})

export type RawSsh = Read<typeof keys>

type SshLoginConfig = { readonly user: string; readonly privateKey: SecretSource; readonly sudo: boolean }

export type SshConfig = SshLoginConfig & {
  readonly hosts: readonly {
    readonly address: string
    readonly port: number
    readonly flavor: string
    readonly hostKey?: string
  }[]
}

function checkKeys(raw: RawSsh, cloud: NamedByCloud, at: string, violations: Violations): void {
  const path = `${at}.ssh`
  const flavors = cloud.flavors.map(({ name: one }) => one)
  // A host has the operating system that it has.
  if (cloud.images.length > 1) {
    violations.add(`${at}.images`, cloud.images, 'more than a host has', 'one, or none')
  }
  if (raw.hosts.length === 0) violations.add(`${path}.hosts`, raw.hosts, 'missing', 'one or more')
  const places = raw.hosts.map((host) => `${host.address}:${host.port}`)
  raw.hosts.forEach(({ address, flavor, hostKey }, at) => {
    const wrong = (key: string, value: unknown, rule: string, accepted: string): void =>
      violations.add(`${path}.hosts[${at}].${key}`, value, rule, accepted)
    const isAddress = isIP(address) > 0 || /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i.test(address)
    if (!isAddress) wrong('address', address, 'not an address', 'a host name or an IP address')
    if (places.indexOf(places[at] ?? '') !== at) wrong('address', address, 'used twice', 'each host once')
    if (!flavors.includes(flavor)) wrong('flavor', flavor, 'no flavor of this cloud', flavors.join(', '))
    if (hostKey !== undefined && !/^SHA256:[A-Za-z0-9+/]{43}$/.test(hostKey)) {
      wrong('hostKey', hostKey, 'not the fingerprint of a key', 'SHA256:..., as ssh-keygen -l shows it')
    }
  })
}

export const schema: DriverSchema<RawSsh, SshConfig> = {
  keys,
  images: [{ name: 'plain', ref: undefined, platform: 'linux', tags: [] }],
  check: checkKeys,
  compile: ({ hosts, user, privateKey, sudo }, placed) => ({
    user,
    privateKey: placedBy(privateKey, placed),
    sudo,
    hosts,
  }),
}
