/**
 * One user makes a task queue of every job: 25 calls of 8 000 jobs, each of which asks for one byte of memory more than the
 * one before; then one call of 8 000 jobs with a tag of their own each, which really are 8 000 task queues. The service is
 * started again before others are measured a last time, and refuses the next 8 000 of them.
 */

import { asPilotageError } from '../../../core/kernel/errors.ts'
import { JobSpec, SubmitJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import { connectUser } from '../../support/service-process.ts'
import { promised } from '../scenario.ts'
import type { Flood } from './flood.ts'
import { openConnection } from './raw-http2.ts'

const calls = 25
const jobsPerCall = 8000
const gib = 1024 ** 3
const minute = 60_000

const spec = (memoryBytes: number, tag: string) =>
  JobSpec.fromPartial({
    name: 'flood',
    executable: '/bin/true',
    requirements: { cores: { min: 1, max: 1 }, memoryBytes, diskBytes: 1024 * 1024, tags: ['nowhere', tag] },
  })

const tagged = (from: number) =>
  Array.from({ length: jobsPerCall }, (_, at) => spec(gib, `own-${String(from + at).padStart(7, '0')}`))

export const queues: Flood<{ readonly token: string }> = {
  name: 'queues',
  about: '200 000 jobs with memory of their own and 8 000 with tags of their own, of one user',
  floodMs: minute,
  /**
   * What 208 000 jobs of any user take: measured with as many equal jobs, the service grows by 503 MiB, of which 128 are the
   * embedded store's page cache, some 40 its waiting jobs, and most what messages of 8 000 jobs leave to the collector. With
   * these jobs it grows by 544.
   */
  acceptedMib: 500,
  isRestarted: true,
  prepare: async (ground) => ({ token: await ground.tokenOf('classes') }),
  async run({ grpc, clock, signal }, { token }) {
    const counts: Record<string, number> = {}
    const connection = await openConnection(clock, grpc)
    const submit = async (jobs: JobSpec[]): Promise<void> => {
      if (!connection || signal.aborted) return
      const message = Buffer.from(SubmitJobsRequest.encode({ jobs, idempotencyKey: '' }).finish())
      const status = await connection.call('/pilotage.v1.JobService/SubmitJobs', message, {
        authorization: `Bearer ${token}`,
      })
      counts[`status-${status}`] = (counts[`status-${status}`] ?? 0) + 1
    }
    for (let call = 0; call < calls; call += 1) {
      await submit(Array.from({ length: jobsPerCall }, (_, at) => spec(gib + call * jobsPerCall + at, 'same')))
    }
    await submit(tagged(0))
    connection?.close()
    return counts
  },
  async judge({ admin }, counts) {
    const user = await connectUser(admin, 'flood', 'classes')
    const { queues: found } = await admin.queues()
    const refusal = await user.submit(tagged(1_000_000)).then(
      () => 'none',
      (error: unknown) => asPilotageError(error, 'submitting').code,
    )
    user.close()
    return [
      ...promised(counts['status-0'] === calls + 1, `of ${calls + 1} calls ${counts['status-0']} were taken`),
      ...promised(found.length > 0, 'no task queue is listed'),
      ...promised(refusal === 'quota-exceeded', `16 000 task queues of one owner: refused as ${refusal}`),
    ]
  },
}
