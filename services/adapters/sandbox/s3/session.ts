/**
 * The connection to one bucket: the SDK, loaded when an installation asks for it, and calls through it with an end in time.
 *
 * The SDK is kept from what it would do by itself: read profiles and variables of the environment for endpoint, region and
 * keys, unless the configuration says so. It repeats calls that failed on the way, all of which may be repeated. Checksums
 * beyond those that a call needs are left out, since stores that only speak S3 refuse them.
 */

import type { S3Client } from '@aws-sdk/client-s3'
import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'

export type Sdk = typeof import('@aws-sdk/client-s3')

export type S3Options = {
  readonly bucket: string
  readonly region: string
  /** Absent: Amazon's own of the region. */
  readonly endpoint?: string
  /** Stands before all names in the bucket; empty, or with a slash at its end. */
  readonly prefix: string
  /** The bucket is a part of the path and not of the host's name. */
  readonly pathStyle: boolean
  readonly caPem?: string
  /** Absent: as the SDK finds them. */
  readonly keys?: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
  readonly clock: Clock
}

export type Session = {
  readonly sdk: Sdk
  /** A name in the bucket. */
  at(name: string): { readonly Bucket: string; readonly Key: string }
  readonly bucket: string
  readonly prefix: string
  /** Throws `unavailable`. `doing`: for its text. The signal is of the whole answer, a stream in it included. */
  call<T>(doing: string, send: (client: S3Client, signal: AbortSignal) => Promise<T>): Promise<T>
  close(): void
}

const packageName = '@aws-sdk/client-s3'
const connections = 64
const maxTries = 3
const callMs = 60_000
const retryAfterMs = 2000

/** Throws `invalid-argument` where the package is not installed: it is an optional one. */
export async function openS3(options: S3Options): Promise<Session> {
  const sdk = await import('@aws-sdk/client-s3').catch((cause: unknown) => {
    const missing = `the sandbox is of kind s3, which needs the optional package ${packageName}`
    throw new PilotageError('invalid-argument', `${missing}: it is not installed, or cannot be loaded; npm ci brings it`, {
      cause,
    })
  })
  const { bucket, prefix, clock } = options
  const client = connect(sdk, options)
  return {
    sdk,
    bucket,
    prefix,
    at: (name) => ({ Bucket: bucket, Key: `${prefix}${name}` }),
    async call(doing, send) {
      const late = new AbortController()
      const timer = clock.after(callMs, () => late.abort())
      try {
        return await send(client, late.signal)
      } catch (thrown) {
        throw asError(thrown, doing)
      } finally {
        timer.cancel()
      }
    },
    close: () => client.destroy(),
  }
}

function connect({ S3Client: Client }: Sdk, { region, endpoint, pathStyle, caPem, keys }: S3Options): S3Client {
  const agent = { keepAlive: true, maxSockets: connections }
  return new Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(keys === undefined ? {} : { credentials: keys }),
    forcePathStyle: pathStyle,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: maxTries,
    retryMode: 'standard',
    defaultsMode: 'standard',
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    ignoreConfiguredEndpointUrls: true,
    userAgentAppId: 'pilotage',
    requestHandler: { httpAgent: agent, httpsAgent: { ...agent, ...(caPem === undefined ? {} : { ca: caPem }) } },
  })
}

/** What the store said of it, without an address or a key. */
function asError(thrown: unknown, doing: string): PilotageError {
  if (thrown instanceof PilotageError) return thrown
  const { name = 'Error' } = thrown as { readonly name?: string }
  const message = `${doing}: the object store does not do it (${name})`
  return new PilotageError('unavailable', message, { retryAfterMs, cause: thrown })
}

function statusOf(error: unknown): number | undefined {
  const { cause } = error as { readonly cause?: { readonly $metadata?: { readonly httpStatusCode?: number } } }
  return cause?.$metadata?.httpStatusCode
}

export function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404
}

/** Beyond the end of what is there. */
export function isBeyond(error: unknown): boolean {
  return statusOf(error) === 416
}
