/**
 * The pilot at work: it feeds what happens to the pure machine of pilot.ts and does what that says.
 *
 * Owns the stream, the payloads and the journal; decides nothing that pilot.ts decides. What stays true: events are taken
 * one at a time in the order in which they came; everything of a moment goes up in one message, and ends only after the
 * journal has them on disk.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { never } from '../../core/kernel/assert.ts'
import { type Clock, type Timer, until } from '../../core/kernel/clock.ts'
import { type AgentConfig, type PilotStatus, pilotStatusEveryMs } from '../../core/model/agent-config.ts'
import type { AttemptRef } from '../../core/kernel/ids.ts'
import { jobsPerOffer, leaseMarginMs } from '../../core/kernel/limits.ts'
import type { Random } from '../../core/kernel/random.ts'
import type { AgentPaths } from '../kit/config.ts'
import type { Say } from '../kit/console.ts'
import { writeWhole } from '../kit/files.ts'
import { type ServiceClock, serviceClock } from '../kit/service-clock.ts'
import { type Cgroups, fenceIn } from './cgroup.ts'
import { openTheWay } from './directory.ts'
import { type Gpus, openGpus } from './gpus.ts'
import { keyOf, type Task } from './held.ts'
import { limitsOf } from './limits.ts'
import { type Journal, openJournal } from './journal.ts'
import { endLeftovers, recover, removeFiles } from './leftovers.ts'
import type { Confinement, Isolation } from './isolation/isolation.ts'
import { type LiveOutputs, openLiveOutputs } from './live-outputs.ts'
import { keepOutputs, nothingUnwritten } from './output.ts'
import { type PayloadFiles, payloadFiles } from './payload-files.ts'
import { type Payload, startPayload } from './payload.ts'
import { withoutPayload, type PilotEvent, type PilotStart, startPilot, statusOf, step } from './pilot.ts'
import type { PilotEffect, PilotState } from './state.ts'
import type { Resources } from '../../core/model/resources.ts'
import type { FoundTraits } from '../../core/model/traits.ts'
import { type Contact, keepContact } from './contact.ts'
import { startWatch, type Watch } from './watch.ts'
import { eventsOf, messageOf } from './wire.ts'

export type AgentOptions = {
  readonly config: AgentConfig
  readonly paths: AgentPaths
  /** What it has for payloads. Called once nothing of a former life is on the disk any more. */
  readonly measure: () => Resources
  /** What the VM is beside its size. Called right after. */
  readonly findTraits: () => FoundTraits
  readonly cgroups: Cgroups
  readonly isolation: Isolation
  readonly clock: Clock
  readonly random: Random
  readonly pid: number
  readonly say: Say
  /** A bug or a dead disk: the pilot cannot keep its promises any more. */
  readonly onFatal: (error: unknown) => void
}

/** Leases and renewals are counted in tens of seconds; the tests' shortest in single ones. */
const tickMs = 250
/** Changes of what the monitor reads are written this soon. */
const statusSoonMs = 100

/** Resolves when what a former life has left is dealt with and the first try to get in contact is on its way. */
export async function startAgent(options: AgentOptions): Promise<PilotAgent> {
  const { paths, measure, clock, pid, say, isolation } = options
  const workDir = workDirectory(paths)
  const journal = await openJournal(join(paths.work, 'pilot.journal'))
  const watch = startWatch(clock, pid)
  const { left, brokenLines } = journal.replayed
  const swept = await endLeftovers(left, workDir, clock, watch)
  await isolation.endLeftovers()
  const kept = await removeFiles(workDir, left, isolation.removeDirectory)
  if (kept.length > 0) say(`${kept.length} directories of a former life could not be removed`)
  const counts = `${left.length} attempts, ${swept.ended} processes ended, ${swept.left} would not end`
  if (left.length > 0 || brokenLines > 0) say(`found of a former life: ${counts}, ${brokenLines} broken lines`)
  const size = measure()
  const start = { size, leaseMarginMs, maxJobs: jobsPerOffer, ...recover(journal.replayed) }
  return new PilotAgent({ ...options, found: options.findTraits() }, start, workDir, journal, watch)
}

