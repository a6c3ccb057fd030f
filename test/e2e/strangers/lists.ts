/** One user: 64 pages of 1 000 jobs at a time, each asked for again as soon as it has come or was refused. */

import { ListJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import { connectUser } from '../../support/service-process.ts'
import type { Flood } from './flood.ts'
import { openConnection } from './raw-http2.ts'
import { waiting } from './watches.ts'

const underWay = 64

export const lists: Flood<{ readonly token: string }> = {
  name: 'lists',
  about: '64 lists of 1 000 jobs at a time, of one user',
  prepare: async (ground) => {
    const user = await connectUser(ground.admin, 'flood', 'lister')
    await user.submit(Array.from({ length: 2000 }, () => waiting))
    user.close()
    return { token: await ground.tokenOf('lister') }
  },
  async run({ grpc, clock, signal }, { token }) {
    const message = Buffer.from(ListJobsRequest.encode(ListJobsRequest.fromPartial({ pageSize: 1000 })).finish())
    const counts: Record<string, number> = {}
    while (!signal.aborted) {
      const connection = await openConnection(clock, grpc)
      if (!connection) continue
      const one = async (): Promise<void> => {
        while (!signal.aborted && connection.isOpen()) {
          const status = await connection.call('/pilotage.v1.JobService/ListJobs', message, {
            authorization: `Bearer ${token}`,
          })
          counts[`status-${status}`] = (counts[`status-${status}`] ?? 0) + 1
        }
      }
      await Promise.all(Array.from({ length: underWay }, one))
    }
    return counts
  },
}
