/**
 * One payload: started in its own session, directory and clean environment, watched, stopped, and reported when it is over.
 *
 * Decides how it ended. Refuses to know leases and reports. What stays true: `done` resolves exactly once and never rejects,
 * and by then no process of the payload is left, or the result's detail says how many would not end.
 */

import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert } from '../../core/kernel/assert.ts'
import type { End, Result } from '../../core/model/attempt.ts'
import { sleep, type Clock, type Timer } from '../../core/kernel/clock.ts'
import { outputBytes, payloadEntries, stopGraceMs } from '../../core/kernel/limits.ts'
import type { OutputName } from '../../core/model/live-output.ts'
import { bytesText, durationText } from '../../core/kernel/quantities.ts'
import { limitsOf } from './limits.ts'
import { captureTo, type Capture, type Captured, nothingWritten, type Written } from './capture.ts'
import { nothingUnwritten, type Unwritten } from './output.ts'
import type { LaunchStatus } from './isolation/launcher.ts'
import type { Use } from './isolation/measure.ts'
import { memoryOf, sharesOf } from './memory.ts'
import { endOf, launch, type LaunchOptions, noExecText, statusOf } from './launch.ts'
import { withoutPayload } from './pilot.ts'
import {
  bootId,
  childOf,
  msPerTick,
  pipesOf,
  readStat,
  type ProcessMark,
  type ProcessStat,
  type Wanted,
} from './processes.ts'
import { endAll, signalAll, type Swept } from './sweep.ts'
import type { Watch } from './watch.ts'

export type PayloadOptions = LaunchOptions & {
  readonly clock: Clock
  readonly watch: Watch
}

export type Payload = {
  /** Absent: nothing was started. */
  readonly mark?: ProcessMark
  readonly startedMs: number
  /** The stop signal now, the kill after the grace; the first reason stays. */
  stop(why: string, graceMs: number): void
  readonly done: Promise<Result>
  /** What it has written so far, from the offset on. */
  written(name: OutputName, offset: number): Written
  /** After its end: what comes after the content of its two files, where the disk took no more. */
  unwritten(): Unwritten
}

/** A measurement needs a walk: less often than memory, and never more than a small part of the time. */
const measureEveryMs = 500
const measureShare = 20
/** The exact count of memory is dear: the kernel walks all pages of each process. */
const weighShare = 5
/** A folder that is closed to its own owner for this many measurements in a row hides what is in it for good. */
const maxClosedMeasures = 20
/** A payload may end or stop what measures it under its account; no other payload fails so often in a row. */
const maxFailedMeasures = 3
/** A timer of more than 2^31 ms fires at once; a job may ask for 30 days. */
const timerMs = 24 * 60 * 60 * 1000
/** The kernel gives the last of a pipe at once; a longer wait means that a process outside the payload holds it. */
const pipesCloseMs = 1000
/** The steps before a payload take some 100 ms; on an emulated machine, seconds. */
const setupMs = 60_000
const killAgainMs = 100
/** A short payload is over before the first scan: its own process is looked at early, which costs one small read. */
const earlyLooksMs = [10, 40, 100]
const saidLength = 300

export function startPayload(options: PayloadOptions): Payload {
  const { clock, fence } = options
  const startedMs = clock.nowMs()
  let child: ChildProcess
  let failure: Promise<NodeJS.ErrnoException>
  try {
    child = launch(options)
    failure = new Promise((resolve) => child.on('error', resolve))
  } catch (error) {
    fence?.remove()
    return notRunning(startedMs, Promise.resolve(unstarted(error as NodeJS.ErrnoException, startedMs)))
  }
  if (child.pid === undefined) {
    fence?.remove()
    return notRunning(
      startedMs,
      failure.then((error) => unstarted(error, startedMs)),
    )
  }
  const mark = { pid: child.pid, startTicks: readStat(child.pid)?.startTicks ?? 0, bootId: bootId() }
  const running = new RunningPayload(options, child, child.pid, startedMs)
  const { done } = running
  return {
    mark,
    startedMs,
    done,
    stop: (why, graceMs) => running.stop(why, graceMs),
    written: (name, offset) => running.written(name, offset),
    unwritten: () => running.unwritten,
  }
}

function notRunning(startedMs: number, done: Promise<Result>): Payload {
  return { startedMs, done, stop: () => undefined, written: () => nothingWritten, unwritten: () => nothingUnwritten }
}

