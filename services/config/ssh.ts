/**
 * The keys of a cloud of kind ssh, under `ssh`, and what the program runs on; and how machines without cloud-init are logged in
 * to, under `context.ssh`. A private key has no place in a configuration: it says where one lies.
 */

import { isIP } from 'node:net'
import type { Violations } from '../../core/kernel/violations.ts'
import {
  absent,
  flag,
  list,
  mapping,
  name,
  needed,
  optional,
  placedBy,
  type SecretSource,
  secretSource,
  text,
  whole,
} from './fields.ts'

export type RawSshLogin = { user: string; privateKey: SecretSource; sudo: boolean }
export type RawDelivery = RawSshLogin & { port: number }
type RawHost = { address: string; port: number; flavor: string; hostKey: string | undefined }
export type RawSsh = RawSshLogin & { hosts: readonly RawHost[] }

const port = optional(whole(1, 65_535), 22)
const login = { user: optional(text, 'root'), privateKey: needed(secretSource), sudo: optional(flag, false) }
const hostsMost = 1000

export const sshDelivery = mapping<RawDelivery>({ ...login, port })

export const ssh = mapping<RawSsh>({
  ...login,
  hosts: needed(
    list(mapping<RawHost>({ address: needed(text), port, flavor: needed(name), hostKey: absent(text) }), hostsMost),
  ),
})

export type SshLoginConfig = { readonly user: string; readonly privateKey: SecretSource; readonly sudo: boolean }

/** For machines of clouds with an API whose image has no cloud-init. */
export type DeliveryConfig = SshLoginConfig & { readonly port: number }

export type SshConfig = SshLoginConfig & {
  readonly hosts: readonly {
    readonly address: string
    readonly port: number
    readonly flavor: string
    readonly hostKey?: string
  }[]
}

/** `flavors`: the cloud's, by name. */
export function checkSsh(raw: RawSsh, flavors: readonly string[], path: string, violations: Violations): void {
  checkLogin(raw, path, violations)
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

export function checkLogin({ user }: RawSshLogin, path: string, violations: Violations): void {
  if (!/^[a-z_][a-z0-9_.-]{0,31}$/i.test(user))
    violations.add(`${path}.user`, user, 'not an account', 'a name of an account')
}

/** `placed`: where a file lies that is named. */
export function compileSsh({ hosts, ...raw }: RawSsh, placed: (file: string) => string): SshConfig {
  return { ...compileLogin(raw, placed), hosts }
}

export function compileDelivery({ port: reached, ...raw }: RawDelivery, placed: (file: string) => string): DeliveryConfig {
  return { ...compileLogin(raw, placed), port: reached }
}

function compileLogin({ user, privateKey, sudo }: RawSshLogin, placed: (file: string) => string): SshLoginConfig {
  return { user, privateKey: placedBy(privateKey, placed), sudo }
}
