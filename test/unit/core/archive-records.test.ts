/** A record of an archive has all that its job has, whatever store it comes from. */

import { expect, it } from 'vitest'
import { plainRecords } from '../../../core/model/archive.ts'
import type { ClassId, JobId, VmId } from '../../../core/kernel/ids.ts'
import type { Job } from '../../../core/model/job.ts'
import { alice, sampleResult, sampleSpec } from '../../../sim/samples.ts'

const lease = { vmId: 'vm-aaaaaaaaaa' as VmId, cores: 2, gpus: 3, claimedMs: 5, untilMs: 9 }
const needs = { memoryBytes: 1, diskBytes: 2, wallMs: 0, cpuWorkMs: 4 }
const job: Job = {
  ...alice,
  ...{ id: 7 as JobId, classId: 'c' as ClassId, name: 'x', jobGroup: 'g', jobType: 't', priority: 3, needs },
  ...{ maxAttempts: 3, machineLosses: 1, maxMachineLosses: 10, submittedMs: 1, changedMs: 2, attempt: 1 },
  phase: { state: 'Running', lease, startedMs: 6 },
}

it.each<[string, Job]>([
  ['that runs', job],
  [
    'that was asked to stop',
    { ...job, phase: { state: 'Matched', lease: { ...lease, stop: { kind: 'kill', by: 'a', atMs: 8 } } } },
  ],
  ['that is done', { ...job, phase: { state: 'Done', lease, result: sampleResult() } }],
  ['without GPUs and needs', { ...job, needs: undefined, phase: { state: 'Waiting' } }],
])('of a job %s', (_, one) => {
  expect(plainRecords({ section: 'jobs', records: [{ job: one, spec: sampleSpec() }] })).toEqual([
    { job: one, spec: sampleSpec() },
  ])
})
