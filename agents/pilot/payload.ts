/**
 * One payload: started in its own session, directory and clean environment, watched, stopped, and told about when it is over.
 *
 * Decides how it ended. Refuses to know leases and reports. What stays true: `done` resolves exactly once and never rejects,
 * and by then no process of the payload is left, or the result's detail says how many would not end.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { assert } from '../../core/assert.ts'
import type { End, Result } from '../../core/attempt.ts'
import { sleep, type Clock, type Timer } from '../../core/clock.ts'
import { outputBytes, stopGraceMs } from '../../core/limits.ts'
import type { VmId } from '../../core/ids.ts'
import { bytesText, durationText } from '../../core/requirements.ts'
import { captureTo, type Capture } from './capture.ts'
import type { Fence } from './cgroup.ts'
import { diskUseBytes, makeDirectory } from './directory.ts'
import { payloadEnvironment } from './environment.ts'
import type { Account } from './accounts.ts'
import type { Task } from './held.ts'
import { withoutPayload } from './pilot.ts'
import {
  bootId,
  fairMemoryBytes,
  msPerTick,
  pipesOf,
  readStat,
  type ProcessMark,
  type ProcessStat,
  type Wanted,
} from './processes.ts'
import { endAll, signalAll, type Swept } from './sweep.ts'
import type { Watch } from './watch.ts'

export type PayloadOptions = {
  readonly vmId: VmId
  readonly task: Task
  readonly dir: string
  readonly clock: Clock
  readonly watch: Watch
  readonly fence?: Fence
  /** Absent: it runs as the pilot does. */
  readonly account?: Account
}

export type Payload = {
  /** Absent: nothing was started. */
  readonly mark?: ProcessMark
  readonly startedMs: number
  /** The stop signal now, the kill after the grace; the first reason stays. */
  stop(why: string, graceMs: number): void
  readonly done: Promise<Result>
}

/** Disk use needs a walk: less often than memory, and never more than a small part of the time. */
const diskEveryMs = 500
const diskShare = 20
/** A timer of more than 2^31 ms fires at once; a job may ask for 30 days. */
const timerMs = 24 * 60 * 60 * 1000
/** The kernel gives the last of a pipe at once; longer means that somebody outside the payload holds it. */
const pipesCloseMs = 1000
const killAgainMs = 100
/** A short payload is over before the first scan: its own process is looked at early, which costs one small read. */
const earlyLooksMs = [10, 40, 100]

