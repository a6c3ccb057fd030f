/**
 * Channels: the gRPC connections to a service's endpoints, each opened when it is first used.
 *
 * Decides whether a connection may be plain and which options gRPC gets for it. The turns decide which endpoint is used, the
 * caller decides what is called. What stays true: a token never travels in the clear beyond this machine.
 */

import { Channel, type ChannelOptions, connectivityState, credentials } from '@grpc/grpc-js'
import type { Clock } from '../core/kernel/clock.ts'
import { endpointsForm, isLoopback, parseEndpoints, takeTurns, type Turns } from '../core/kernel/endpoints.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import type { Random } from '../core/kernel/random.ts'
import { JobServiceClient } from '../proto/gen/pilotage/v1/job.ts'
import { OperateServiceClient } from '../proto/gen/pilotage/v1/operate.ts'
import { AccountingServiceClient } from '../proto/gen/pilotage/v1/accounting.ts'
import { SandboxServiceClient } from '../proto/gen/pilotage/v1/sandbox.ts'

export type ChannelSettings = {
  /** host:port, or several with commas between. */
  readonly server: string
  readonly caPem?: string
}

export type Clients = {
  readonly jobs: JobServiceClient
  readonly operate: OperateServiceClient
  readonly sandbox: SandboxServiceClient
  readonly accounting: AccountingServiceClient
}

type Opened = Clients & { readonly channel: Channel; readonly files: Channel }

export type Channels = {
  readonly turns: Turns
  /** On the endpoint that is current. */
  clients(): Clients
  /**
   * For a call that is made only once: goes to an endpoint that can be connected to before anything is sent. If none can,
   * the call itself fails with the reason.
   */
  reach(): Promise<void>
  close(): void
}

/** Ten thousand jobs in one message of a watch are about 4 MiB. */
const receiveBytes = 64 * 1024 * 1024
/** On a network that works it takes milliseconds; an address that swallows everything must not use up a call's time. */
const connectMs = 3000

/** A service that was killed is back in seconds: gRPC's own pause of up to two minutes is for the open internet. */
const channelOptions: ChannelOptions = {
  'grpc.max_receive_message_length': receiveBytes,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 3000,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.enable_http_proxy': 0,
}

/** Throws `invalid-argument` for what is no list of endpoints, and for one that a token would reach in the clear. */
export function openChannels({ server, caPem }: ChannelSettings, clock: Clock, random: Random): Channels {
  const endpoints = parseEndpoints(server)
  if (!endpoints) throw new PilotageError('invalid-argument', `${server} is no server: ${endpointsForm}`)
  const secured = channelCredentials(endpoints, caPem)
  const turns = takeTurns(endpoints, random)
  const opened = new Map<string, Opened>()

  function current(): Opened {
    const endpoint = turns.current()
    const known = opened.get(endpoint)
    if (known) return known
    const channel = new Channel(endpoint, secured, channelOptions)
    // Files go on a connection of their own: a transfer that the service holds back would hold back everything beside it.
    const files = new Channel(endpoint, secured, { ...channelOptions, 'grpc.use_local_subchannel_pool': 1 })
    const options = { channelOverride: channel }
    const jobs = new JobServiceClient(endpoint, secured, options)
    const fresh = {
      channel,
      files,
      jobs,
      operate: new OperateServiceClient(endpoint, secured, options),
      accounting: new AccountingServiceClient(endpoint, secured, options),
      sandbox: new SandboxServiceClient(endpoint, secured, { channelOverride: files }),
    }
    opened.set(endpoint, fresh)
    return fresh
  }

  return {
    turns,
    clients: current,
    async reach() {
      for (let left = turns.count - 1; left > 0; left -= 1) {
        const endpoint = turns.current()
        if (await connects(current().channel, clock)) return
        turns.failed(endpoint)
      }
    },
    close() {
      for (const { channel, files } of opened.values()) for (const one of [channel, files]) one.close()
    },
  }
}

function channelCredentials(endpoints: readonly string[], caPem: string | undefined) {
  if (caPem !== undefined) return credentials.createSsl(Buffer.from(caPem))
  const far = endpoints.find((endpoint) => !isLoopback(endpoint))
  if (far === undefined) return credentials.createInsecure()
  throw new PilotageError('invalid-argument', `a token is not sent in the clear to ${far}: name the certificate authority`)
}

function connects(channel: Channel, clock: Clock): Promise<boolean> {
  const deadline = clock.nowMs() + connectMs
  return new Promise((resolve) => {
    const look = (late?: Error): void => {
      const state = channel.getConnectivityState(true)
      if (state === connectivityState.READY) resolve(true)
      else if (late || state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN) resolve(false)
      else channel.watchConnectivityState(state, deadline, look)
    }
    look()
  })
}
