/** Jobs as messages of the API: each with the place of its VM, which the job alone does not say. */

import type { Job } from '../../../core/model/job.ts'
import { jobToWire } from '../../../proto/codec/jobs.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import { placesOf, type PlacePorts } from '../../jobs/places.ts'
import { jobView } from '../../views/job.ts'

export async function jobsToWire(ports: PlacePorts, jobs: readonly Job[]): Promise<wire.Job[]> {
  const places = await placesOf(ports, jobs)
  return jobs.map((job) => jobToWire(jobView(job, places)))
}
