/**
 * The connection to one EC2 endpoint: the SDK, loaded when it is first needed, and a call through it with an end in time.
 *
 * The SDK is kept from what it would do by itself: repeat calls, read profiles and variables of the environment for
 * endpoint, region and keys. Only where the configuration says so are credentials looked for its own way. A refusal because
 * keys have expired is answered, there, by looking once more; nothing else is repeated.
 */

import type { EC2Client } from '@aws-sdk/client-ec2'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { asEc2Error, isExpired } from './errors.ts'
import type { Ec2Options } from './options.ts'

export type Sdk = typeof import('@aws-sdk/client-ec2')

export type Session = {
  readonly sdk: Sdk
  /** Throws an Ec2Error, also when the signal comes first. `doing`: for its text. */
  call<T>(doing: string, signal: AbortSignal, send: (client: EC2Client, abortSignal: AbortSignal) => Promise<T>): Promise<T>
  close(): void
}

type SessionOptions = Pick<Ec2Options, 'name' | 'region' | 'endpoint' | 'caPem' | 'credentials'>

const packageName = '@aws-sdk/client-ec2'
/** Creates of one step, a list and a quota at a time. */
const connections = 16

/** Throws `invalid-argument` where the package is not installed: it is an optional one. */
export async function openSession(options: SessionOptions, load: () => Promise<Sdk> = loadSdk): Promise<Session> {
  const sdk = await load().catch((cause: unknown) => {
    const missing = `cloud ${options.name} is of kind ec2, which needs the optional package ${packageName}`
    throw new PilotageError('invalid-argument', `${missing}: it is not installed, or cannot be loaded; npm ci brings it`, {
      cause,
    })
  })
  let client = connect(sdk, options)
  return {
    sdk,
    async call(doing, signal, send) {
      const where = `${doing} on ${options.name}`
      const used = client
      try {
        return await cutOff(send(used, signal), signal)
      } catch (thrown) {
        const error = asEc2Error(thrown, where)
        if (options.credentials.kind !== 'chain' || !isExpired(error)) throw error
      }
      if (client === used) client = connect(sdk, options)
      return cutOff(send(client, signal), signal).catch((thrown: unknown) => {
        throw asEc2Error(thrown, where)
      })
    },
    close: () => client.destroy(),
  }
}

function loadSdk(): Promise<Sdk> {
  return import('@aws-sdk/client-ec2')
}

function connect({ EC2Client: Client }: Sdk, { region, endpoint, caPem, credentials }: SessionOptions): EC2Client {
  const agent = { keepAlive: true, maxSockets: connections }
  return new Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials.kind === 'keys' ? { credentials: keysOf(credentials) } : {}),
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    ignoreConfiguredEndpointUrls: true,
    authSchemePreference: [],
    userAgentAppId: 'pilotage',
    requestHandler: { httpAgent: agent, httpsAgent: { ...agent, ...(caPem === undefined ? {} : { ca: caPem }) } },
  })
}

function keysOf({ accessKeyId, secretAccessKey, sessionToken }: Extract<Ec2Options['credentials'], { kind: 'keys' }>) {
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}

/** The SDK hears the signal once a request is under way, but not while it looks for credentials. */
function cutOff<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
