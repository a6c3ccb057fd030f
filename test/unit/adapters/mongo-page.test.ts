import { expect, it } from 'vitest'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import { nowhere } from '../../../core/model/job-filter.ts'
import type { Job } from '../../../core/model/job.ts'
import { keptJob, packed, packedJobs } from '../../../services/adapters/store/mongo/job-text.ts'
import { newPage, pageOf, type PageDocument } from '../../../services/adapters/store/mongo/page.ts'
import { alice, sampleQueue } from '../../../sim/samples.ts'

const needs = { memoryBytes: 1, diskBytes: 2, wallMs: 3 }
const classId = sampleQueue().id

function job(changes: Partial<Job>): Job {
  return {
    ...alice,
    id: 7 as JobId,
    classId,
    name: 'j',
    priority: 2,
    maxAttempts: 3,
    machineLosses: 0,
    maxMachineLosses: 10,
    jobGroup: '',
    jobType: '',
    submittedMs: 1,
    changedMs: 5,
    attempt: 0,
    phase: { state: 'Waiting' },
    ...changes,
  }
}

function read(jobs: PageDocument['z']): Job | undefined {
  const page = { first: 7 as JobId, owner: alice, classId, priority: 2, jobGroup: '', jobType: '', jobs: new Map() }
  const whole = { ...page, jobs: new Map([[7 as JobId, keptJob(job({}), nowhere, [])]]) }
  return pageOf({ ...newPage(whole, 'w', sampleQueue().requirements), z: jobs }).jobs.get(7 as JobId)?.job
}

it.each([
  job({}),
  job({ needs }),
  job({ maxAttempts: 1 }),
  job({ maxAttempts: 1, maxMachineLosses: 1 }),
  job({ maxAttempts: 2, maxMachineLosses: 1 }),
  job({ machineLosses: 2, maxAttempts: 5 }),
  job({ machineLosses: 1, maxMachineLosses: 30, needs }),
  job({ awaited: 2 }),
  job({ awaited: 2, needs }),
  job({ awaited: 1, machineLosses: 1, maxMachineLosses: 30 }),
  job({ phase: { state: 'Blocked', open: [{ job: 3 as JobId, when: 'failed' }] } }),
  job({ phase: { state: 'Matched', lease: { vmId: 'vm-1' as VmId, cores: 1, claimedMs: 1, untilMs: 2 } } }),
])('a page gives back the job that was put into it: %o', (one) => {
  expect(read(packedJobs([keptJob(one, nowhere, [])]))).toEqual(one)
})

it.each([
  [3, undefined, 10],
  [3, needs, 10],
  [1, undefined, 1],
])('a job of an earlier version, with up to %i attempts and the needs %o, has %i machine losses', (max, own, losses) => {
  const text = [7, 'j', max, 1, 5, 0, '', { state: 'Waiting' }, []]
  const old = packed(JSON.stringify([own ? [...text, own] : text]))
  expect(read(old)).toEqual(job({ maxAttempts: max, maxMachineLosses: losses, ...(own ? { needs: own } : {}) }))
})
