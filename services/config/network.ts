/**
 * What of a configuration reaches beyond the process: where it listens and how it is reached, its store, its bus.
 *
 * Plain connections leave this machine only where the operator says so: tokens and passwords travel on them. A secret has no
 * place in the configuration; a key names the file that holds it. No file is read here.
 */

import Type from 'typebox'
import { maxEndpoints, isLoopback } from '../../core/kernel/endpoints.ts'
import type { TlsFiles } from '../../core/ports/served-tls.ts'
import type { Violations } from '../../core/kernel/violations.ts'
import {
  absent,
  bytes,
  choice,
  duration,
  endpoint,
  flag,
  list,
  mapping,
  name,
  needed,
  optional,
  type Read,
  text,
  value,
  whole,
} from './fields.ts'
import {
  checkGrpcLimits,
  compileGrpcLimits,
  defaultGrpcLimits,
  type GrpcLimits,
  grpcLimits,
  type Leasing,
} from './grpc-limits.ts'
import { isLocal, isMongoUrl, isPlainMongo, mongoForm, mongoTlsForm, natsTlsForm, plainNats } from './plaintext.ts'

const day = 24 * 60 * 60 * 1000
const mib = 1024 * 1024
const portNumber = whole(0, 65_535)

const tlsVersions = ['1.2', '1.3'] as const

/** YAML reads an unquoted 1.3 as a number. */
const tlsVersion = value(
  Type.Union([Type.Enum(['1.2', '1.3']), Type.Number()]),
  { rule: 'not one of the choices', accepted: '1.2, 1.3' },
  (given): TlsFiles['minVersion'] | undefined => tlsVersions.find((one) => one === String(given)),
)

const tls = mapping({
  certFile: needed(text),
  keyFile: needed(text),
  minVersion: optional(tlsVersion, '1.3'),
})

const edgeFields = (port: number) => ({
  host: optional(text, '127.0.0.1'),
  port: optional(portNumber, port),
  tls: absent(tls),
  plaintext: optional(flag, false),
})

const facts = mapping({
  keep: optional(duration(60_000, 3650 * day), 30 * day),
  size: optional(bytes(mib, 1024 * 1024 * mib), 4 * 1024 * mib),
  replicas: optional(whole(1, 5), 1),
})

/** The readers of these sections, by their keys. */
export const network = {
  grpc: mapping({
    ...edgeFields(7400),
    advertise: optional(list(endpoint, maxEndpoints), []),
    caFile: absent(text),
    limits: optional(grpcLimits, defaultGrpcLimits),
  }),
  dashboard: mapping(edgeFields(7401)),
  health: mapping({ host: optional(text, '127.0.0.1'), port: absent(portNumber) }),
  store: mapping({
    kind: optional(choice('sqlite', 'mongo'), 'sqlite'),
    url: absent(text),
    urlFile: absent(text),
    plaintext: optional(flag, false),
    database: optional(name, 'pilotage'),
  }),
  nats: mapping({
    servers: needed(list(text, maxEndpoints)),
    plaintext: optional(flag, false),
    caFile: absent(text),
    credsFile: absent(text),
    tokenFile: absent(text),
    user: absent(text),
    passwordFile: absent(text),
    facts: optional(facts, { keep: 30 * day, size: 4 * 1024 * mib, replicas: 1 }),
  }),
}

type RawNetwork = { [Key in keyof typeof network]: Read<(typeof network)[Key]> }
type Edge = RawNetwork['dashboard']
type Store = RawNetwork['store']
type Nats = RawNetwork['nats']

/** As written: a bus is named or not. */
type GivenNetwork = Omit<RawNetwork, 'nats'> & { nats: Nats | undefined }

export type EdgeConfig = {
  readonly host: string
  readonly port: number
  readonly tls?: TlsFiles
}

export type NetworkConfig = {
  readonly grpc: EdgeConfig & {
    /** Where agents find the API processes; empty: where this process listens. */
    readonly advertise: readonly string[]
    /** Whom agents trust; absent: they connect in plain. */
    readonly caFile?: string
    readonly plaintext: boolean
    readonly limits: GrpcLimits
  }
  readonly dashboard: EdgeConfig
  /** Absent: there is no such port. */
  readonly health?: { readonly host: string; readonly port: number }
  readonly store: StoreConfig
  readonly nats?: NatsConfig
}

export type StoreConfig =
  | { readonly kind: 'sqlite' }
  /** One of `url` and `urlFile`. What the file holds may have an account in it. */
  | {
      readonly kind: 'mongo'
      readonly url?: string
      readonly urlFile?: string
      /** It may be reached in plain beyond this machine: what the file holds is checked against it. */
      readonly plaintext: boolean
      readonly database: string
    }

export type NatsConfig = {
  readonly servers: readonly string[]
  readonly caFile?: string
  /** Of the stream of facts: what it holds at most, and how many servers of a cluster hold it. */
  readonly facts: { readonly maxAgeMs: number; readonly maxBytes: number; readonly replicas: number }
  readonly credentials?:
    | { readonly kind: 'creds'; readonly file: string }
    | { readonly kind: 'token'; readonly file: string }
    | { readonly kind: 'password'; readonly user: string; readonly file: string }
}

