/** The payloads on one machine. They go on when their pilot dies, stand still when the machine hangs, and die with it. */

import { verdict, type Result } from '../core/model/attempt.ts'
import { attemptText } from '../core/model/facts.ts'
import type { AttemptRef, VmId } from '../core/kernel/ids.ts'
import type { Task } from '../agents/pilot/held.ts'
import type { Ground } from './ground.ts'
import { planOf, resultOf } from './payload.ts'
import type { Running } from './payloads.ts'
import type { SimProcess } from './process.ts'

export type Payloads = {
  /** `onEnd` is called once, unless the machine dies first. `inControl`: the pilot did not stall recently. */
  start(task: Task, inControl: boolean, onEnd: (result: Result) => void): void
  stop(ref: AttemptRef, why: string, graceMs: number): void
  /** Ends what a former life of the pilot has left. No pilot is notified. */
  endAll(): void
  /** How many were ever started. */
  started(): number
}

type One = { readonly cores: number; readonly stop: (why: string, graceMs: number) => void; readonly drop: () => void }

export type HostPayloadOptions = {
  readonly vmId: VmId
  readonly cores: number
  readonly ground: Ground
  readonly newProcess: () => SimProcess
  readonly isRunning: () => boolean
}

export function simPayloads({ vmId, cores, ground, newProcess, isRunning }: HostPayloadOptions): Payloads {
  const { payloads: ledger, trace, dice, violations } = ground
  const machine = newProcess()
  const running = new Map<string, One>()
  let begun = 0

  function start(task: Task, inControl: boolean, onEnd: (result: Result) => void): void {
    const { jobId, attempt, spec } = task
    const key = attemptText(task)
    const plan = planOf(spec.arguments)
    const startedMs = machine.clock.nowMs()
    let isOver = false
    let isStopping = false
    const entry: Running = { jobId, attempt, vmId, isThere: () => !isOver && isRunning(), isExcused: !inControl }
    begun += 1
    ledger.started(entry)
    trace.note({ jobId, vmId }, `payload ${key} starts`)
    const taken = [...running.values()].reduce((sum, one) => sum + one.cores, task.cores)
    violations.check(taken <= cores, 'limits', { jobId, vmId }, () => `${taken} cores are in use of ${cores}`)

    const end = (how: Result['end'], detail: string): void => {
      if (isOver) return
      isOver = true
      running.delete(key)
      ledger.over(entry)
      const result = resultOf(how, plan, detail, startedMs, machine.clock.nowMs())
      trace.note({ jobId, vmId }, `payload ${key} is over: ${how}, ${verdict(result).kind}`)
      onEnd(result)
    }
    const isLong = plan.runsMs > spec.requirements.wallMs
    machine.deliver(Math.min(plan.runsMs, spec.requirements.wallMs), () => {
      if (!isStopping || !plan.isStubborn) end(isLong ? 'wall-limit' : 'exited', '')
    })
    running.set(key, {
      cores: task.cores,
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
  }

  return {
    start,
    stop: (ref, why, graceMs) => running.get(attemptText(ref))?.stop(why, graceMs),
    started: () => begun,
    endAll() {
      for (const one of running.values()) one.drop()
      running.clear()
    },
  }
}
