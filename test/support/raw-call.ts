/**
 * One gRPC call without the generated client: any bytes, any credential, any method, and the whole answer.
 *
 * On the wire all four kinds of methods are the same, so every call is made as a stream of messages both ways. Throws
 * nothing: a refusal is an answer here. But one that calls a wrong field by a name that the contract does not have is an
 * error.
 */

import { Client, credentials, Metadata, status, type StatusObject } from '@grpc/grpc-js'
import type { Clock } from '../../core/kernel/clock.ts'
import { strayPaths } from './contract-paths.ts'
import { type RefusalDetail, refusalKey, refusalOfBytes } from '../../proto/codec/refusals.ts'

/** What a generated service definition says about a method. */
export type Method<Request, Response> = {
  readonly path: string
  readonly requestSerialize: (request: Request) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Response
}

export type Answer = {
  readonly code: status
  readonly details: string
  /** Absent where the refusal carried none. */
  readonly error?: RefusalDetail
  readonly messages: readonly Buffer[]
}

export type CallOptions = {
  readonly token?: string
  /** The whole value of the metadata key `authorization`, instead of a token. */
  readonly authorization?: string
  readonly withinMs?: number
  /** Half-closes only when this holds of what came; at once where it is absent. */
  readonly endWhen?: (messages: readonly Buffer[]) => boolean
  /** Hangs up when this number of messages came. */
  readonly leaveAfter?: number
}

export type RawClient = {
  bytes(path: string, requests: readonly Buffer[], options?: CallOptions): Promise<Answer>
  call<Request, Response>(
    method: Method<Request, Response>,
    requests: readonly Request[],
    options?: CallOptions,
  ): Promise<Answer & { readonly responses: readonly Response[] }>
  close(): void
}

const asIs = (bytes: Buffer): Buffer => bytes

export function rawClient(clock: Clock, server: string): RawClient {
  const options = { 'grpc.max_receive_message_length': 64 * 1024 * 1024, 'grpc.enable_http_proxy': 0 }
  const client = new Client(server, credentials.createInsecure(), options)

  function bytes(path: string, requests: readonly Buffer[], wish: CallOptions = {}): Promise<Answer> {
    const { token, authorization = token && `Bearer ${token}`, withinMs = 20_000, endWhen, leaveAfter } = wish
    const metadata = new Metadata()
    if (authorization !== undefined) metadata.set('authorization', authorization)
    const stream = client.makeBidiStreamRequest(path, asIs, asIs, metadata, { deadline: clock.nowMs() + withinMs })
    const messages: Buffer[] = []
    return new Promise((resolve, reject) => {
      stream.on('data', (message: Buffer) => {
        messages.push(message)
        if (endWhen?.(messages)) stream.end()
        if (messages.length === leaveAfter) stream.cancel()
      })
      // The status says how it ended; what came before it has been read when the stream has ended, too.
      stream.on('error', () => {})
      const final = Promise.withResolvers<StatusObject>()
      stream.on('status', final.resolve)
      stream.on('end', async () => {
        const { code, details, metadata } = await final.promise
        const left = code === status.CANCELLED && leaveAfter !== undefined
        const error = detailOf(metadata)
        const stray =
          error?.code === 'invalid-argument'
            ? strayPaths(
                path,
                error.violations.map((each) => each.path),
              )
            : []
        if (stray.length > 0) reject(new Error(`${path} calls fields by names that are not its own: ${stray.join(', ')}`))
        resolve({ code: left ? status.OK : code, details, error, messages })
      })
      for (const request of requests) stream.write(request)
      if (!endWhen) stream.end()
    })
  }

  return {
    bytes,
    async call(method, requests, wish) {
      const answer = await bytes(method.path, requests.map(method.requestSerialize), wish)
      return { ...answer, responses: answer.messages.map((message) => method.responseDeserialize(message)) }
    },
    close: () => client.close(),
  }
}

function detailOf(metadata: Metadata): RefusalDetail | undefined {
  const bytes = metadata.get(refusalKey)[0]
  return Buffer.isBuffer(bytes) ? refusalOfBytes(bytes) : undefined
}
