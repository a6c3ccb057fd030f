/**
 * The life of jobs: they arrive, are claimed by the matcher for a VM, run, and end or are lost with their machine. What
 * becomes of a job is decided by core (`applyToJob`), as in every store.
 */

import type { JobId } from '../../core/kernel/ids.ts'
import { jobsPerOffer, leaseMs } from '../../core/kernel/limits.ts'
import { applyToJob } from '../../core/model/apply.ts'
import type { Result } from '../../core/model/attempt.ts'
import type { JobEvent } from '../../core/model/job-event.ts'
import { isEnded, type Job } from '../../core/model/job.ts'
import { fits, minus, noResources, plus, type Resources, roomLess } from '../../core/model/resources.ts'
import { placeOf, promisedRoom } from '../../core/model/vm-place.ts'
import type { JobOutcome, JobStore } from '../../core/ports/store.ts'
import type { OpenPilot } from '../../services/matcher/matcher.ts'
import { advance } from './billing.ts'
import { slowdownOf, voOf } from './measure.ts'
import { fail, type Run, type SimJob, type SimVm, specOf, type World } from './world.ts'

/** `index`: of the workload. The number of a job is one more. */
export function arrive(world: World, index: number): void {
  const { workload, time, measure } = world
  const work = workload.jobs[index]
  if (!work) return
  const id = (index + 1) as JobId
  const { maxAttempts, maxMachineLosses, priority, name, jobGroup, jobType } = specOf(work)
  const { vo, group, owner, id: classId } = work.queue
  const nowMs = time.nowMs()
  const job: Job = {
    ...{ id, classId, vo, group, owner, name, jobGroup, jobType, priority, maxAttempts, maxMachineLosses },
    ...{ machineLosses: 0, submittedMs: nowMs, changedMs: nowMs, attempt: 0, phase: { state: 'Waiting' } },
    ...(work.needs ? { needs: work.needs } : {}),
  }
  const made: SimJob = { work, job }
  world.jobs.set(id, made)
  world.progressMs = nowMs
  const voMeasure = voOf(measure, vo)
  voMeasure.submitted += 1
  voMeasure.demand.add(work.cores, nowMs)
  wait(world, made)
}

function wait(world: World, { work, job }: SimJob): void {
  const { id, priority, submittedMs, needs } = job
  const waitingJob = { id, priority, submittedMs, ...(needs ? { needs } : {}) }
  world.backlog.add(work.queue, waitingJob)
  world.measure.waiting.add(1, world.time.nowMs())
  world.waitingCores += work.cores
  world.waiting.arrived(work.queue, [waitingJob])
  if (world.freeCores > 0) world.matcher.serveQueue(work.queue)
}

/** What the matcher knows as the store. */
export function claims(world: () => World): Pick<JobStore, 'change'> {
  return {
    async change(events) {
      return events.map((event) => claim(world(), event))
    },
  }
}

function claim(world: World, event: JobEvent): JobOutcome {
  if (event.kind !== 'claim') throw new Error(`assertion failed: the matcher asked for ${event.kind}`)
  const found = world.jobs.get(event.jobId)
  const vm = world.vms.get(event.vmId)
  const mayTakeJobs = vm?.kept.vm.phase.state === 'Active'
  const outcome = apply(world, found, event, mayTakeJobs)
  if (!outcome.ok || !found) return outcome
  world.backlog.remove(found.work.queue, event.jobId)
  world.waitingCores -= found.work.cores
  world.measure.waiting.add(-1, world.time.nowMs())
  return { ...outcome, spec: specOf(found.work) }
}

function apply(world: World, found: SimJob | undefined, event: JobEvent, mayTakeJobs = false): JobOutcome {
  const { outcome, changed } = applyToJob(found?.job, event, { mayTakeJobs }, world.time.nowMs())
  if (found && changed) found.job = changed
  return outcome
}

/** The pilot of a VM, as the matcher sees it. */
export function pilotOf(world: World, vm: SimVm): OpenPilot {
  const { kept } = vm
  const place = placeOf(kept.vm)
  let reserved: Resources = noResources
  return {
    vmId: kept.vm.id,
    place,
    room() {
      const whole = promisedRoom(kept.vm, kept.vm.endByMs - world.time.nowMs())
      return roomLess(whole, plus(kept.used, reserved))
    },
    wants: () => (vm.openCores > 0 ? jobsPerOffer : 0),
    reservedFor: () => undefined,
    reserve(taken) {
      reserved = plus(reserved, taken)
      vm.openCores -= taken.cores
    },
    grant({ jobId }, taken) {
      reserved = minus(reserved, taken)
      start(world, vm, jobId, taken)
    },
    giveBack(taken) {
      reserved = minus(reserved, taken)
      vm.openCores += taken.cores
    },
  }
}

