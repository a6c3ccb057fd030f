/**
 * Sends messages on one connection for as long as the server takes them. A server that hangs is noticed late, and until then
 * everything that is sent would pile up in this process: so no more than a MiB is out of which the server has not said that
 * it came, and what is beyond is dropped. Ends with its connection; nothing of it is carried over.
 */

import type { NatsConnection } from '@nats-io/transport-node'

export type BoundedWay = {
  /** Never throws and never waits; false where the message was dropped. */
  send(subject: string, message: Uint8Array): boolean
}

/** A server takes that much in milliseconds. */
const maxUnconfirmedBytes = 1024 * 1024
const confirmAbove = 64 * 1024

export function boundedWay(connection: NatsConnection): BoundedWay {
  let unconfirmedBytes = 0
  let isConfirming = false

  async function confirm(): Promise<void> {
    const bytes = unconfirmedBytes
    isConfirming = true
    // Where the connection is lost this may never end, and is forgotten with it.
    await connection.flush().catch(() => undefined)
    unconfirmedBytes -= bytes
    isConfirming = false
  }

  return {
    send(subject, message) {
      if (unconfirmedBytes > maxUnconfirmedBytes) return false
      try {
        connection.publish(subject, message)
      } catch {
        // Closing at this very moment, or more than this server takes.
        return false
      }
      unconfirmedBytes += message.length
      if (unconfirmedBytes > confirmAbove && !isConfirming) void confirm()
      return true
    },
  }
}