/** Makes it where it is not there. Payloads that are not the pilot's own account pass through it, and list nothing. */
export function workDirectory(paths: AgentPaths): string {
  const workDir = join(paths.work, 'work')
  mkdirSync(workDir, { recursive: true, mode: 0o700 })
  for (const folder of [paths.work, workDir]) openTheWay(folder)
  return workDir
}

/** Measured before the first of it. */
type WorkOptions = Omit<AgentOptions, 'measure' | 'findTraits'> & { readonly found: FoundTraits }

export class PilotAgent {
  readonly #options: WorkOptions
  readonly #workDir: string
  readonly #journal: Journal
  readonly #watch: Watch
  readonly #contact: Contact
  readonly #liveOutputs: LiveOutputs
  readonly #payloads = new Map<string, Payload>()
  readonly #confinements = new Map<string, Confinement>()
  readonly #files: PayloadFiles
  readonly #timers = new Map<'tick' | 'flush' | 'status', Timer>()
  readonly #closing = new AbortController()
  readonly #waiting: PilotEvent[] = []
  readonly #serviceTime: ServiceClock
  /** Undefined: there are none. */
  readonly #gpus: Gpus | undefined
  #state: PilotState
  #working = false
  #recordedReportId = 0
  #durableReportId = 0
  #writtenStatus = ''

