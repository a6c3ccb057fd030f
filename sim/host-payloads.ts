/** The payloads on one machine. They go on when their pilot dies, stand still when the machine hangs, and die with it. */

import { limitsOf } from '../agents/pilot/limits.ts'
import type { Resources } from '../core/model/resources.ts'
import { verdict, type Result } from '../core/model/attempt.ts'
import { attemptText } from '../core/model/facts.ts'
import type { AttemptRef, VmId } from '../core/kernel/ids.ts'
import type { Task } from '../agents/pilot/held.ts'
import type { Ground } from './ground.ts'
import { planOf, resultOf } from './payload.ts'
import type { Running } from './payloads.ts'
import type { SimProcess } from './process.ts'

export type Payloads = {
  /**
   * `onEnd` is called once, unless the machine dies first. `inControl`: the pilot did not stall recently. False: no account
   * is free for it, and it is not started.
   */
  start(task: Task, inControl: boolean, onEnd: (result: Result) => void): boolean
  /** Its account is free again, or retired where something of it cannot be removed. */
  remove(ref: AttemptRef): void
  /** The attempts that have an account. */
  taken(): Iterable<string>
  /** Since when there are fewer accounts than cores; undefined: there are enough. */
  retiredSinceMs(): number | undefined
  stop(ref: AttemptRef, why: string, graceMs: number): void
  /** Ends what a former life of the pilot has left. No pilot is notified. */
  endAll(): void
  /** How many were ever started. */
  started(): number
}

type One = {
  readonly cores: number
  readonly gpus: number
  readonly isWhole: boolean
  readonly stop: (why: string, graceMs: number) => void
  readonly drop: () => void
}

export type HostPayloadOptions = {
  readonly vmId: VmId
  readonly size: Resources
  readonly ground: Ground
  readonly newProcess: () => SimProcess
  readonly isRunning: () => boolean
  /** Nothing that a payload leaves can be removed. */
  readonly keepsAll: boolean
  readonly isDiskFull: () => boolean
}

/** As many as the machine's real pilot is given: an end that is not acknowledged yet keeps its own. */
const accountsPerCore = 2

export function simPayloads(options: HostPayloadOptions): Payloads {
  const { vmId, ground, newProcess, isRunning, isDiskFull } = options
  const { payloads: ledger, trace, dice } = ground
  const accounts = openAccounts(options)
  const machine = newProcess()
  const running = new Map<string, One>()
  let begun = 0

  function start(task: Task, inControl: boolean, onEnd: (result: Result) => void): boolean {
    const { jobId, attempt, spec } = task
    const key = attemptText(task)
    const plan = planOf(spec.arguments)
    const startedMs = machine.clock.nowMs()
    if (!accounts.take(key)) return false
    let isOver = false
    let isStopping = false
    const entry: Running = { jobId, attempt, vmId, isThere: () => !isOver && isRunning(), isExcused: !inControl }
    begun += 1
    ledger.started(entry)
    trace.note({ jobId, vmId }, `payload ${key} starts`)
    auditUse(options, task, running)

    const end = (how: Result['end'], detail: string): void => {
      if (isOver) return
      isOver = true
      running.delete(key)
      ledger.over(entry)
      const said =
        detail === '' && plan.stdoutBytes > 0 && isDiskFull() ? 'its output is in memory: the disk is full' : detail
      const result = resultOf(how, plan, said, startedMs, machine.clock.nowMs())
      trace.note({ jobId, vmId }, `payload ${key} is over: ${how}, ${verdict(result).kind}`)
      onEnd(result)
    }
    const { wallMs } = limitsOf(task)
    const isLong = plan.runsMs > wallMs
    machine.deliver(Math.min(plan.runsMs, wallMs), () => {
      if (!isStopping || !plan.isStubborn) end(isLong ? 'wall-limit' : 'exited', '')
    })
    running.set(key, {
      cores: task.cores,
      gpus: task.gpus ?? 0,
      isWhole: isWholeNode(task),
      stop(why, graceMs) {
        if (isStopping) return
        isStopping = true
        machine.deliver(plan.isStubborn ? graceMs : dice.between(0, graceMs / 4), () => end('stopped', why))
      },
      drop() {
        isOver = true
        ledger.over(entry)
        trace.note({ jobId, vmId }, `payload ${key} is ended with what its pilot left behind`)
      },
    })
    return true
  }

  return {
    start,
    stop: (ref, why, graceMs) => running.get(attemptText(ref))?.stop(why, graceMs),
    remove: (ref) => accounts.release(attemptText(ref)),
    taken: accounts.taken,
    retiredSinceMs: accounts.retiredSinceMs,
    started: () => begun,
    endAll() {
      for (const one of running.values()) one.drop()
      running.clear()
      accounts.renew()
    },
  }
}

type Accounts = Pick<Payloads, 'taken' | 'retiredSinceMs'> & {
  take(key: string): boolean
  release(key: string): void
  /** Another pilot finds all of them free. */
  renew(): void
}

/** With one task more: no core and no GPU is used twice, and nothing runs beside what has the whole node. */
function auditUse({ size, ground, vmId }: HostPayloadOptions, task: Task, running: ReadonlyMap<string, One>): void {
  const { violations } = ground
  const { jobId } = task
  const { cores, gpus = 0 } = size
  const others = [...running.values()]
  const taken = others.reduce((sum, one) => sum + one.cores, task.cores)
  violations.check(taken <= cores, 'limits', { jobId, vmId }, () => `${taken} cores are in use of ${cores}`)
  const takenGpus = others.reduce((sum, one) => sum + one.gpus, task.gpus ?? 0)
  violations.check(takenGpus <= gpus, 'limits', { jobId, vmId }, () => `${takenGpus} GPUs are in use of ${gpus}`)
  const isShared = others.length > 0 && (isWholeNode(task) || others.some((one) => one.isWhole))
  violations.check(!isShared, 'limits', { jobId, vmId }, () => 'something runs beside a job that has the whole node')
}

function isWholeNode({ spec }: Task): boolean {
  return spec.requirements.wholeNode === true
}

/** As agents/pilot/isolation/accounts.ts has them. */
function openAccounts({ size: { cores }, keepsAll, ground }: HostPayloadOptions): Accounts {
  const { dice, weather, timeline } = ground
  const taken = new Set<string>()
  let retired = 0
  let sinceMs: number | undefined
  return {
    take(key) {
      if (taken.size + retired >= accountsPerCore * cores) return false
      taken.add(key)
      return true
    },
    release(key) {
      if (!taken.delete(key)) return
      if (!keepsAll && !dice.chance(weather.keptPayloadRate)) return
      retired += 1
      if (accountsPerCore * cores - retired < cores) sinceMs ??= timeline.nowMs()
    },
    taken: () => taken,
    retiredSinceMs: () => sinceMs,
    renew() {
      taken.clear()
      retired = 0
      sinceMs = undefined
    },
  }
}
