/**
 * The keys of a cloud of kind opennebula, under `opennebula`, and what the program runs on.
 *
 * A flavor has no counterpart there: its cores, memory and disk go into each order, and a reference to one would mean
 * nothing.
 */

import type { Violations } from '../../../../core/kernel/violations.ts'
import {
  absent,
  choice,
  decimal,
  duration,
  flag,
  list,
  mapping,
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

/** Of what others may own: by its id, or by name and owner. */
const named = mapping({ id: absent(whole(0, 2 ** 31 - 1)), name: absent(text), owner: absent(text) })

type Named = Read<typeof named>

const keys = mapping({
  endpoint: needed(text),
  plaintext: optional(flag, false),
  caFile: absent(text),
  user: needed(text),
  password: needed(secretSource),
  template: absent(named),
  cpuPerCore: optional(decimal(0.01, 16), 1),
  disk: optional(choice('flavor', 'template'), 'flavor'),
  networks: optional(list(named, 10), []),
  sshKeys: optional(list(text, 20), []),
  startScript: absent(text),
  groupQuota: optional(flag, true),
  powerOffDoubt: optional(duration(0, 60 * 60_000), 3 * 60_000),
})

export type RawOpenNebula = Read<typeof keys>

export type OpenNebulaConfig = {
  readonly endpoint: string
  readonly caFile?: string
  readonly user: string
  readonly password: SecretSource
  readonly template?:
    | { readonly by: 'id'; readonly id: string }
    | { readonly by: 'properties'; readonly properties: Readonly<Record<string, string>> }
  readonly cpuPerCore: number
  readonly disk: 'flavor' | 'template'
  /** As attributes of a network interface. */
  readonly networks: readonly ReadonlyMap<string, string>[]
  readonly sshKeys?: string
  readonly startScript?: string
  readonly groupQuota: boolean
  readonly powerOffDoubtMs: number
}

export const schema: DriverSchema<RawOpenNebula, OpenNebulaConfig> = { keys, check: checkKeys, compile }

function compile(raw: RawOpenNebula, placed: (file: string) => string): OpenNebulaConfig {
  const { endpoint, caFile, user, template, networks, sshKeys, startScript } = raw
  return {
    endpoint,
    caFile: caFile === undefined ? undefined : placed(caFile),
    user,
    password: placedBy(raw.password, placed),
    template: template && templateOf(template),
    cpuPerCore: raw.cpuPerCore,
    disk: raw.disk,
    networks: networks.map((one) => new Map(Object.entries(attributesOf(one, 'NETWORK')))),
    sshKeys: sshKeys.length === 0 ? undefined : sshKeys.join('\n'),
    startScript,
    groupQuota: raw.groupQuota,
    powerOffDoubtMs: raw.powerOffDoubt,
  }
}

function templateOf({ id, name = '', owner }: Named): OpenNebulaConfig['template'] {
  if (id !== undefined) return { by: 'id', id: String(id) }
  return { by: 'properties', properties: { NAME: name, ...(owner === undefined ? {} : { UNAME: owner }) } }
}

function attributesOf({ id, name = '', owner }: Named, kind: string): Readonly<Record<string, string>> {
  if (id !== undefined) return { [`${kind}_ID`]: String(id) }
  return { [kind]: name, ...(owner === undefined ? {} : { [`${kind}_UNAME`]: owner }) }
}

function checkKeys(raw: RawOpenNebula, { flavors }: NamedByCloud, cloud: string, violations: Violations): void {
  const path = `${cloud}.opennebula`
  checkEndpoint(raw, `${path}.endpoint`, violations)
  if (raw.user.includes(':') || raw.user === '') {
    violations.add(`${path}.user`, raw.user, 'not the name of a user', 'a name without a colon')
  }
  if (raw.template) checkNamed(raw.template, `${path}.template`, violations)
  for (const [at, one] of raw.networks.entries()) checkNamed(one, `${path}.networks[${at}]`, violations)
  flavors.forEach(({ ref }, at) => {
    if (ref === undefined) return
    const accepted = 'nothing: cores, memory and disk are all that a flavor is in OpenNebula'
    violations.add(`${cloud}.flavors[${at}].ref`, ref, 'has no effect', accepted)
  })
  raw.sshKeys.forEach((key, at) => {
    if (!/^[a-z0-9@.-]+ [A-Za-z0-9+/=]+(?: [^\n\\]*)?$/.test(key)) {
      violations.add(`${path}.sshKeys[${at}]`, key, 'not a public key', 'one line, as in id_ed25519.pub')
    }
  })
}

/** The password travels in every call. */
function checkEndpoint({ endpoint, plaintext }: RawOpenNebula, path: string, violations: Violations): void {
  const form = 'https://host:port/RPC2'
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') {
    violations.add(path, '(not shown)', 'not an address', form)
  } else if (url.protocol === 'http:' && !plaintext && !/^(?:localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname)) {
    violations.add(path, endpoint, 'not encrypted', `${form}, or plaintext: true on a private network`)
  }
}

function checkNamed({ id, name, owner }: Named, path: string, violations: Violations): void {
  const isOne = (id === undefined) !== (name === undefined) && (name !== '' || id !== undefined)
  if (!isOne || (id !== undefined && owner !== undefined)) {
    violations.add(path, id ?? name, 'not one of two', 'id: NUMBER, or name: NAME with owner: USER where it is another')
  }
}