export function startPayload(options: PayloadOptions): Payload {
  const { task, dir, clock, fence, account } = options
  const startedMs = clock.nowMs()
  let child: ChildProcess
  let failure: Promise<NodeJS.ErrnoException>
  try {
    makeDirectory(dir, account)
    const [file, ...args] = [
      ...(fence?.prefix ?? []),
      ...(account?.prefix ?? []),
      task.spec.executable,
      ...task.spec.arguments,
    ]
    const env = payloadEnvironment(task, dir, options.vmId)
    child = spawn(file ?? '', args, { cwd: join(dir, 'home'), env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    failure = new Promise((resolve) => child.on('error', resolve))
  } catch (error) {
    fence?.remove()
    return { startedMs, stop: () => undefined, done: Promise.resolve(unstarted(error as NodeJS.ErrnoException, startedMs)) }
  }
  if (child.pid === undefined) {
    fence?.remove()
    return { startedMs, stop: () => undefined, done: failure.then((error) => unstarted(error, startedMs)) }
  }
  const mark = { pid: child.pid, startTicks: readStat(child.pid)?.startTicks ?? 0, bootId: bootId() }
  const running = new RunningPayload(options, child, child.pid, startedMs)
  return { mark, startedMs, done: running.done, stop: (why, graceMs) => running.stop(why, graceMs) }
}

class RunningPayload {
  readonly done: Promise<Result>
  readonly #options: PayloadOptions
  readonly #wanted: Wanted
  readonly #captures: readonly [Capture, Capture]
  readonly #startedMs: number
  readonly #fromMs: number
  readonly #timers = new Set<Timer>()
  #cause: { readonly end: End; readonly detail: string } | undefined
  #over = false
  #patientUntilMs = 0
  #peakBytes = 0
  #cpuTicks = 0

  constructor(options: PayloadOptions, child: ChildProcess, leader: number, startedMs: number) {
    const { task, dir, clock, watch, account } = options
    this.#options = options
    this.#startedMs = startedMs
    this.#fromMs = clock.monotonicMs()
    this.#wanted = { leader, dir, pipes: pipesOf(leader), uid: account?.uid, seen: new Map() }
    this.#captures = [captureOf(child.stdout, dir, 'stdout'), captureOf(child.stderr, dir, 'stderr')]
    this.done = new Promise<{ code: number; signal: string }>((resolve) => {
      child.on('exit', (code, signal) => {
        this.#over = true
        for (const timer of this.#timers) timer.cancel()
        resolve({ code: code ?? 0, signal: signal ?? '' })
      })
    }).then(({ code, signal }) => this.#finish(code, signal))

    const { wallMs } = task.spec.requirements
    watch.add(this.#wanted, (processes) => this.#account(processes))
    this.#later(diskEveryMs, () => void this.#watchDisk())
    this.#later(wallMs, () => this.#breakOff('wall-limit', `ran longer than ${durationText(wallMs)}`, stopGraceMs))
    for (const afterMs of earlyLooksMs) {
      this.#later(afterMs, () => {
        const stat = readStat(leader)
        if (stat) this.#account([stat])
      })
    }
  }

  stop(why: string, graceMs: number): void {
    this.#breakOff('stopped', why, graceMs)
  }

  #later(delayMs: number, run: () => void): void {
    const timer = this.#options.clock.after(Math.min(delayMs, timerMs), () => {
      this.#timers.delete(timer)
      if (this.#over) return
      if (delayMs > timerMs) this.#later(delayMs - timerMs, run)
      else run()
    })
    this.#timers.add(timer)
  }

  #breakOff(end: End, detail: string, graceMs: number): void {
    if (this.#cause || this.#over) return
    this.#cause = { end, detail }
    if (graceMs === 0) {
      this.#kill()
      return
    }
    this.#patientUntilMs = this.#options.clock.monotonicMs() + graceMs
    void this.#signal('SIGTERM')
    this.#later(graceMs, () => this.#kill())
  }

  /** Again and again until the leader is over: a payload may start others faster than one scan finds them. */
  #kill(): void {
    this.#options.fence?.kill()
    signalAll(this.#wanted, [], 'SIGKILL', true)
    void this.#signal('SIGKILL')
    this.#later(killAgainMs, () => this.#kill())
  }

  async #signal(signal: NodeJS.Signals): Promise<void> {
    const processes = await this.#options.watch.look(this.#wanted)
    // What the leader left behind is `endAll`'s, once the leader is over.
    if (!this.#over) signalAll(this.#wanted, processes, signal, true)
  }

  #account(processes: readonly ProcessStat[]): void {
    const { memoryBytes } = this.#options.task.spec.requirements
    const ticks = processes.reduce((total, one) => total + one.cpuTicks, 0)
    this.#cpuTicks = Math.max(this.#cpuTicks, ticks)
    let usedBytes = processes.reduce((total, one) => total + one.rssBytes, 0)
    if (usedBytes > memoryBytes) {
      // Pages that its processes share were counted for each: asked exactly before anything is killed for it.
      usedBytes = processes.reduce((total, one) => total + (fairMemoryBytes(one.pid) ?? one.rssBytes), 0)
    }
    this.#peakBytes = Math.max(this.#peakBytes, usedBytes)
    if (usedBytes <= memoryBytes) return
    this.#breakOff('memory-limit', `used ${bytesText(usedBytes)} of ${bytesText(memoryBytes)}`, 0)
  }

  async #watchDisk(): Promise<void> {
    const { clock, dir, task } = this.#options
    const { diskBytes } = task.spec.requirements
    const beganMs = clock.monotonicMs()
    const usedBytes = await diskUseBytes(dir, diskBytes)
    if (usedBytes > diskBytes) this.#breakOff('disk-limit', `used more than ${bytesText(diskBytes)}`, 0)
    const tookMs = clock.monotonicMs() - beganMs
    this.#later(Math.max(diskEveryMs, tookMs * diskShare), () => void this.#watchDisk())
  }

  async #finish(code: number, signal: string): Promise<Result> {
    const { clock, watch, fence, task } = this.#options
    const wallMs = Math.round(clock.monotonicMs() - this.#fromMs)
    const endedMs = clock.nowMs()
    const [spentMs, swept] = await Promise.all([
      watch.spentMs(wallMs),
      endAll(clock, watch, this.#wanted, this.#patientUntilMs),
    ])
    watch.remove(this.#wanted)
    const [out, err] = this.#captures
    await Promise.race([Promise.all([out.over, err.over]), sleep(clock, pipesCloseMs)])
    const [stdout, stderr] = [out.end(), err.end()]
    const fenced = fence?.remove()
    const tooMuch = `used more than ${bytesText(task.spec.requirements.memoryBytes)}`
    const cause = this.#cause ?? (fenced?.outOfMemory ? { end: 'memory-limit' as const, detail: tooMuch } : undefined)
    return {
      end: cause?.end ?? (signal === '' ? 'exited' : 'signalled'),
      exitCode: code,
      signal,
      detail: detailOf(cause?.detail, swept),
      peakMemoryBytes: Math.max(this.#peakBytes, fenced?.peakMemoryBytes ?? 0),
      cpuMs: Math.max(spentMs, this.#cpuTicks * msPerTick, fenced?.cpuMs ?? 0),
      wallMs,
      startedMs: this.#startedMs,
      endedMs,
      stdoutBytes: stdout.keptBytes,
      stderrBytes: stderr.keptBytes,
      droppedBytes: stdout.droppedBytes + stderr.droppedBytes,
    }
  }
}

function captureOf(stream: ChildProcess['stdout'], dir: string, name: 'stdout' | 'stderr'): Capture {
  assert(stream !== null, 'a payload writes to pipes')
  return captureTo(join(dir, name), stream, outputBytes)
}

function detailOf(cause: string | undefined, { ended, left }: Swept): string {
  const wouldNot = left === 0 ? [] : [`${left} of its processes would not end`]
  if (cause !== undefined) return [cause, ...wouldNot].join('; ')
  const behind = ended === 0 ? [] : [`left ${ended} processes behind, which were ended`]
  return [...behind, ...wouldNot].join('; ')
}

/** As a shell has it: an executable that is not there is an exit of 127, one that cannot be run 126. */
function unstarted(error: NodeJS.ErrnoException, startedMs: number): Result {
  const exit = { ...withoutPayload('not-started', error.message), end: 'exited', startedMs, endedMs: startedMs } as const
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return { ...exit, exitCode: 127, detail: 'no such executable' }
    case 'EACCES':
    case 'ENOEXEC':
      return { ...exit, exitCode: 126, detail: 'not executable' }
    default:
      return withoutPayload('not-started', error.message)
  }
}
