/**
 * HTTP/2 without the rules of a gRPC client: any header, any bytes, at the speed that the service's windows let through, and
 * never a complaint. What the service refuses is counted, not thrown.
 */

import type { Clock } from '../../../core/kernel/clock.ts'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'

export type Path = `/${string}`

export type Connection = {
  /** A stream that sends these bytes and does not end; nothing of the answer is kept. */
  pour(path: Path, bytes: Buffer, headers?: Headers): ClientHttp2Stream
  /** The same, and it ends: a whole request. Of the answer only what fits the windows comes. */
  ask(path: Path, bytes: Buffer, headers?: Headers): ClientHttp2Stream
  /** A whole call: its grpc-status, or a word for how else it ended. */
  call(path: Path, message: Buffer, headers?: Headers): Promise<string>
  /** The grpc-status of a stream that `pour` or `ask` opened. */
  statusOf(stream: ClientHttp2Stream, withinMs?: number): Promise<string>
  readonly session: ClientHttp2Session
  isOpen(): boolean
  close(): void
}

export type Headers = { readonly authorization?: string; readonly encoding?: string }

const connectMs = 3000
const callMs = 10_000

/** undefined: the service does not let us in. */
export function openConnection(clock: Clock, target: string): Promise<Connection | undefined> {
  // Node's own bound would refuse answers while much is unsent.
  const session = connect(`http://${target}`, { maxSessionMemory: 1000 })
  session.on('error', () => {})
  const late = clock.after(connectMs, () => session.destroy())
  return new Promise((resolve) => {
    session.once('close', () => resolve(undefined))
    // The service's own settings: TCP alone is no connection.
    session.once('remoteSettings', () => {
      late.cancel()
      resolve(connectionOf(clock, session))
    })
  })
}

function connectionOf(clock: Clock, session: ClientHttp2Session): Connection {
  const open = (path: Path, { authorization, encoding }: Headers = {}): ClientHttp2Stream => {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: path,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      te: 'trailers',
      ...(authorization && { authorization }),
      ...(encoding && { 'grpc-encoding': encoding }),
    })
    stream.on('error', () => {})
    stream.resume()
    return stream
  }
  return {
    session,
    isOpen: () => !session.closed && !session.destroyed,
    pour(path, bytes, headers) {
      const stream = open(path, headers)
      stream.write(bytes)
      return stream
    },
    ask(path, bytes, headers) {
      const stream = open(path, headers).pause()
      stream.end(bytes)
      return stream
    },
    call(path, message, headers) {
      const stream = open(path, headers)
      const status = statusOf(clock, stream)
      stream.end(framed(message, headers?.encoding !== undefined))
      return status
    },
    statusOf: (stream, withinMs) => statusOf(clock, stream, withinMs),
    close: () => session.destroy(),
  }
}

function statusOf(clock: Clock, stream: ClientHttp2Stream, withinMs = callMs): Promise<string> {
  const late = clock.after(withinMs, () => stream.close(constants.NGHTTP2_CANCEL))
  let status = 'reset'
  const read = (fields: Record<string, unknown>): void => {
    if (fields['grpc-status'] !== undefined) status = String(fields['grpc-status'])
  }
  stream.on('response', read).on('trailers', read)
  return new Promise((resolve) =>
    stream.once('close', () => {
      late.cancel()
      resolve(status)
    }),
  )
}

/** A gRPC message: one byte whether it is compressed, four for its length. */
export function framed(message: Buffer, compressed = false): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(compressed ? 1 : 0, 0)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}
