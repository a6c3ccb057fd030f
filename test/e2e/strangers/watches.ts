/** One user: 500 watches of 10 000 jobs each, opened again when they are refused or end. */

import { sleep } from '../../../core/kernel/clock.ts'
import { JobSpec, WatchJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import { connectUser } from '../../support/service-process.ts'
import type { Flood } from './flood.ts'
import { framed, openConnection } from './raw-http2.ts'

const jobs = 10_000
const watches = 500
const perConnection = 50

export const watchFlood: Flood<{ readonly token: string; readonly jobIds: readonly number[] }> = {
  name: 'watches',
  about: '500 watches of 10 000 jobs, of one user',
  prepare: async (ground) => {
    const user = await connectUser(ground.admin, 'flood', 'watcher')
    const { jobIds } = await user.submit(Array.from({ length: jobs }, () => waiting))
    user.close()
    return { token: await ground.tokenOf('watcher'), jobIds }
  },
  async run({ grpc, clock, signal }, { token, jobIds }) {
    const message = framed(Buffer.from(WatchJobsRequest.encode({ jobIds: [...jobIds] }).finish()))
    const authorization = `Bearer ${token}`
    const counts: Record<string, number> = { opened: 0, mib: 0 }
    const keep = async (): Promise<void> => {
      const connection = await openConnection(clock, grpc)
      if (!connection) return
      const one = async (): Promise<void> => {
        while (!signal.aborted && connection.isOpen()) {
          counts.opened = (counts.opened ?? 0) + 1
          const stream = connection.ask('/pilotage.v1.JobService/WatchJobs', message, { authorization })
          const answered = connection.statusOf(stream, 10 * 60_000)
          stream.on('data', (piece: Buffer) => {
            counts.mib = (counts.mib ?? 0) + piece.length / 1024 / 1024
          })
          const leave = (): void => stream.close(8)
          signal.addEventListener('abort', leave, { once: true })
          stream.resume()
          const status = `status-${await answered}`
          signal.removeEventListener('abort', leave)
          counts[status] = (counts[status] ?? 0) + 1
          await sleep(clock, 100, signal)
        }
      }
      await Promise.all(Array.from({ length: perConnection }, one))
    }
    await Promise.all(Array.from({ length: watches / perConnection }, keep))
    return { ...counts, mib: Math.round(counts.mib ?? 0) }
  },
}

/** For ever: no VM of the scenario has this tag. */
export const waiting = JobSpec.fromPartial({
  name: 'flood',
  executable: '/bin/true',
  requirements: { cores: { min: 1, max: 1 }, memoryBytes: 64 * 1024 * 1024, diskBytes: 1024 * 1024, tags: ['nowhere'] },
})
