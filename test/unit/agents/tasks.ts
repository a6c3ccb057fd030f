/** Tasks and results for the tests of the agents: small, and only what a test names differs. */

import type { Task } from '../../../agents/pilot/held.ts'
import type { Result } from '../../../core/model/attempt.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { JobSpec } from '../../../core/model/job.ts'
import { noAmounts } from '../../../core/model/resources.ts'

export const mib = 1024 * 1024

export type TaskWish = {
  readonly jobId?: number
  readonly attempt?: number
  readonly cores?: number
  readonly leaseMs?: number
  readonly executable?: string
  readonly arguments?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly memoryBytes?: number
  readonly diskBytes?: number
  readonly wallMs?: number
  readonly inputFiles?: JobSpec['inputFiles']
  readonly outputFiles?: readonly string[]
}

export function task(wish: TaskWish = {}): Task {
  const cores = wish.cores ?? 1
  const spec: JobSpec = {
    name: 'test',
    executable: wish.executable ?? 'true',
    arguments: wish.arguments ?? [],
    environment: wish.environment ?? {},
    requirements: {
      cores: { min: cores, max: cores },
      ...noAmounts,
      memoryBytes: wish.memoryBytes ?? 64 * mib,
      diskBytes: wish.diskBytes ?? 64 * mib,
      wallMs: wish.wallMs ?? 10_000,
      platforms: [],
      sites: { allowed: [], banned: [] },
      clouds: { allowed: [], banned: [] },
      tags: [],
    },
    priority: 0,
    maxAttempts: 3,
    maxMachineLosses: 10,
    jobGroup: '',
    jobType: '',
    inputFiles: wish.inputFiles ?? [],
    outputFiles: wish.outputFiles ?? [],
  }
  const jobId = (wish.jobId ?? 1) as JobId
  return { jobId, attempt: wish.attempt ?? 1, spec, cores, leaseMs: wish.leaseMs ?? 90_000, vo: 'atlas', owner: 'ada' }
}

/** `sh -c` is the payload's own shell, as a user would ask for one. */
export function shell(script: string, wish: TaskWish = {}): Task {
  return task({ ...wish, executable: 'sh', arguments: ['-c', script] })
}

export function exited(change: Partial<Result> = {}): Result {
  return {
    end: 'exited',
    exitCode: 0,
    signal: '',
    detail: '',
    peakMemoryBytes: 1,
    cpuMs: 1,
    wallMs: 1,
    startedMs: 1,
    endedMs: 2,
    stdoutBytes: 0,
    stderrBytes: 0,
    droppedBytes: 0,
    ...change,
  }
}
