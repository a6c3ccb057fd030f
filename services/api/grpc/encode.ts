/**
 * Jobs as messages of the API: each with the place of its VM, which the job alone does not say; and no more of them in one
 * message than every client takes.
 */

import { answerBytes } from '../../../core/kernel/limits.ts'
import type { Job } from '../../../core/model/job.ts'
import { jobToWire } from '../../../proto/codec/jobs.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import { placesOf, type PlacePorts } from '../../jobs/places.ts'
import { jobView } from '../../views/job.ts'

export async function jobsToWire(ports: PlacePorts, jobs: readonly Job[]): Promise<wire.Job[]> {
  const places = await placesOf(ports, jobs)
  return jobs.map((job) => jobToWire(jobView(job, places)))
}

/** Numbers, times and the framing of a job, in bytes: not more than this. */
const fixedBytes = 400
/** A character of UTF-16 is at most three bytes of UTF-8. */
const bytesPerCharacter = 3

/** The jobs from the front that surely fit a message. `cutAt`: where the others begin; undefined: all fit. */
export function fittingMessage(jobs: wire.Job[]): { readonly fitting: wire.Job[]; readonly cutAt: number | undefined } {
  let bytes = 0
  const cutAt = jobs.findIndex((job, at) => {
    bytes += fixedBytes + bytesPerCharacter * charactersOf(job)
    return bytes > answerBytes && at > 0
  })
  return cutAt < 0 ? { fitting: jobs, cutAt: undefined } : { fitting: jobs.slice(0, cutAt), cutAt }
}

function charactersOf({ name, vo, group, owner, jobGroup, jobType, result, ...job }: wire.Job): number {
  const place = [job.taskQueue, job.reason, job.vmId, job.site, job.cloud]
  const texts = [name, vo, group, owner, jobGroup, jobType, ...place, result?.signal ?? '', result?.detail ?? '']
  return texts.reduce((sum, text) => sum + text.length, 0)
}
