/**
 * The monitor at work: looks at the VM four times per second, sends heartbeats, and says when the VM must be switched off.
 *
 * Decides nothing that policy.ts decides. What stays true: one heartbeat at a time; an answer that is lost changes nothing
 * here, and the next heartbeat gets it again.
 */

import { type Clock, sleep } from '../../core/kernel/clock.ts'
import type { AgentConfig } from '../../core/model/agent-config.ts'
import type { Turns } from '../../core/kernel/endpoints.ts'
import { asPilotageError } from '../../core/kernel/errors.ts'
import { heartbeatIntervalMs } from '../../core/kernel/limits.ts'
import type { Random } from '../../core/kernel/random.ts'
import { backoff } from '../../core/kernel/backoff.ts'
import type { AgentPaths } from '../kit/config.ts'
import { type Say, sayOnce } from '../kit/console.ts'
import { serviceClock } from '../kit/service-clock.ts'
import { agentVersion, type Uplink } from '../kit/uplink.ts'
import { readMachine, readPilot } from './machine.ts'
import { watchInterruption } from './interruption.ts'
import { pilotAt, pilotSilence } from './pilot-silence.ts'
import { decide, isPilotGone, type MonitorStep, type MonitorView, spotInterruption } from './policy.ts'
import { watchService } from './service.ts'

export type WatchOptions = {
  readonly config: AgentConfig
  readonly paths: AgentPaths
  readonly clock: Clock
  readonly random: Random
  readonly say: Say
  readonly turns: Turns
  /** Opens a channel to the current endpoint, with the VM's credential. */
  readonly open: () => Uplink
}

const lookEveryMs = 250
const firstRetryMs = 500
const maxRetryMs = 5000

/** Resolves with the reason why the VM must be switched off now. */
export async function watchOver({ config, paths, clock, random, say, turns, open }: WatchOptions): Promise<string> {
  const fromMs = clock.monotonicMs()
  const delays = backoff(random, firstRetryMs, maxRetryMs)
  let known: Known = { order: 'go-on', orderReason: '', skewMs: 0, heartbeatIntervalMs, answeredMs: fromMs }
  let lastNote = ''
  const outage = sayOnce(say)
  const serviceTime = serviceClock(clock)
  const service = config.service && watchService(config.service, clock)
  const interruption = config.interruption && watchInterruption(config.interruption, clock, say)
  const silence = pilotSilence()
  let uplink = open()
  for (;;) {
    const isInterrupted = interruption?.isAnnounced()
    const seen = { ...viewOf(known, silence, paths, fromMs, clock), service: service?.view(), isInterrupted }
    const view = { ...seen, serviceNowMs: serviceTime.nowMs() }
    const next = decide(view, config.policy)
    if (next.kind === 'power-off') {
      service?.stop()
      interruption?.stop()
      uplink.close()
      return next.reason
    }
    if (next.kind === 'heartbeat') {
      const sentMs = clock.monotonicMs()
      try {
        const { serviceTimeMs, ...answer } = await sendHeartbeat(uplink, view, next, paths)
        serviceTime.hear(serviceTimeMs, sentMs)
        delays.reset()
        turns.worked(turns.current())
        outage.clear()
        known = {
          ...known,
          ...answer,
          skewMs: clock.nowMs() - (serviceTime.nowMs() ?? clock.nowMs()),
          answeredMs: clock.monotonicMs(),
          lastHeartbeat: { atMs: sentMs, answered: true, retryMs: 0, wish: next.wish, unhealthy: next.unhealthy },
        }
      } catch (thrown) {
        const { code, message } = asPilotageError(thrown, 'sending a heartbeat')
        // Asked for all the same, as far as the end of life is concerned: it must not wait for an answer for ever.
        const retryMs = turns.failed(turns.current()) && code === 'unavailable' ? 0 : delays.next()
        known = {
          ...known,
          lastHeartbeat: { atMs: sentMs, answered: false, retryMs, wish: next.wish, unhealthy: next.unhealthy },
        }
        outage.say(`out of contact: ${message}`)
        lastNote = message
        // A channel of its own back-off would come back later than we do.
        uplink.close()
        uplink = open()
      }
      const note = noteOf(known, next)
      if (known.lastHeartbeat?.answered && lastNote !== note) {
        say(note)
        lastNote = note
      }
    }
    await sleep(clock, lookEveryMs)
  }
}

type Known = Pick<MonitorView, 'order' | 'orderReason' | 'skewMs' | 'heartbeatIntervalMs'> & {
  readonly answeredMs: number
  readonly lastHeartbeat?: Omit<NonNullable<MonitorView['lastHeartbeat']>, 'agoMs'> & { readonly atMs: number }
}

function viewOf(
  { answeredMs, lastHeartbeat, ...answer }: Known,
  silence: ReturnType<typeof pilotSilence>,
  paths: AgentPaths,
  fromMs: number,
  clock: Clock,
): MonitorView {
  const atMs = clock.monotonicMs()
  const pilot = readPilot(paths.pilotStatus)
  return {
    ...answer,
    upMs: atMs - fromMs,
    pilot: pilot && pilotAt(pilot, silence(pilot.writtenMs, atMs)),
    diskFreeBytes: readMachine(paths.work).diskFreeBytes,
    silentMs: atMs - answeredMs,
    lastHeartbeat: lastHeartbeat && { ...lastHeartbeat, agoMs: atMs - lastHeartbeat.atMs },
  }
}

async function sendHeartbeat(
  uplink: Uplink,
  view: MonitorView,
  { wish, unhealthy }: Extract<MonitorStep, { kind: 'heartbeat' }>,
  paths: AgentPaths,
): Promise<Pick<MonitorView, 'order' | 'orderReason' | 'heartbeatIntervalMs'> & { readonly serviceTimeMs: number }> {
  const { pilot, service } = view
  const terms = await uplink.heartbeat({
    heartbeat: {
      ...readMachine(paths.work),
      pilotState: service ? '' : isPilotGone(view) ? 'gone' : (pilot?.state ?? 'starting'),
      payloads: pilot?.payloads ?? 0,
      idleMs: Math.round(pilot?.idleMs ?? 0),
      unhealthy,
      isolation: pilot?.isolation,
      version: agentVersion,
      size: pilot?.size,
    },
    wish: wish === '' ? '' : wish === spotInterruption ? 'drain' : 'stop',
    wishReason: wish,
  })
  const { order, reason, serviceTimeMs, heartbeatIntervalMs: every = heartbeatIntervalMs } = terms
  return { order, orderReason: reason, serviceTimeMs, heartbeatIntervalMs: every }
}

function noteOf({ order, orderReason }: Known, { wish, unhealthy }: Extract<MonitorStep, { kind: 'heartbeat' }>): string {
  const reason = orderReason === '' ? '' : ` (${orderReason})`
  return [
    `order of the service: ${order}${reason}`,
    wish && `asked to ${wish === spotInterruption ? 'drain' : 'stop'}: ${wish}`,
    unhealthy && `unhealthy: ${unhealthy}`,
  ]
    .filter((text) => text !== '')
    .join('; ')
}