export function checkNetwork(
  { grpc, dashboard, store, nats }: GivenNetwork,
  leasing: Leasing,
  violations: Violations,
): void {
  for (const [path, edge] of Object.entries({ grpc, dashboard })) {
    if (edge.tls && edge.plaintext) violations.add(`${path}.plaintext`, true, 'beside tls', 'one of the two')
    if (isLocal(edge.host) || edge.tls || edge.plaintext) continue
    const accepted = `127.0.0.1, ::1, localhost; any with ${path}.tls, or with ${path}.plaintext on a private network`
    violations.add(`${path}.host`, edge.host, 'not loopback', accepted)
  }
  checkGrpcLimits(grpc.limits, leasing, violations)
  if (grpc.tls && grpc.caFile === undefined) {
    violations.add('grpc.caFile', undefined, 'missing', 'the authority of grpc.tls.certFile: agents trust it and no other')
  }
  grpc.advertise.forEach((one, at) => {
    if (isLoopback(one) || grpc.caFile !== undefined || grpc.plaintext) return
    violations.add(
      `grpc.advertise[${at}]`,
      one,
      'not loopback',
      'a loopback address; any with grpc.caFile or grpc.plaintext',
    )
  })
  checkStore(store, violations)
  if (nats) checkNats(nats, violations)
}

const hidden = '(not shown)'

function checkStore({ kind, url, urlFile, plaintext }: Store, violations: Violations): void {
  if (kind === 'sqlite') {
    if (url !== undefined) violations.add('store.url', hidden, 'of another kind', 'nothing, or store.kind: mongo')
    if (urlFile !== undefined) violations.add('store.urlFile', urlFile, 'of another kind', 'nothing, or store.kind: mongo')
    if (plaintext) violations.add('store.plaintext', true, 'of another kind', 'nothing, or store.kind: mongo')
    return
  }
  if ((url === undefined) === (urlFile === undefined)) {
    violations.add(
      'store.url',
      url === undefined ? undefined : hidden,
      'not one of two',
      'either store.url or store.urlFile',
    )
  }
  if (url === undefined) return
  if (!isMongoUrl(url)) violations.add('store.url', hidden, 'not an address', mongoForm)
  else if (url.includes('@')) {
    violations.add('store.url', hidden, 'a secret in the configuration', 'an address without an account, or store.urlFile')
  } else if (!plaintext && isPlainMongo(url)) violations.add('store.url', url, 'not encrypted', mongoTlsForm)
}

function checkNats(nats: Nats, violations: Violations): void {
  const { credsFile, tokenFile, user, passwordFile, servers, caFile, plaintext } = nats
  const plain = plainNats(servers, caFile)
  if (servers.length === 0) violations.add('nats.servers', servers, 'empty', 'one address or more')
  servers.forEach((server, at) => {
    const accepted = 'nats://host:port, tls://host:port or host:port, without credentials'
    if (server.includes('@')) violations.add(`nats.servers[${at}]`, hidden, 'a secret in the configuration', accepted)
    else if (!/^(?:(?:nats|tls):\/\/)?[^\s/?#@]+:\d{1,5}$/.test(server)) {
      violations.add(`nats.servers[${at}]`, server, 'not an address', accepted)
    } else if (!plaintext && plain.includes(server)) {
      violations.add(`nats.servers[${at}]`, server, 'not encrypted', natsTlsForm)
    }
  })
  if (plaintext && (caFile !== undefined || servers.some((server) => server.startsWith('tls://')))) {
    violations.add('nats.plaintext', true, 'beside TLS', 'one of the two')
  }
  if ((user === undefined) !== (passwordFile === undefined)) {
    const [path, other] = user === undefined ? ['nats.user', 'nats.passwordFile'] : ['nats.passwordFile', 'nats.user']
    violations.add(path, undefined, 'missing', `a value beside ${other}`)
  }
  const ways = Object.entries({ credsFile, tokenFile, passwordFile }).filter(([, file]) => file !== undefined)
  for (const [key, file] of ways.slice(1)) {
    violations.add(`nats.${key}`, file, 'a second credential', `one of ${ways.map(([way]) => `nats.${way}`).join(', ')}`)
  }
}

/** `at` makes a path of a file's name. */
export function compileNetwork(
  { grpc, dashboard, health, store, nats }: GivenNetwork,
  leasing: Leasing,
  at: (file: string) => string,
): NetworkConfig {
  const { advertise, caFile, plaintext } = grpc
  return {
    grpc: {
      ...compileEdge(grpc, at),
      advertise,
      plaintext,
      limits: compileGrpcLimits(grpc.limits, leasing),
      ...(caFile === undefined ? {} : { caFile: at(caFile) }),
    },
    dashboard: compileEdge(dashboard, at),
    ...(health.port === undefined ? {} : { health: { host: health.host, port: health.port } }),
    store: compileStore(store, at),
    ...(nats ? { nats: compileNats(nats, at) } : {}),
  }
}

function compileEdge({ host, port, tls: files }: Edge, at: (file: string) => string): EdgeConfig {
  if (!files) return { host, port }
  return { host, port, tls: { ...files, certFile: at(files.certFile), keyFile: at(files.keyFile) } }
}

function compileStore({ kind, url, urlFile, plaintext, database }: Store, at: (file: string) => string): StoreConfig {
  if (kind === 'sqlite') return { kind }
  return { kind, database, plaintext, ...(urlFile === undefined ? { url } : { urlFile: at(urlFile) }) }
}

function compileNats(
  { servers, caFile, credsFile, tokenFile, user, passwordFile, facts: kept }: Nats,
  at: (file: string) => string,
): NatsConfig {
  const limits = { maxAgeMs: kept.keep, maxBytes: kept.size, replicas: kept.replicas }
  const shared = { servers, facts: limits, ...(caFile === undefined ? {} : { caFile: at(caFile) }) }
  if (credsFile !== undefined) return { ...shared, credentials: { kind: 'creds', file: at(credsFile) } }
  if (tokenFile !== undefined) return { ...shared, credentials: { kind: 'token', file: at(tokenFile) } }
  if (user === undefined || passwordFile === undefined) return shared
  return { ...shared, credentials: { kind: 'password', user, file: at(passwordFile) } }
}
