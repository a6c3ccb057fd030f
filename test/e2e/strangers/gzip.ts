/** Without a token and with one: messages of 15 KB that would become 15 MiB each, as fast as they are answered. */

import { gzipSync } from 'node:zlib'
import type { Flood } from './flood.ts'
import { openConnection } from './raw-http2.ts'

const underWay = 50

export const gzip: Flood<{ readonly token: string }> = {
  name: 'gzip',
  about: 'compressed messages that are a thousand times their size',
  prepare: async (ground) => ({ token: await ground.tokenOf('gzip') }),
  async run({ grpc, clock, signal }, { token }) {
    const bomb = gzipSync(Buffer.alloc(15 * 1024 * 1024))
    const counts: Record<string, number> = {}
    while (!signal.aborted) {
      const connection = await openConnection(clock, grpc)
      if (!connection) continue
      const one = async (at: number): Promise<void> => {
        const authorization = at % 2 === 0 ? `Bearer ${token}` : undefined
        const path = at % 4 === 1 ? '/pilotage.v1.VmService/Activate' : '/pilotage.v1.JobService/SubmitJobs'
        while (!signal.aborted && connection.isOpen()) {
          const status = await connection.call(path, bomb, { authorization, encoding: 'gzip' })
          counts[`status-${status}`] = (counts[`status-${status}`] ?? 0) + 1
        }
      }
      await Promise.all(Array.from({ length: underWay }, (_, at) => one(at)))
    }
    return counts
  },
}
