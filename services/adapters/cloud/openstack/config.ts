/**
 * The keys of a cloud of kind openstack, under `openstack`, and what the program runs on.
 *
 * Which of the three ways to log in is meant follows from the secret that is named; what belongs to another way is refused,
 * as it would have no effect.
 */

import type { Violations } from '../../../../core/kernel/violations.ts'
import {
  absent,
  choice,
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
} from '../../../config/fields.ts'
import type { DriverSchema } from '../../../config/driver-schema.ts'
import type { NamedByCloud } from '../../../config/flavors.ts'

const keys = mapping({
  authUrl: needed(text),
  caFile: absent(text),
  region: absent(text),
  interface: optional(choice('public', 'internal', 'admin'), 'public'),
  user: absent(text),
  userDomain: optional(text, 'Default'),
  password: absent(secretSource),
  applicationCredential: absent(text),
  secret: absent(secretSource),
  token: absent(secretSource),
  project: absent(text),
  projectId: absent(text),
  projectDomain: optional(text, 'Default'),
  microversion: absent(text),
  networks: optional(list(text, 10), []),
  ownPorts: optional(flag, false),
  floatingNetwork: absent(text),
  securityGroups: optional(list(text, 20), []),
  keyPair: absent(text),
  availabilityZone: absent(text),
  serverGroup: absent(text),
  configDrive: optional(flag, false),
  bootFrom: optional(choice('image', 'volume'), 'image'),
  volumeType: absent(text),
  tags: optional(list(text, 40), []),
  metadata: optional(list(text, 100), []),
})

export type RawOpenStack = Read<typeof keys>

type Project =
  | { readonly by: 'id'; readonly id: string }
  | { readonly by: 'name'; readonly name: string; readonly domain: string }

/** But for its secret. */
export type OpenStackLogin =
  | { readonly method: 'password'; readonly user: string; readonly userDomain: string; readonly project: Project }
  | {
      readonly method: 'application-credential'
      readonly credential: string
      readonly user?: string
      readonly userDomain?: string
    }
  | { readonly method: 'token'; readonly project?: Project }

export type OpenStackConfig = {
  readonly authUrl: string
  readonly caFile?: string
  readonly region?: string
  readonly interface: 'public' | 'internal' | 'admin'
  readonly login: OpenStackLogin
  /** The key that names it, and where it lies. */
  readonly secret: { readonly key: string; readonly source: SecretSource }
  readonly maxMicroversion?: string
  readonly machines: {
    readonly networks: readonly string[]
    readonly ownPorts: boolean
    readonly floatingNetwork?: string
    readonly securityGroups: readonly string[]
    readonly keyPair?: string
    readonly availabilityZone?: string
    readonly serverGroup?: string
    readonly configDrive: boolean
    readonly bootFrom: 'image' | 'volume'
    readonly volumeType?: string
    readonly tags: readonly string[]
    readonly metadata: Readonly<Record<string, string>>
  }
}

const secretKeys = ['password', 'secret', 'token'] as const

