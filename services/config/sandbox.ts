/**
 * Where files of jobs and outputs of payloads are kept: on this machine's disk, in MongoDB, or in a bucket. The home follows
 * the store unless the configuration says otherwise. No file is read here.
 */

import { isLoopback } from '../../core/kernel/endpoints.ts'
import { sandboxLimits } from '../../core/kernel/sandbox-limits.ts'
import type { Violations } from '../../core/kernel/violations.ts'
import {
  type AccessKeys,
  absent,
  accessKeyFields,
  bytes,
  checkAccessKeys,
  choice,
  flag,
  mapping,
  name,
  needed,
  optional,
  placedAccessKeys,
  type Read,
  text,
} from './fields.ts'

const tib = 1024 ** 4

const bucket = mapping({
  bucket: needed(name),
  region: needed(name),
  endpoint: absent(text),
  plaintext: optional(flag, false),
  caFile: absent(text),
  prefix: optional(text, ''),
  pathStyle: optional(flag, true),
  ...accessKeyFields,
})

export const sandbox = mapping({
  kind: absent(choice('files', 'gridfs', 's3')),
  maxBytesPerOwner: optional(bytes(1024 * 1024, 1024 * tib), sandboxLimits.ownerBytes),
  s3: absent(bucket),
})

type RawSandbox = Read<typeof sandbox>
type RawBucket = Read<typeof bucket>

export type BucketConfig = {
  readonly bucket: string
  readonly region: string
  readonly endpoint?: string
  readonly caFile?: string
  readonly prefix: string
  readonly pathStyle: boolean
  /** Absent: as the SDK finds them. */
  readonly keys?: AccessKeys
}

export type SandboxConfig = { readonly maxBytesPerOwner: number } & (
  | { readonly kind: 'files' | 'gridfs' }
  | { readonly kind: 's3'; readonly s3: BucketConfig }
)

type StoreKind = { readonly kind: 'sqlite' | 'mongo' }

export function checkSandbox({ kind, s3 }: RawSandbox, store: StoreKind, violations: Violations): void {
  if (kind === 'files' && store.kind === 'mongo') {
    const accepted = 'gridfs or s3: the processes of an installation share no disk'
    violations.add('sandbox.kind', kind, 'beside store.kind: mongo', accepted)
  }
  if (kind === 'gridfs' && store.kind === 'sqlite')
    violations.add('sandbox.kind', kind, 'beside store.kind: sqlite', 'files or s3')
  if (kind === 's3' && !s3) violations.add('sandbox.s3', undefined, 'missing', 'bucket, region, and a way to credentials')
  if (kind !== 's3' && s3) violations.add('sandbox.s3', '(not shown)', 'of another kind', 'nothing, or sandbox.kind: s3')
  if (s3) checkBucket(s3, violations)
}

const endpointForm = 'https://host[:port] without an account; http:// on this machine, or with sandbox.s3.plaintext'

function checkBucket({ endpoint, plaintext, prefix, ...keys }: RawBucket, violations: Violations): void {
  if (endpoint !== undefined && !isAddress(endpoint, plaintext)) {
    // It may have an account in it.
    violations.add('sandbox.s3.endpoint', '(not shown)', 'not an address', endpointForm)
  }
  if (prefix !== '' && !/^(?:[A-Za-z0-9._-]+\/)+$/.test(prefix))
    violations.add('sandbox.s3.prefix', prefix, 'not a prefix', 'names with a slash behind each, as grid/pilotage/')
  checkAccessKeys(keys, 'sandbox.s3', violations)
}

function isAddress(endpoint: string, isPlain: boolean): boolean {
  if (!URL.canParse(endpoint)) return false
  const { protocol, host, hostname, port, username, password, search, hash } = new URL(endpoint)
  if (username !== '' || password !== '' || search !== '' || hash !== '') return false
  if (protocol === 'https:') return true
  return protocol === 'http:' && (isPlain || isLoopback(port === '' ? `${hostname}:80` : host))
}

export function compileSandbox(
  { kind, maxBytesPerOwner, s3 }: RawSandbox,
  store: StoreKind,
  at: (file: string) => string,
): SandboxConfig {
  if (s3) return { kind: 's3', maxBytesPerOwner, s3: bucketOf(s3, at) }
  return { kind: kind === 'files' || store.kind === 'sqlite' ? 'files' : 'gridfs', maxBytesPerOwner }
}

function bucketOf(raw: RawBucket, at: (file: string) => string): BucketConfig {
  const { bucket: named, region, endpoint, caFile, prefix, pathStyle } = raw
  const keys = placedAccessKeys(raw, at)
  return {
    bucket: named,
    region,
    prefix,
    pathStyle,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(caFile === undefined ? {} : { caFile: at(caFile) }),
    ...(keys ? { keys } : {}),
  }
}
