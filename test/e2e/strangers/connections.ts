/**
 * Without a token: as many connections as the service lets in, half of them silent from the first byte on, the others with
 * HTTP/2 and nothing more; and beside them connections that come with 100 refused calls each and go again.
 */

import { connect, type Socket } from 'node:net'
import { sleep } from '../../../core/kernel/clock.ts'
import type { Flood } from './flood.ts'
import { type Connection, openConnection } from './raw-http2.ts'

const idle = 5000

export const connections: Flood = {
  name: 'connections',
  about: '5 000 idle connections, and others with 100 refused calls each',
  async run({ grpc, clock, signal }) {
    const [host = '', port = ''] = grpc.split(':')
    const counts = { tried: 0, open: 0, most: 0, refusedCalls: 0 }
    const sockets = new Set<Socket>()
    const idling = async (): Promise<void> => {
      while (!signal.aborted && counts.tried < idle) {
        counts.tried += 1
        const socket = connect(Number(port), host).on('error', () => {})
        socket.on('connect', () => {
          counts.open += 1
          counts.most = Math.max(counts.most, counts.open)
          // Half of an HTTP/2 preface, or nothing.
          if (counts.tried % 2 === 0) socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
          socket.once('close', () => {
            counts.open -= 1
          })
        })
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
        await sleep(clock, 2)
      }
    }
    const calling = async (): Promise<void> => {
      while (!signal.aborted) {
        const connection: Connection | undefined = await openConnection(clock, grpc)
        if (!connection) continue
        const calls = Array.from({ length: 100 }, () =>
          connection.call('/pilotage.v1.JobService/ListJobs', Buffer.alloc(0), { authorization: 'Bearer e30.e30.e30' }),
        )
        counts.refusedCalls += (await Promise.all(calls)).filter((status) => status === '16').length
        connection.close()
      }
    }
    await Promise.all([idling(), calling(), calling(), sleep(clock, 10 * 60_000, signal)])
    for (const socket of sockets) socket.destroy()
    return counts
  },
}