  constructor(options: WorkOptions, start: PilotStart, workDir: string, journal: Journal, watch: Watch) {
    this.#options = options
    this.#workDir = workDir
    this.#journal = journal
    this.#watch = watch
    const { config, paths, clock, random, say } = options
    this.#serviceTime = serviceClock(clock)
    const first = startPilot(start, clock.monotonicMs())
    this.#state = first.state
    this.#gpus = start.size.gpus ? openGpus(start.size.gpus) : undefined
    this.#contact = keepContact({
      config,
      paths,
      clock,
      random,
      say,
      onUp: () => this.#take({ kind: 'linked' }),
      onMessage: (message) => {
        if (message.welcome) this.#serviceTime.hear(message.welcome.serviceTimeMs, clock.monotonicMs())
        this.#take(...eventsOf(message))
        for (const command of message.commands) if (command.kind === 'peek') this.#liveOutputs.send(command)
      },
      onDown: () => this.#take({ kind: 'unlinked' }),
    })
    this.#liveOutputs = openLiveOutputs({
      clock,
      uplink: () => this.#contact.uplink(),
      payload: (output) => this.#payloads.get(keyOf(output)),
      signal: this.#closing.signal,
    })
    this.#files = payloadFiles({ clock, random, uplink: () => this.#contact.uplink(), closing: this.#closing.signal })
    for (const effect of first.effects) this.#act(effect)
    this.#writeStatus()
    this.#tick()
  }

  /** Takes nothing more, stops all payloads, and waits until their ends are acknowledged or `withinMs` have passed. */
  async close(why: string, withinMs: number): Promise<void> {
    this.#take({ kind: 'close', why })
    await until(this.#options.clock, () => this.#state.held.size === 0, { withinMs })
    this.#closing.abort()
    for (const timer of this.#timers.values()) timer.cancel()
    this.#contact.close()
    await this.#journal.close()
  }

  #take(...events: readonly PilotEvent[]): void {
    if (this.#closing.signal.aborted) return
    this.#waiting.push(...events)
    // An effect may bring the next event at once: it waits its turn.
    if (this.#working) return
    this.#working = true
    try {
      for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) {
        const { state, effects } = step(this.#state, event, this.#options.clock.monotonicMs())
        this.#state = state
        for (const effect of effects) this.#act(effect)
        if (event.kind !== 'flush') this.#flushSoon()
      }
      this.#writeStatusSoon()
    } catch (error) {
      this.#options.onFatal(error)
    } finally {
      this.#working = false
    }
  }

  #act(effect: PilotEffect): void {
    switch (effect.kind) {
      case 'take':
        this.#journal.append({
          ...refOf(effect),
          kind: 'taken',
          size: effect.size,
          hasOutputFiles: effect.hasOutputFiles || undefined,
        })
        break
      case 'start':
        this.#start(effect.task)
        break
      case 'stop':
        this.#files.stop(keyOf(effect), effect.why)
        this.#payloads.get(keyOf(effect))?.stop(effect.why, effect.graceMs)
        break
      case 'record': {
        const { reportId, result } = effect
        this.#recordedReportId = Math.max(this.#recordedReportId, reportId)
        this.#journal.append({ ...refOf(effect), kind: 'ended', reportId, result })
        break
      }
      case 'keep':
        this.#keep(refOf(effect), effect.owesFiles).catch(this.#options.onFatal)
        break
      case 'forget':
        this.#journal.append({ ...refOf(effect), kind: 'forgotten' })
        this.#payloads.delete(keyOf(effect))
        this.#remove(refOf(effect)).catch((error: unknown) => {
          this.#options.say(`cannot remove the directory of ${keyOf(effect)}: ${error}`)
        })
        break
      case 'send':
        this.#contact.send(messageOf(effect.message, this.#found(), this.#remainingMs()))
        break
      default:
        never(effect)
    }
  }

  #start(task: Task): void {
    const { isolation, onFatal } = this.#options
    const ref = refOf(task)
    const [key, dir] = [keyOf(ref), this.#dirOf(ref)]
    const { memoryBytes } = limitsOf(task)
    const confinement = isolation.confine(key, dir, memoryBytes)
    if (!confinement) {
      this.#take({ ...ref, kind: 'ended', result: withoutPayload('not-started', 'no account was free for it') })
      return
    }
    this.#confinements.set(key, confinement)
    this.#files.take(key, task.spec)
    if (task.spec.inputFiles.length === 0) {
      this.#launch(task, confinement)
      return
    }
    this.#files.fetch(task, confinement, dir).then((fetched) => {
      if (fetched.ok) this.#launch(task, { ...confinement, prepare: () => undefined })
      else this.#take({ ...ref, kind: 'ended', ...fetched.ended })
    }, onFatal)
  }

  #launch(task: Task, confinement: Confinement): void {
    const { clock, cgroups, onFatal } = this.#options
    const ref = refOf(task)
    const [key, dir] = [keyOf(ref), this.#dirOf(ref)]
    const { memoryBytes } = task.spec.requirements
    // A payload that is started directly has no step before it that could enter the fence.
    const fence = confinement.mode === 'direct' ? undefined : fenceIn(cgroups, key, { cores: task.cores, memoryBytes })
    const { vmId } = this.#options.config
    const gpus = this.#gpus?.take(key, task.gpus ?? 0)
    const payload = startPayload({ vmId, task, dir, clock, watch: this.#watch, confinement, fence, gpus })
    this.#payloads.set(key, payload)
    const { mark, startedMs } = payload
    if (mark) {
      this.#journal.append({ ...ref, kind: 'started', mark, startedMs })
      this.#take({ ...ref, kind: 'started', startedMs })
    }
    payload.done.then((result) => {
      this.#gpus?.free(key)
      this.#take({ ...ref, kind: 'ended', result })
    }, onFatal)
  }

  /** Of a former life where it has no confinement. */
  async #remove(ref: AttemptRef): Promise<void> {
    // What still reads in it ends first.
    await this.#files.end(keyOf(ref))
    const confinement = this.#confinements.get(keyOf(ref))
    this.#confinements.delete(keyOf(ref))
    if (confinement) {
      const before = this.#options.isolation.retired().length
      await confinement.remove()
      for (const why of this.#options.isolation.retired().slice(before)) this.#options.say(`retired ${why}`)
    } else await this.#options.isolation.removeDirectory(this.#dirOf(ref))
  }

  async #keep(ref: AttemptRef, owesFiles: boolean): Promise<void> {
    const { clock, random, say } = this.#options
    const uplink = () => this.#contact.uplink()
    const unwritten = this.#payloads.get(keyOf(ref))?.unwritten() ?? nothingUnwritten
    await keepOutputs({ dir: this.#dirOf(ref), unwritten, ref, uplink, clock, random, say, signal: this.#closing.signal })
    const confinement = this.#confinements.get(keyOf(ref))
    const lost = owesFiles && confinement ? await this.#files.keep(ref, confinement, this.#dirOf(ref)) : ''
    if (this.#closing.signal.aborted) return
    this.#journal.append({ ...ref, kind: 'kept' })
    this.#take({ ...ref, kind: 'kept', lost })
  }

  #flushSoon(): void {
    if (this.#timers.has('flush')) return
    const timer = this.#options.clock.after(0, () => {
      this.#flush().catch(this.#options.onFatal)
    })
    this.#timers.set('flush', timer)
  }

  async #flush(): Promise<void> {
    const upTo = this.#recordedReportId
    await this.#journal.sync()
    this.#durableReportId = Math.max(this.#durableReportId, upTo)
    this.#timers.delete('flush')
    this.#take({ kind: 'flush', durableReportId: this.#durableReportId })
    if (this.#recordedReportId > this.#durableReportId) this.#flushSoon()
  }

  #tick(): void {
    this.#take({ kind: 'tick' })
    this.#timers.set(
      'tick',
      this.#options.clock.after(tickMs, () => this.#tick()),
    )
  }

  #writeStatusSoon(): void {
    if (this.#writtenStatus === this.#statusText() || this.#writtenStatus === '') return
    // Marked as written only after the write; until then the same timer serves further changes.
    this.#writtenStatus = ''
    this.#timers.get('status')?.cancel()
    this.#timers.set(
      'status',
      this.#options.clock.after(statusSoonMs, () => this.#writeStatus()),
    )
  }

  #writeStatus(): void {
    const { clock, paths, pid, say } = this.#options
    const { state, payloads, idleSinceMs } = statusOf(this.#state)
    const unhealthy = this.#unhealthy()
    const atMs = clock.nowMs()
    const idleMs = Math.round(clock.monotonicMs() - idleSinceMs)
    const isolation = isolationText(this.#options.isolation)
    const { size } = this.#state
    const status: PilotStatus = { pid, atMs, state, payloads, idleMs, isolation, unhealthy, size }
    this.#writtenStatus = this.#statusText()
    try {
      writeWhole(paths.pilotStatus, JSON.stringify(status))
    } catch (error) {
      say(`cannot write the status for the monitor: ${error}`)
    }
    this.#timers.set(
      'status',
      clock.after(pilotStatusEveryMs, () => this.#writeStatus()),
    )
  }

  #statusText(): string {
    const { state, payloads } = statusOf(this.#state)
    return `${state} ${payloads} ${this.#unhealthy()}`
  }

  /** Accounts for payloads are twice the cores: with fewer than cores, free room would be offered that no job can have. */
  #unhealthy(): string | undefined {
    const { isolation } = this.#options
    return isolation.places() < this.#state.size.cores ? 'accounts-retired' : statusOf(this.#state).unhealthy
  }

  #found() {
    const { isolation, found } = this.#options
    return { isolation: isolation.kind, found }
  }

  #remainingMs(): number {
    const { config, clock } = this.#options
    // An offer follows a welcome, which has the service's time. 0 would mean that nothing ends it.
    return Math.max(1, Math.round(config.policy.endByMs - (this.#serviceTime.nowMs() ?? clock.nowMs())))
  }

  #dirOf(ref: AttemptRef): string {
    return join(this.#workDir, keyOf(ref))
  }
}

function refOf({ jobId, attempt }: AttemptRef): AttemptRef {
  return { jobId, attempt }
}

/** As people read it. Accounts that something was left of are counted: they are retired, and the VM has fewer for jobs. */
export function isolationText({ kind, tool, retired }: Isolation): string {
  const lost = retired().length
  return `${kind}${tool === '' ? '' : ` (${tool})`}${lost === 0 ? '' : `, ${lost} accounts retired`}`
}
