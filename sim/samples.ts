/** Plain jobs, queues and VMs for tests: valid, small, and changed only where a test says so. */

import { createHash } from 'node:crypto'
import type { Result } from '../core/model/attempt.ts'
import type { ClassId, VmId } from '../core/kernel/ids.ts'
import type { JobSpec } from '../core/model/job.ts'
import type { Owner } from '../core/model/owner.ts'
import type { Submission } from '../core/ports/store.ts'
import type { TaskQueue } from '../core/model/task-queue.ts'
import type { Requirements } from '../core/model/requirements.ts'
import { requirementsKey } from '../core/language/normal-form.ts'
import type { Vm } from '../core/model/vm.ts'
import { noAmounts } from '../core/model/resources.ts'

const mib = 1024 * 1024

export const alice: Owner = { vo: 'lhcb', group: 'user', owner: 'alice' }
export const bob: Owner = { vo: 'belle', group: 'user', owner: 'bob' }

export function sampleRequirements(changes: Partial<Requirements> = {}): Requirements {
  return {
    cores: { min: 1, max: 1 },
    ...noAmounts,
    memoryBytes: 64 * mib,
    diskBytes: 64 * mib,
    wallMs: 60_000,
    platforms: [],
    sites: { allowed: [], banned: [] },
    clouds: { allowed: [], banned: [] },
    tags: [],
    ...changes,
  }
}

export function sampleSpec(changes: Partial<JobSpec> = {}): JobSpec {
  return {
    name: 'sample',
    executable: '/bin/true',
    arguments: [],
    environment: {},
    requirements: sampleRequirements(),
    priority: 0,
    maxAttempts: 3,
    maxMachineLosses: 10,
    jobGroup: '',
    jobType: '',
    inputFiles: [],
    outputFiles: [],
    ...changes,
  }
}

export function sampleQueue(owner: Owner = alice, requirements: Requirements = sampleRequirements()): TaskQueue {
  const key = JSON.stringify([owner.vo, owner.group, owner.owner, requirementsKey(requirements)])
  return { ...owner, id: createHash('sha256').update(key).digest('hex').slice(0, 16) as ClassId, requirements }
}

export function sampleSubmission(specs: readonly JobSpec[], owner: Owner = alice, key?: string): Submission {
  const queues = specs.map((spec) => sampleQueue(owner, spec.requirements))
  return {
    owner,
    jobs: specs.map((spec, at) => ({ classId: queues[at]?.id as ClassId, spec })),
    queues: [...new Map(queues.map((queue) => [queue.id, queue])).values()],
    idempotency: key === undefined ? undefined : { key, digest: JSON.stringify(specs) },
  }
}

export function sampleVm(id: string, changes: Partial<Vm> = {}): Vm {
  return {
    id: `vm-${id.padEnd(10, 'a')}` as VmId,
    cloud: 'here',
    site: 'home',
    flavor: 'small',
    image: 'plain',
    platform: 'linux',
    tags: [],
    vos: [],
    cores: 8,
    ...noAmounts,
    memoryBytes: 8 * 1024 * mib,
    diskBytes: 8 * 1024 * mib,
    pricePerHour: 1,
    phase: { state: 'Intended' },
    reason: 'sample',
    intendedMs: 1000,
    changedMs: 1000,
    endByMs: 1_000_000_000,
    activation: { keyHash: 'key', untilMs: 1_000_000 },
    ...changes,
  }
}

export function activeVm(id: string, changes: Partial<Vm> = {}): Vm {
  return sampleVm(id, { phase: { state: 'Active', ref: `ref-${id}`, activeMs: 1000 }, ...changes })
}

export function sampleResult(changes: Partial<Result> = {}): Result {
  return {
    end: 'exited',
    exitCode: 0,
    signal: '',
    detail: '',
    peakMemoryBytes: mib,
    cpuMs: 10,
    wallMs: 20,
    startedMs: 1000,
    endedMs: 1020,
    stdoutBytes: 0,
    stderrBytes: 0,
    droppedBytes: 0,
    ...changes,
  }
}