function checkKeys(raw: RawOpenStack, _cloud: NamedByCloud, path: string, violations: Violations): void {
  const wrong = (key: keyof RawOpenStack, value: unknown, rule: string, accepted: string): void =>
    violations.add(`${path}.openstack.${key}`, value, rule, accepted)
  if (!/^https?:\/\/[^/?#@]+(?:\/[^?#]*)?$/.test(raw.authUrl))
    wrong('authUrl', raw.authUrl, 'not an address', 'https://host:5000/v3')
  checkLogin(raw, wrong)
  if (raw.ownPorts && raw.networks.length === 0) wrong('networks', raw.networks, 'missing', 'one or more with ownPorts')
  if (raw.floatingNetwork !== undefined && raw.networks.length === 0) {
    wrong('networks', raw.networks, 'missing', 'one or more with floatingNetwork')
  }
  if (raw.volumeType !== undefined && raw.bootFrom === 'image') {
    wrong('volumeType', raw.volumeType, 'has no effect', 'nothing, or bootFrom: volume')
  }
  if (raw.microversion !== undefined && !/^2\.[1-9]\d{0,2}$/.test(raw.microversion)) {
    wrong('microversion', raw.microversion, 'not a microversion', "'2.N', as a text")
  }
  for (const tag of raw.tags) {
    if (!/^[^,/]{1,60}$/.test(tag) || /^pilotage-/.test(tag))
      wrong('tags', tag, 'not a tag', '1 to 60 letters, no comma, no slash')
  }
  for (const pair of raw.metadata) {
    const [, key = ''] = pairShape.exec(pair) ?? []
    if (key === '' || /^pilotage-/.test(key)) wrong('metadata', pair, 'not a pair', 'KEY=VALUE, each of at most 255 letters')
  }
}

const pairShape = /^([\w.: -]{1,255})=(.{0,255})$/

type Wrong = (key: keyof RawOpenStack, value: unknown, rule: string, accepted: string) => void

function checkLogin(raw: RawOpenStack, wrong: Wrong): void {
  const named = secretKeys.filter((key) => raw[key] !== undefined)
  const [way] = named
  if (way === undefined || named.length > 1) {
    wrong('password', named.join(', ') || undefined, 'not one way to log in', `one of ${secretKeys.join(', ')}`)
    return
  }
  const unused = (key: keyof RawOpenStack): void => {
    if (raw[key] !== undefined) wrong(key, raw[key], 'has no effect', `nothing beside ${way}`)
  }
  if (raw.project !== undefined && raw.projectId !== undefined)
    wrong('projectId', raw.projectId, 'given twice', 'project or projectId')
  switch (way) {
    case 'password':
      unused('applicationCredential')
      if (raw.user === undefined) wrong('user', undefined, 'missing', 'the name of a user')
      if (raw.project === undefined && raw.projectId === undefined)
        wrong('project', undefined, 'missing', 'project or projectId')
      break
    case 'secret':
      for (const key of ['project', 'projectId'] as const) unused(key)
      if (raw.applicationCredential === undefined)
        wrong('applicationCredential', undefined, 'missing', 'its id, or its name with user')
      break
    case 'token':
      for (const key of ['user', 'applicationCredential'] as const) unused(key)
      break
  }
}

export const schema: DriverSchema<RawOpenStack, OpenStackConfig> = { keys, check: checkKeys, compile }

function compile(raw: RawOpenStack, placed: (file: string) => string): OpenStackConfig {
  const { authUrl, caFile, region, microversion } = raw
  const key = secretKeys.find((one) => raw[one] !== undefined) ?? 'password'
  return {
    authUrl,
    caFile: caFile === undefined ? undefined : placed(caFile),
    region,
    interface: raw.interface,
    login: loginOf(raw),
    secret: { key, source: placedBy(raw[key] ?? { file: '' }, placed) },
    maxMicroversion: microversion,
    machines: {
      networks: raw.networks,
      ownPorts: raw.ownPorts,
      floatingNetwork: raw.floatingNetwork,
      securityGroups: raw.securityGroups,
      keyPair: raw.keyPair,
      availabilityZone: raw.availabilityZone,
      serverGroup: raw.serverGroup,
      configDrive: raw.configDrive,
      bootFrom: raw.bootFrom,
      volumeType: raw.volumeType,
      tags: raw.tags,
      metadata: Object.fromEntries(raw.metadata.map((pair) => pairShape.exec(pair)?.slice(1) ?? [])),
    },
  }
}

function loginOf(raw: RawOpenStack): OpenStackLogin {
  const { user = '', userDomain, applicationCredential: credential = '' } = raw
  if (raw.secret) {
    return { method: 'application-credential', credential, ...(raw.user === undefined ? {} : { user, userDomain }) }
  }
  if (raw.token) return { method: 'token', project: projectOf(raw) }
  return { method: 'password', user, userDomain, project: projectOf(raw) ?? { by: 'id', id: '' } }
}

function projectOf({ project, projectId, projectDomain }: RawOpenStack): Project | undefined {
  if (projectId !== undefined) return { by: 'id', id: projectId }
  return project === undefined ? undefined : { by: 'name', name: project, domain: projectDomain }
}
