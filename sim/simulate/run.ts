/**
 * One run of a simulation: a workload on a site under one policy, from the first submission until nothing is left to do.
 *
 * Asserts at the end that every job is accounted for once, and every paid core-millisecond as well. A run in which nothing
 * runs, comes or starts any more for `stuckMs` (no offering fits a job, or a policy keeps VMs for ever) stops, and says what
 * waits.
 */

import type { VmId } from '../../core/kernel/ids.ts'
import { leaseMs } from '../../core/kernel/limits.ts'
import type { CloudVm } from '../../core/model/cloud.ts'
import { attemptText } from '../../core/model/facts.ts'
import { ownerKey, type RunningAttempt } from '../../core/share/ledger.ts'
import { weightsOf } from '../../core/share/weights.ts'
import { breakersNow } from '../../core/plan/headroom.ts'
import type { CloudView, FleetView } from '../../core/plan/fleet.ts'
import { matcher } from '../../services/matcher/matcher.ts'
import { arrive, claims } from './attempts.ts'
import { advance } from './billing.ts'
import { askEnds, closeBill, createVm, drainVm, freed, retireVm, stopVm, used } from './machines.ts'
import type { Decision, PolicyView } from './policies/policy.ts'
import { fail, openWorld, type RunOptions, type SimCloud, type World } from './world.ts'

export const stuckMs = 24 * 3_600_000

/** A world at its end. */
export type Ended = { readonly world: World; readonly endMs: number }

export async function run(options: RunOptions): Promise<Ended> {
  const world: World = { ...openWorld(options, { used, freed }), matcher: undefined as never }
  const { time, waiting, ledger, clock, outcomes, workload, policy } = world
  world.matcher = matcher({ store: claims(() => world), waiting, ledger, clock, leaseMs, outcomes, onError: fail })
  const { jobs } = workload
  let next = 0
  const arrivals = (): void => {
    const nowMs = time.nowMs()
    while (next < jobs.length && (jobs[next]?.submitMs ?? 0) <= nowMs) {
      arrive(world, next)
      next += 1
    }
    const job = jobs[next]
    if (job) time.after(job.submitMs - nowMs, arrivals)
  }
  const isOver = (): boolean => {
    if (next < jobs.length || world.measure.running.now() > 0) return false
    return (world.jobs.size === 0 && world.vms.size === 0) || time.nowMs() - world.progressMs > stuckMs
  }
  const stepAgain = (): void => {
    step(world)
    time.after(policy.intervalMs, stepAgain)
  }
  const correctShares = (): void => {
    tickShares(world)
    time.after(shareTickMs, correctShares)
  }
  correctShares()
  time.after(jobs[0]?.submitMs ?? 0, arrivals)
  time.after(policy.intervalMs, stepAgain)
  await time.run(isOver)
  const endMs = time.nowMs()
  for (const vm of world.vms.values()) closeOpen(world, vm.kept.vm.id, endMs)
  checkJobs(world)
  return { world, endMs }
}

/** As the service does every ten seconds; here less often, so that weeks are simulated in seconds. */
const shareTickMs = 60_000

function tickShares({ site, vms, ledger, waiting, time }: World): void {
  const running = [...vms.values()].flatMap(({ runs }) =>
    [...runs.values()].map(({ job: { job }, cores, startMs }): RunningAttempt => {
      const attempt = attemptText({ jobId: job.id, attempt: job.attempt })
      return { attempt, ownerKey: ownerKey(job), cores, claimedMs: startMs }
    }),
  )
  ledger.publish(ledger.running(running, time.nowMs()))
  waiting.tick(weightsOf(site.shares.weights), time.nowMs())
}

function step(world: World): void {
  const view = viewOf(world)
  const decisions = world.policy.plan(view)
  world.isTroubled = false
  for (const decision of decisions) carryOut(world, decision)
  askEnds(world)
}

