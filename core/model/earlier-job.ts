/**
 * Jobs and descriptions that an earlier version stored: what they do not have yet is filled in when they are read, from a
 * store or from an archive. Knows nothing of how they lie there.
 */

import { jobDefaults } from '../kernel/limits.ts'
import type { JobId } from '../kernel/ids.ts'
import type { ArchivedJob } from './archive.ts'
import { withJobIds } from './dependency.ts'
import type { Job, JobSpec } from './job.ts'

type Counts = Pick<Job, 'machineLosses' | 'maxMachineLosses'>
type Labels = Pick<Job, 'jobGroup' | 'jobType'>

/** Jobs of earlier versions have none. */
export const noLabels: Labels = { jobGroup: '', jobType: '' }

/** What was to be tried once was never to run again after a loss either: that stays so. */
export function earlierCounts(maxAttempts: number): Counts {
  return { machineLosses: 0, maxMachineLosses: maxAttempts === 1 ? 1 : jobDefaults.machineLosses }
}

type Later = Counts & Labels
type Earlier<Kind> = Omit<Kind, keyof Later> & Partial<Later>
type EarlierSpec = Earlier<Omit<JobSpec, keyof Files>> & Partial<Files>
type Files = Pick<JobSpec, 'inputFiles' | 'outputFiles'>

/** As it lies in a store, of the job with this id: dependencies on jobs of its submission lie there as distances. */
export function specOfText(text: string, id: JobId): JobSpec {
  return withJobIds(completeSpec(JSON.parse(text) as EarlierSpec), id)
}

/** A record of an archive; one that is damaged stays as it is. */
export function completeArchivedJob(record: ArchivedJob): ArchivedJob {
  const { job, spec }: Partial<ArchivedJob> = record
  if (typeof job !== 'object' || typeof spec !== 'object') return record
  const earlier: Earlier<Job> = job
  return { job: { ...noLabels, ...earlierCounts(earlier.maxAttempts), ...earlier }, spec: completeSpec(spec) }
}

function completeSpec(spec: EarlierSpec): JobSpec {
  const { maxMachineLosses = earlierCounts(spec.maxAttempts).maxMachineLosses } = spec
  const { jobGroup, jobType } = { ...noLabels, ...spec }
  const { inputFiles = [], outputFiles = [] } = spec
  return { ...spec, maxMachineLosses, jobGroup, jobType, inputFiles, outputFiles }
}
