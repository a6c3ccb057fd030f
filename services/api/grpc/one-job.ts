/** The id of the one job that a request names, and what reading one costs its caller. */

import type { JobId } from '../../../core/kernel/ids.ts'
import { loadLimits } from '../../../core/kernel/limits.ts'
import { jobIdOf } from '../../../proto/codec/specs.ts'
import type { Caller } from './admission.ts'

export function oneJobId(id: number, { load }: Caller): JobId {
  load.charge(1 / loadLimits.jobsPerUnit)
  return jobIdOf(id, 'job_id')
}
