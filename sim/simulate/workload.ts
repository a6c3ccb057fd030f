/**
 * A trace as jobs of Pilotage. The mapping: the group of the trace (column 13) is the VO, its queue (column 15) the group,
 * its user (column 12) the owner; what is not known is named `any`. Cores, memory per core and requested time are the job's
 * requirements; a job that ran longer than it asked for asks for what it ran.
 *
 * Task queues are those of the service: jobs of one owner whose requirements are of one class.
 */

import { needsOf, requirementClass } from '../../core/language/requirement-class.ts'
import { requirementsKey } from '../../core/language/normal-form.ts'
import type { ClassId } from '../../core/kernel/ids.ts'
import { jobLimits } from '../../core/kernel/limits.ts'
import { offeredBy } from '../../core/model/cloud.ts'
import type { Owner } from '../../core/model/owner.ts'
import type { Needs, Requirements } from '../../core/model/requirements.ts'
import type { TaskQueue } from '../../core/model/task-queue.ts'
import { sizesOf } from '../../services/jobs/submit.ts'
import type { Site } from './site.ts'
import type { SwfJob } from './swf.ts'

export type WorkJob = {
  /** Since the first submission of the trace. */
  readonly submitMs: number
  readonly runMs: number
  readonly cores: number
  readonly queue: TaskQueue
  readonly needs?: Needs
}

export type Workload = {
  /** In the order of submission. */
  readonly jobs: readonly WorkJob[]
  readonly vos: readonly string[]
  readonly taskQueues: number
  /** More than `jobLimits.cores`, or a longer run than any job may ask for. */
  readonly tooLarge: number
}

const second = 1000
const kib = 1024

/** `scale`: how much of the trace: 0.1 keeps each tenth job, 2 submits each twice. */
export function workloadOf(trace: readonly SwfJob[], site: Site, scale = 1): Workload {
  const queues = new Map<string, TaskQueue>()
  const offerings = site.clouds.flatMap((cloud) =>
    cloud.offerings.map((one) => offeredBy(one, { lifeMs: site.vm.maxLifetimeMs, bootMs: cloud.bootTimeoutMs })),
  )
  const sizes = sizesOf({ offerings })
  const firstSeconds = trace[0]?.submitSeconds ?? 0
  const jobs: WorkJob[] = []
  let tooLarge = 0
  for (const [at, job] of trace.entries()) {
    const copies = Math.floor((at + 1) * scale) - Math.floor(at * scale)
    if (copies === 0) continue
    const exact = requirementsOf(job, site.jobs)
    if (exact.cores.min > jobLimits.cores || exact.wallMs > jobLimits.wallMs) {
      tooLarge += copies
      continue
    }
    const requirements = requirementClass(exact, sizes)
    const made: WorkJob = {
      submitMs: Math.round((job.submitSeconds - firstSeconds) * second),
      runMs: runMsOf(job),
      cores: exact.cores.min,
      queue: queueOf(queues, ownerOf(job), requirements),
      needs: needsOf(exact, requirements),
    }
    for (let copy = 0; copy < copies; copy += 1) jobs.push(made)
  }
  const vos = [...new Set([...queues.values()].map(({ vo }) => vo))].sort(byName)
  return { jobs, vos, taskQueues: queues.size, tooLarge }
}

/** The archive rounds to seconds: a run of 0 lasted less than one. */
function runMsOf({ runSeconds }: SwfJob): number {
  return Math.max(1, Math.round(runSeconds)) * second
}

function ownerOf({ user, group, queue }: SwfJob): Owner {
  const named = (kind: string, number: number): string => (number < 0 ? 'any' : `${kind}${number}`)
  return { vo: named('vo', group), group: named('queue', queue), owner: named('user', user) }
}

function requirementsOf(job: SwfJob, { memoryBytes, diskBytes, wallMs }: Site['jobs']): Requirements {
  const { cores, requestedMemoryKib, requestedSeconds } = job
  const asked = requestedSeconds > 0 ? Math.round(requestedSeconds) * second : wallMs
  return {
    cores: { min: cores, max: cores },
    memoryBytes: Math.round(cores * (requestedMemoryKib > 0 ? requestedMemoryKib * kib : memoryBytes)),
    diskBytes,
    wallMs: Math.max(asked, runMsOf(job)),
    platforms: [],
    sites: { allowed: [], banned: [] },
    clouds: { allowed: [], banned: [] },
    tags: [],
  }
}

function queueOf(queues: Map<string, TaskQueue>, owner: Owner, requirements: Requirements): TaskQueue {
  const key = JSON.stringify([owner.vo, owner.group, owner.owner, requirementsKey(requirements)])
  const known = queues.get(key)
  if (known) return known
  const made: TaskQueue = { ...owner, id: `queue-${String(queues.size + 1).padStart(6, '0')}` as ClassId, requirements }
  queues.set(key, made)
  return made
}

/** `vo2` before `vo10`. */
export function byName(a: string, b: string): number {
  const [x, y] = [a, b].map((name) => Number(/\d+$/.exec(name)?.[0] ?? NaN)) as [number, number]
  if (x !== y && Number.isFinite(x) && Number.isFinite(y)) return x - y
  return a < b ? -1 : a > b ? 1 : 0
}