function start(world: World, vm: SimVm, jobId: JobId, taken: Resources): void {
  const { time, measure, jobs } = world
  const job = jobs.get(jobId)
  if (!job) throw new Error(`assertion failed: job ${jobId} is not there`)
  const nowMs = time.nowMs()
  advance(vm, nowMs)
  const { kept } = vm
  kept.used = plus(kept.used, taken)
  kept.leases += 1
  if (!fits(kept.used, kept.vm)) throw new Error(`assertion failed: ${kept.vm.id} has more jobs than it has room for`)
  const { cores } = taken
  job.firstStartMs ??= nowMs
  world.progressMs = nowMs
  const run: Run = { job, startMs: nowMs, cores, taken }
  vm.runs.set(jobId, run)
  world.reactions.used(world, vm, cores)
  measure.running.add(1, nowMs)
  measure.usedCores.add(cores, nowMs)
  voOf(measure, job.work.queue.vo).cores.add(cores, nowMs)
  time.after(job.work.runMs, () => {
    if (vm.runs.get(jobId) === run) finish(world, vm, run)
  })
}

function finish(world: World, vm: SimVm, run: Run): void {
  const { job } = run
  const { id: jobId, attempt } = job.job
  const nowMs = world.time.nowMs()
  const counts = { peakMemoryBytes: 0, cpuMs: 0, stdoutBytes: 0, stderrBytes: 0, droppedBytes: 0 }
  const times = { wallMs: nowMs - run.startMs, startedMs: run.startMs, endedMs: nowMs }
  const result: Result = { end: 'exited', exitCode: 0, signal: '', detail: '', ...counts, ...times }
  const outcome = apply(world, job, { kind: 'ended', jobId, attempt, vmId: vm.kept.vm.id, result })
  if (!outcome.ok) throw new Error(`assertion failed: the end of job ${jobId} was refused: ${outcome.why}`)
  leave(world, vm, run)
  world.progressMs = nowMs
  vm.bill.used += run.cores * (nowMs - run.startMs)
  const vo = voOf(world.measure, job.work.queue.vo)
  vo.used += run.cores * (nowMs - run.startMs)
  vo.done += 1
  over(world, job)
  world.outcomes.changed([outcome]).catch(fail)
  if (vm.pilot) world.matcher.serve(vm.pilot)
}

/** The attempt takes nothing of the VM any more. */
function leave(world: World, vm: SimVm, { job, cores, taken }: Run): void {
  const nowMs = world.time.nowMs()
  advance(vm, nowMs)
  vm.runs.delete(job.job.id)
  vm.kept.used = minus(vm.kept.used, taken)
  vm.kept.leases -= 1
  const { measure } = world
  measure.running.add(-1, nowMs)
  measure.usedCores.add(-cores, nowMs)
  voOf(measure, job.work.queue.vo).cores.add(-cores, nowMs)
  world.reactions.freed(world, vm, cores)
}

/** The machine ended before its jobs. The service notices when their leases end. */
export function loseRuns(world: World, vm: SimVm): void {
  for (const run of [...vm.runs.values()]) {
    vm.bill.wasted['lost work'] += run.cores * (world.time.nowMs() - run.startMs)
    leave(world, vm, run)
    const { id: jobId, attempt } = run.job.job
    world.time.after(leaseMs, () => {
      const outcome = apply(world, run.job, { kind: 'lost', jobId, attempt, why: 'its machine ended' })
      if (!outcome.ok) throw new Error(`assertion failed: the loss of job ${jobId} was refused: ${outcome.why}`)
      world.outcomes.changed([outcome]).catch(fail)
      const vo = voOf(world.measure, run.job.work.queue.vo)
      if (isEnded(run.job.job.phase)) {
        vo.failed += 1
        over(world, run.job)
        return
      }
      vo.restarts += 1
      wait(world, run.job)
    })
  }
}

/** Done or failed: it is measured and forgotten. */
function over(world: World, { job, work, firstStartMs = job.submittedMs }: SimJob): void {
  const { waits, slowdowns, demand } = voOf(world.measure, work.queue.vo)
  demand.add(-work.cores, world.time.nowMs())
  waits.push(firstStartMs - job.submittedMs)
  slowdowns.push(slowdownOf(world.time.nowMs() - job.submittedMs, work.runMs))
  world.jobs.delete(job.id)
}
