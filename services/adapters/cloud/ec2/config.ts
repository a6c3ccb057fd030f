/**
 * The keys of a cloud of kind ec2, under `ec2`, and what the program runs on. Checks what depends on several keys:
 * where credentials come from, whether an address keeps a secret, and what a flavor's reference may say.
 *
 * Secrets stand in files and variables, never here.
 */

import Type from 'typebox'
import { parseReference } from '../../../../core/model/reference.ts'
import type { Violations } from '../../../../core/kernel/violations.ts'
import {
  type AccessKeys,
  absent,
  accessKeyFields,
  checkAccessKeys,
  choice,
  flag,
  list,
  mapping,
  name,
  needed,
  optional,
  placedAccessKeys,
  type Read,
  text,
  value,
} from '../../../config/fields.ts'
import type { DriverSchema } from '../../../config/driver-schema.ts'
import type { NamedByCloud } from '../../../config/flavors.ts'

const tagWording = { rule: 'not a tag', accepted: 'KEY=VALUE; not Name, aws:... or pilotage-..., which others set' }

const tag = value(Type.String(), tagWording, (given) => {
  const [, key, rest] = /^([^=]{1,128})=([^=]{0,256})$/s.exec(given) ?? []
  if (key === undefined || rest === undefined || /^(?:aws:|pilotage-|Name$)/.test(key)) return undefined
  return { key, value: rest }
})

const keys = mapping({
  region: needed(name),
  endpoint: absent(text),
  caFile: absent(text),
  ...accessKeyFields,
  launchTemplate: absent(mapping({ id: absent(name), name: absent(text), version: optional(text, '$Default') })),
  subnets: optional(list(name, 50), []),
  securityGroups: optional(list(name, 16), []),
  publicIp: absent(flag),
  instanceProfile: absent(text),
  keyName: absent(text),
  rootVolume: absent(
    mapping({
      size: optional(choice('flavor', 'image'), 'flavor'),
      type: absent(name),
      encrypted: absent(flag),
    }),
  ),
  imageOwners: optional(list(name, 20), ['self']),
  tags: optional(list(tag, 40), []),
  quotaFromAccount: optional(flag, false),
})

export type RawEc2 = Read<typeof keys>

export type Ec2Config = {
  readonly region: string
  readonly endpoint?: string
  readonly caFile?: string
  readonly credentials: (AccessKeys & { readonly kind: 'keys' }) | { readonly kind: 'chain' }
  readonly machine: {
    readonly launchTemplate?: { readonly id?: string; readonly name?: string; readonly version: string }
    readonly subnets: readonly string[]
    readonly securityGroups: readonly string[]
    readonly publicIp?: boolean
    readonly instanceProfile?: string
    readonly keyName?: string
    readonly rootVolume?: { readonly size: 'flavor' | 'image'; readonly type?: string; readonly encrypted?: boolean }
    readonly tags: Readonly<Record<string, string>>
  }
  readonly imageOwners: readonly string[]
  readonly quotaFromAccount: boolean
}

function checkKeys(raw: RawEc2, { flavors }: NamedByCloud, cloud: string, violations: Violations): void {
  const path = `${cloud}.ec2`
  const { endpoint, launchTemplate, subnets, imageOwners } = raw
  checkAccessKeys(raw, path, violations)
  if (endpoint !== undefined && !isEndpoint(endpoint)) {
    // It may have an account in it.
    violations.add(`${path}.endpoint`, '(not shown)', 'not an address', endpointForm)
  }
  if (launchTemplate && (launchTemplate.id === undefined) === (launchTemplate.name === undefined)) {
    violations.add(`${path}.launchTemplate`, launchTemplate.id, 'not one of two', 'either id or name')
  }
  subnets.forEach((subnet, at) => {
    if (subnets.indexOf(subnet) !== at) violations.add(`${path}.subnets[${at}]`, subnet, 'named twice', 'each once')
  })
  if (imageOwners.length === 0) {
    violations.add(`${path}.imageOwners`, imageOwners, 'empty', 'self, amazon, or numbers of accounts')
  }
  flavors.forEach(({ ref }, at) => {
    const reference = ref === undefined ? undefined : parseReference(ref)
    if (reference?.by === 'properties') checkFlavor(reference.properties, `${cloud}.flavors[${at}].ref`, violations)
  })
}

const endpointForm = 'https://host[:port][/path] without an account; http:// only on this machine'

/** What goes there carries activation keys. */
function isEndpoint(endpoint: string): boolean {
  if (!URL.canParse(endpoint)) return false
  const { protocol, hostname, username, password, search, hash } = new URL(endpoint)
  if (username !== '' || password !== '' || search !== '' || hash !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(hostname))
}

const flavorForm = 'properties:type=TYPE, with market=spot and perhaps maxPrice=DOLLARS'

function checkFlavor(properties: Readonly<Record<string, string>>, path: string, violations: Violations): void {
  const { type = '', market = 'on-demand', maxPrice, ...others } = properties
  const [stranger] = Object.keys(others)
  if (stranger !== undefined) violations.add(path, stranger, 'no property of a flavor of ec2', flavorForm)
  if (type === '') violations.add(path, undefined, 'names no type', flavorForm)
  if (!['spot', 'on-demand'].includes(market)) violations.add(path, market, 'not a market', 'spot, on-demand')
  if (maxPrice === undefined) return
  if (market !== 'spot') violations.add(path, maxPrice, 'a price of a machine on demand', 'market=spot beside maxPrice')
  if (!/^\d+(?:\.\d+)?$/.test(maxPrice) || Number(maxPrice) === 0) {
    violations.add(path, maxPrice, 'not a price', 'dollars an hour, as 0.035')
  }
}

export const schema: DriverSchema<RawEc2, Ec2Config> = { keys, check: checkKeys, compile }

function compile(raw: RawEc2, placed: (file: string) => string): Ec2Config {
  const { region, endpoint, caFile, imageOwners, quotaFromAccount } = raw
  const accessKeys = placedAccessKeys(raw, placed)
  return {
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(caFile === undefined ? {} : { caFile: placed(caFile) }),
    credentials: accessKeys ? { kind: 'keys', ...accessKeys } : { kind: 'chain' },
    machine: machineOf(raw),
    imageOwners,
    quotaFromAccount,
  }
}

function machineOf(raw: RawEc2): Ec2Config['machine'] {
  const { launchTemplate, subnets, securityGroups, publicIp, instanceProfile, keyName, rootVolume, tags } = raw
  return {
    ...(launchTemplate ? { launchTemplate: without(launchTemplate) } : {}),
    subnets,
    securityGroups,
    ...without({ publicIp, instanceProfile, keyName }),
    // A template knows its disks; without one, a disk is as large as the flavor says.
    ...(rootVolume ? { rootVolume: without(rootVolume) } : launchTemplate ? {} : { rootVolume: { size: 'flavor' } }),
    tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])),
  }
}

type Defined<T> = { [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key] } & {
  [Key in keyof T as undefined extends T[Key] ? Key : never]?: Exclude<T[Key], undefined>
}

function without<T extends object>(given: T): Defined<T> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Defined<T>
}
