/**
 * Why servers failed, where a list does not say: Nova leaves the fault of a server that never reached a host out of its
 * lists, and gives it only in the answer for that server. Asked once per server, for a few at a time; a missing reason is no
 * failure.
 */

import type { Compute, Server } from './compute.ts'
import type { Deadline } from '../kit/deadline.ts'

export type Faults = {
  /** By the server's id. */
  of(listed: readonly Server[], until: Deadline): Promise<ReadonlyMap<string, string>>
}

/** The others are asked for with the next list. */
const maxAtOnce = 10

export function faultMemory(compute: Compute): Faults {
  const known = new Map<string, string>()
  return {
    async of(listed, until) {
      const mute = listed.filter(({ status, fault }) => status === 'ERROR' && fault?.message === undefined)
      const ids = new Set(mute.map(({ id }) => id))
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
      const asked = [...ids].filter((id) => !known.has(id)).slice(0, maxAtOnce)
      const found = await Promise.all(asked.map((id) => compute.server(id, until).catch(() => undefined)))
      for (const server of found) if (server?.fault?.message) known.set(server.id, server.fault.message)
      return new Map(known)
    },
  }
}
