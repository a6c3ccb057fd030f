/**
 * Without a token: streams whose 16 MiB message never ends. 100 on one connection, and 100 more over as many
 * connections as the service lets in. Then the same with a token, on the only method that takes messages of that size.
 */

import { type Clock, sleep } from '../../../core/kernel/clock.ts'
import type { Flood } from './flood.ts'
import { type Connection, openConnection, type Path } from './raw-http2.ts'

const mib = 1024 * 1024
const streams = 100
const connections = 100

/** The frame's head announces 16 MiB; one byte of it never comes. */
function unfinished(): Buffer {
  const bytes = Buffer.alloc(5 + 16 * mib - 1)
  bytes.writeUInt32BE(16 * mib, 1)
  return bytes
}

export const unfinishedMessages: Flood<{ readonly token: string }> = {
  name: 'unfinished-messages',
  about: '16 MiB messages that never end, on one connection and on many, without and with a token',
  prepare: async (ground) => ({ token: await ground.tokenOf('unfinished') }),
  async run({ grpc, clock, signal }, { token }) {
    const bytes = unfinished()
    const opened: Connection[] = []
    const counts = { anonymous: 0, authenticated: 0, connections: 0 }
    const pour = async (path: Path, count: number, authorization?: string): Promise<void> => {
      const connection = await openConnection(clock, grpc)
      if (!connection) return
      counts.connections += 1
      opened.push(connection)
      for (let at = 0; at < count && !signal.aborted; at += 1) {
        connection.pour(path, bytes, { authorization })
        counts[authorization ? 'authenticated' : 'anonymous'] += 1
      }
    }
    await pour('/pilotage.v1.JobService/SubmitJobs', streams)
    await pour('/pilotage.v1.VmService/Activate', streams)
    await pour('/pilotage.v1.JobService/SubmitJobs', streams, `Bearer ${token}`)
    for (let at = 0; at < connections && !signal.aborted; at += 1) {
      await pour('/pilotage.v1.JobService/SubmitJobs', 2, at % 2 === 0 ? `Bearer ${token}` : undefined)
    }
    await over(clock, signal)
    for (const connection of opened) connection.close()
    return counts
  },
}

/** Stays connected until its time is over. */
async function over(clock: Clock, signal: AbortSignal): Promise<void> {
  await sleep(clock, 10 * 60_000, signal)
}