function carryOut(world: World, decision: Decision): void {
  if (decision.kind === 'create') {
    for (let made = 0; made < decision.count; made += 1) createVm(world, decision.offering, decision.reason)
    return
  }
  const { vmId, reason, kind, ...blame } = decision
  const vm = world.vms.get(vmId)
  if (!vm) return
  if (kind === 'drain') drainVm(world, vm, reason)
  else if (kind === 'retire') retireVm(world, vm, reason)
  else stopVm(world, vm, reason, blame)
}

function viewOf(world: World): PolicyView {
  const { time, backlog, waitingCores, clouds, measure, vms, isTroubled } = world
  return {
    nowMs: time.nowMs(),
    waiting: { jobs: backlog.size(), cores: waitingCores },
    running: { jobs: measure.running.now(), cores: measure.usedCores.now() },
    clouds,
    isTroubled: isTroubled || world.toEnd.size > 0,
    vms: () => vms.values(),
    crashed: () => [...world.crashed].map(({ kept, crashedMs = 0 }) => ({ vmId: kept.vm.id, sinceMs: crashedMs })),
    fleet: () => fleetOf(world),
  }
}

function fleetOf(world: World): FleetView {
  world.measure.plans += 1
  const nowMs = world.time.nowMs()
  const vms = [...world.vms.values()].map(({ kept }) => kept)
  const kept = world.clouds.flatMap(({ breakers }) => breakers.kept().breakers)
  return {
    queues: world.backlog.counts(),
    vms,
    services: [],
    clouds: world.clouds.map((cloud) => cloudViewOf(world, cloud)),
    breakers: kept.length === 0 ? new Map() : breakersNow(kept, vms, nowMs),
  }
}

/** Its list is read in each step and shows what is wrong with a VM. */
function cloudViewOf(world: World, { name, offerings, limits, quota, spec }: SimCloud): CloudView {
  const nowMs = world.time.nowMs()
  return {
    ...{ name, offerings, limits, quota },
    bootMs: spec.bootTimeoutMs,
    lifeMs: world.site.vm.maxLifetimeMs,
    reading: { listBeganMs: nowMs, failure: '', implausible: '' },
    watchedSinceMs: 0,
    blocked: '',
    barred: new Map(),
    revoked: new Map(),
    listed: listedOf(world, name),
    strays: { vms: 0, cores: 0, memoryBytes: 0 },
  }
}

function listedOf({ crashed }: World, cloud: string): ReadonlyMap<VmId, CloudVm> {
  const listed = new Map<VmId, CloudVm>()
  for (const vm of crashed) {
    if (vm.cloud.name !== cloud) continue
    const { id, phase } = vm.kept.vm
    const ref = 'ref' in phase ? phase.ref : ''
    listed.set(id, { ref, vmId: id, power: 'stopped', detail: 'crashed', createdMs: vm.createdMs })
  }
  return listed
}

/** A VM that is there when the run stops. */
function closeOpen(world: World, vmId: VmId, endMs: number): void {
  const vm = world.vms.get(vmId)
  if (!vm) return
  advance(vm, endMs)
  const { bill, kept } = vm
  if (!('activeMs' in kept.vm.phase) && kept.vm.phase.state !== 'Stopping') bill.wasted.booting = bill.paid
  for (const { cores, startMs } of vm.runs.values()) bill.used += cores * (endMs - startMs)
  closeBill(vm, endMs)
}

/** In is done, failed, and what waits or runs. */
function checkJobs({ workload, measure, jobs, backlog }: World): void {
  const sum = { submitted: 0, over: 0 }
  for (const { submitted, done, failed } of measure.vos.values()) {
    sum.submitted += submitted
    sum.over += done + failed
  }
  const isWhole = sum.submitted === workload.jobs.length && sum.over + jobs.size === sum.submitted
  if (!isWhole || backlog.size() > jobs.size)
    throw new Error(`assertion failed: of ${workload.jobs.length} jobs ${sum.over} are over and ${jobs.size} are not`)
}
