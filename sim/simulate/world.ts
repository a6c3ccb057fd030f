/**
 * What a simulation stands on: virtual time, chance, the jobs, the VMs, the clouds, and the service's own matcher over them.
 *
 * Times are milliseconds since the first submission. All chance comes from one seed, and nothing reads a real clock: the
 * same input gives the same run.
 */

import type { ClassId, JobId, VmId } from '../../core/kernel/ids.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import type { Job, JobSpec } from '../../core/model/job.ts'
import type { Resources } from '../../core/model/resources.ts'
import type { Vm } from '../../core/model/vm.ts'
import { jobDefaults } from '../../core/kernel/limits.ts'
import { openLedger, type UsageLedger } from '../../core/share/ledger.ts'
import { chargeUsage } from '../../services/accounting/charge-usage.ts'
import { type Breakers, openBreakers } from '../../services/director/breakers.ts'
import type { Matcher, OpenPilot } from '../../services/matcher/matcher.ts'
import { type WaitingIndex, waitingIndex } from '../../services/matcher/waiting-index.ts'
import { openOutcomes, type Outcomes } from '../../services/outcomes/outcomes.ts'
import { type Dice, dice } from '../dice.ts'
import { type Timeline, timeline } from '../timeline.ts'
import { type Backlog, openBacklog } from './backlog.ts'
import { type Bill, newBill } from './bill.ts'
import { type Measure, openMeasure } from './measure.ts'
import type { Policy, PolicyCloud, Tally } from './policies/policy.ts'
import type { Site, SiteCloud } from './site.ts'
import type { WorkJob, Workload } from './workload.ts'

export type SimJob = {
  readonly work: WorkJob
  job: Job
  firstStartMs?: number
}

/** An attempt that runs. */
export type Run = { readonly job: SimJob; readonly startMs: number; readonly cores: number; readonly taken: Resources }

export type SimVm = {
  readonly cloud: SimCloud
  readonly kept: { vm: Vm; leases: number; used: Resources }
  readonly createdMs: number
  readonly bill: Bill
  readonly runs: Map<JobId, Run>
  pilot?: OpenPilot
  /** Cores that jobs may be claimed for; 0 while it takes none. */
  openCores: number
  idleSinceMs: number
  hadJobs: boolean
  crashedMs?: number
  /** The cloud was asked to end it. */
  isEnding: boolean
  /** Up to when the bill is written. */
  billedMs: number
}

export type SimCloud = PolicyCloud & {
  readonly spec: SiteCloud
  readonly tally: Tally
  readonly breakers: Breakers
  readonly bill: Bill
  readonly refusals: Record<string, number>
}

export type World = {
  readonly site: Site
  readonly workload: Workload
  readonly policy: Policy
  readonly time: Timeline
  readonly clock: Clock
  readonly dice: Dice
  readonly jobs: Map<JobId, SimJob>
  readonly vms: Map<VmId, SimVm>
  readonly clouds: readonly SimCloud[]
  readonly backlog: Backlog
  readonly ledger: UsageLedger
  readonly waiting: WaitingIndex
  readonly outcomes: Outcomes
  readonly measure: Measure
  /** Those that stop, and that the cloud is asked to end in the next step. */
  readonly toEnd: Set<SimVm>
  /** Those that crashed and are not gone. */
  readonly crashed: Set<SimVm>
  /** Of Active VMs. */
  freeCores: number
  waitingCores: number
  madeVms: number
  /** When a job arrived, started or ended last. */
  progressMs: number
  /** Something beside demand happened since the last step. */
  isTroubled: boolean
  matcher: Matcher
  /** What a change of the cores in use means for the VM: attempts know nothing of machines. */
  readonly reactions: Reactions
}

export type Reactions = {
  used(world: World, vm: SimVm, cores: number): void
  freed(world: World, vm: SimVm, cores: number): void
}

export type RunOptions = {
  readonly site: Site
  readonly workload: Workload
  readonly policy: Policy
  readonly seed: number
}

/** Everything but the matcher, which needs the world itself. */
export function openWorld({ site, workload, policy, seed }: RunOptions, reactions: Reactions): Omit<World, 'matcher'> {
  const time = timeline()
  const clock: Clock = { ...time.clock, nowMs: time.nowMs }
  const backlog = openBacklog()
  const ledger = openLedger(0, site.shares.halfLifeMs)
  const outcomes = openOutcomes()
  outcomes.react(chargeUsage(ledger, clock))
  const waiting = waitingIndex({
    readNext: async (classId: ClassId, limit: number) => backlog.next(classId, limit),
    onError: fail,
    ledger,
  })
  return {
    ...{ site, workload, policy, time, clock, backlog, ledger, waiting, outcomes, reactions },
    dice: dice(seed),
    jobs: new Map(),
    vms: new Map(),
    clouds: site.clouds.map((spec) => cloudOf(spec, site)),
    measure: openMeasure(workload.vos),
    toEnd: new Set(),
    crashed: new Set(),
    freeCores: 0,
    waitingCores: 0,
    madeVms: 0,
    progressMs: 0,
    isTroubled: false,
  }
}

/** An error in the simulation ends it. */
export function fail(error: unknown): never {
  throw error
}

function cloudOf(spec: SiteCloud, site: Site): SimCloud {
  const { name, offerings, limits, quota } = spec
  const none = { vms: 0, cores: 0, memoryBytes: 0, coming: 0, comingCores: 0 }
  return {
    ...{ name, offerings, limits, quota, spec },
    tally: { ...none, active: 0, activeCores: 0, usedCores: 0, idle: 0 },
    breakers: openBreakers(name, site.breaker),
    bill: newBill(),
    refusals: {},
  }
}

/** What every job of a task queue is, beside its requirements. */
export function specOf({ queue }: WorkJob): JobSpec {
  const empty = { arguments: [], environment: {}, inputFiles: [], outputFiles: [], jobGroup: '', jobType: '' }
  const { attempts: maxAttempts, machineLosses: maxMachineLosses } = jobDefaults
  const { requirements } = queue
  return { ...empty, name: 'job', executable: '/bin/true', requirements, priority: 0, maxAttempts, maxMachineLosses }
}