class RunningPayload {
  readonly done: Promise<Result>
  unwritten = nothingUnwritten
  readonly #options: PayloadOptions
  readonly #wanted: Wanted
  readonly #captures: readonly [Capture, Capture]
  readonly #startedMs: number
  #fromMs: number
  #hasBegun = false
  readonly #timers = new Set<Timer>()
  #cause: { readonly end: End; readonly detail: string } | undefined
  #over = false
  #patientUntilMs = 0
  #peakBytes = 0
  #cpuTicks = 0
  #pids: readonly number[] = []
  #unmappedBytes = 0
  #weighAtMs = 0
  #endedWeighs = 0
  #closedMeasures = 0
  #failedMeasures = 0

  constructor(options: PayloadOptions, child: ChildProcess, leader: number, startedMs: number) {
    const { dir, clock, watch, confinement } = options
    this.#options = options
    this.#startedMs = startedMs
    this.#fromMs = clock.monotonicMs()
    const hasInit = confinement.mode === 'init'
    this.#wanted = { leader, hasInit, dir, pipes: pipesOf(leader), uid: confinement.account, seen: new Map() }
    const status = statusOf(child, clock, () => this.#begin())
    this.#captures = [captureOf(child.stdout, dir, 'stdout'), captureOf(child.stderr, dir, 'stderr')]
    this.done = new Promise<{ code: number; signal: string }>((resolve) => {
      child.on('exit', (code, signal) => {
        this.#over = true
        for (const timer of this.#timers) timer.cancel()
        resolve({ code: code ?? 0, signal: signal ?? '' })
      })
    }).then(async ({ code, signal }) => this.#finish(code, signal, await status))

    watch.add(this.#wanted, (processes) => this.#account(processes))
    this.#later(measureEveryMs, () => void this.#measure())
    if (confinement.mode === 'direct') this.#begin()
    else this.#later(setupMs, () => this.#setupLate())
    for (const afterMs of earlyLooksMs) {
      this.#later(afterMs, () => {
        const first = hasInit ? childOf(childOf(leader)) : leader
        const stat = first === undefined ? undefined : readStat(first)
        if (stat) this.#account([stat])
      })
    }
  }

  /** The steps before it are done: its own time counts from here. */
  #begin(): void {
    const { clock, task } = this.#options
    const { wallMs } = limitsOf(task)
    if (this.#over) return
    this.#hasBegun = true
    this.#fromMs = clock.monotonicMs()
    this.#later(wallMs, () => this.#breakOff('wall-limit', `ran longer than ${durationText(wallMs)}`, stopGraceMs))
  }

  #setupLate(): void {
    if (!this.#hasBegun) this.#breakOff('not-started', `isolation took longer than ${durationText(setupMs)}`, 0)
  }

  stop(why: string, graceMs: number): void {
    this.#breakOff('stopped', why, graceMs)
  }

  /** Until it has begun, what stands there is of the steps before it, and for the operator. */
  written(name: OutputName, offset: number): Written {
    const [stdout, stderr] = this.#captures
    return this.#hasBegun ? (name === 'stdout' ? stdout : stderr).read(offset) : nothingWritten
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
    const { memoryBytes } = limitsOf(this.#options.task)
    const own = processes.filter((one) => !isStep(one, this.#wanted))
    this.#pids = own.map(({ pid }) => pid)
    const ticks = processes.reduce((total, one) => total + one.cpuTicks, 0)
    this.#cpuTicks = Math.max(this.#cpuTicks, ticks)
    // Pages that its processes share are counted for each: too much, so the exact count is asked for.
    const residentBytes = own.reduce((total, one) => total + one.rssBytes, 0) + this.#unmappedBytes
    if (residentBytes <= memoryBytes) this.#peakBytes = Math.max(this.#peakBytes, residentBytes)
    // A cgroup knows it exactly, and acts by itself.
    else if (!this.#options.fence) void this.#weigh(own)
  }

  /** Decides by what is true now: where files in memory are a part of it, they are measured again. Never rejects. */
  async #weigh(processes: readonly ProcessStat[]): Promise<void> {
    const { clock, confinement } = this.#options
    const { memoryBytes } = limitsOf(this.#options.task)
    const beganMs = clock.monotonicMs()
    if (beganMs < this.#weighAtMs) return
    this.#weighAtMs = Infinity
    if (this.#unmappedBytes > 0) this.#unmappedBytes = (await this.#use())?.memoryBytes ?? 0
    const shares = await sharesOf(
      processes.map(({ pid }) => pid),
      confinement.account,
    )
    this.#endedWeighs = shares.isEnded ? this.#endedWeighs + 1 : 0
    const usedBytes = memoryOf(processes, shares.of, this.#unmappedBytes)
    this.#peakBytes = Math.max(this.#peakBytes, usedBytes)
    const endedMs = clock.monotonicMs()
    this.#weighAtMs = endedMs + (endedMs - beganMs) * weighShare
    if (this.#endedWeighs >= maxFailedMeasures) {
      const why = 'its use of memory cannot be measured: what measures it under its account is ended'
      this.#breakOff('memory-limit', why, 0)
    }
    if (usedBytes <= memoryBytes) return
    this.#breakOff('memory-limit', `used ${bytesText(usedBytes)} of ${bytesText(memoryBytes)}`, 0)
  }

  #use(): Promise<Use | undefined> {
    const { confinement, task } = this.#options
    const limits = { diskBytes: task.spec.requirements.diskBytes, entries: payloadEntries }
    return confinement.measure(this.#pids, limits).catch(() => undefined)
  }

  async #measure(): Promise<void> {
    const { clock, task } = this.#options
    const beganMs = clock.monotonicMs()
    const use = await this.#use()
    this.#failedMeasures = use ? 0 : this.#failedMeasures + 1
    if (use) this.#judge(use, task.spec.requirements.diskBytes)
    else if (this.#failedMeasures >= maxFailedMeasures) {
      this.#breakOff('disk-limit', 'its use of disk cannot be measured: what measures it under its account is ended', 0)
    }
    // One that failed found nothing out: it is tried again soon, however long it took.
    const tookMs = use ? clock.monotonicMs() - beganMs : 0
    this.#later(Math.max(measureEveryMs, tookMs * measureShare), () => void this.#measure())
  }

  #judge(use: Use, diskBytes: number): void {
    // A cgroup counts files in memory itself.
    this.#unmappedBytes = this.#options.fence ? 0 : use.memoryBytes
    this.#closedMeasures = use.isClosed ? this.#closedMeasures + 1 : 0
    if (use.diskBytes > diskBytes) this.#breakOff('disk-limit', `used more than ${bytesText(diskBytes)}`, 0)
    if (use.entries > payloadEntries) this.#breakOff('disk-limit', `made more than ${payloadEntries} files and folders`, 0)
    if (this.#closedMeasures > maxClosedMeasures) {
      this.#breakOff('disk-limit', 'keeps a folder closed to its own account, so its use of disk cannot be measured', 0)
    }
  }

  async #finish(code: number, signal: string, status: LaunchStatus | undefined): Promise<Result> {
    const { clock, watch, fence, task, confinement } = this.#options
    const wallMs = Math.round(clock.monotonicMs() - this.#fromMs)
    const endedMs = clock.nowMs()
    const [spentMs, swept] = await Promise.all([
      watch.spentMs(wallMs),
      endAll(clock, watch, this.#wanted, this.#patientUntilMs, () => {
        fence?.kill()
        return confinement.end()
      }),
    ])
    watch.remove(this.#wanted)
    const [out, err] = this.#captures
    await Promise.race([Promise.all([out.over, err.over]), sleep(clock, pipesCloseMs)])
    const [stdout, stderr] = [out.end(), err.end()]
    this.unwritten = { stdout: stdout.unwritten, stderr: stderr.unwritten }
    const fenced = fence?.remove()
    const tooMuch = `used more than ${bytesText(limitsOf(task).memoryBytes)}`
    const cause = this.#cause ?? (fenced?.outOfMemory ? { end: 'memory-limit' as const, detail: tooMuch } : undefined)
    const ended = endOf({ code, signal }, status)
    if (!cause && ended === undefined) return this.#unreached()
    return {
      end: cause?.end ?? (ended?.signal ? 'signalled' : 'exited'),
      exitCode: ended?.code ?? 0,
      signal: ended ? ended.signal : signal,
      detail: [detailOf(cause?.detail ?? noExecText(status), swept), diskText(stdout, stderr)].filter(Boolean).join('; '),
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

  /** A step before the payload failed. What that step said is for the operator, and is no output of the payload. */
  #unreached(): Result {
    const written = attempt(() => readFileSync(join(this.#options.dir, 'stderr'), 'utf8')) ?? ''
    const said = `${written}${this.unwritten.stderr}`.trim()
    return withoutPayload('not-started', `isolation failed: ${said.slice(0, saidLength) || 'the step said nothing'}`)
  }
}

/** One of ours that stands before the payload: the first process, and the init of its namespace. */
function isStep({ pid, ppid }: ProcessStat, { leader, hasInit }: Wanted): boolean {
  return hasInit === true && (pid === leader || ppid === leader)
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

function diskText(...streams: readonly Captured[]): string {
  const failed = streams.filter(({ failure }) => failure !== '')
  const bytes = failed.reduce((total, { unwritten }) => total + unwritten.length, 0)
  if (bytes === 0) return ''
  return `the disk of the VM could not be written (${failed[0]?.failure}): ${bytesText(bytes)} of its output were kept in memory`
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

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
