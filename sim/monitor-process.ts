/**
 * One life of a monitor: it activates its VM, then does what the real policy says, over a simulated network.
 *
 * Mirrors agents/monitor/agent.ts around that policy. The nonce and the credential are on the disk and outlive it.
 */

import type { PilotStatus } from '../core/model/agent-config.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import { heartbeatIntervalMs } from '../core/kernel/limits.ts'
import type { HeartbeatRequest } from '../core/model/monitor.ts'
import { backoff } from '../core/kernel/backoff.ts'
import { serviceClock } from '../agents/kit/service-clock.ts'
import { pilotAt, pilotSilence } from '../agents/monitor/pilot-silence.ts'
import { decide, isPilotGone, type MonitorStep, type MonitorView, type PilotView } from '../agents/monitor/policy.ts'
import { activate } from '../services/vms/activate.ts'
import { recordHeartbeat } from '../services/vms/heartbeat.ts'
import type { Host } from './host-state.ts'
import type { SimProcess } from './process.ts'

export type Monitor = { readonly process: SimProcess }

type Known = Pick<MonitorView, 'order' | 'orderReason' | 'skewMs'> & {
  readonly answeredMs: number
  readonly lastHeartbeat?: Omit<NonNullable<MonitorView['lastHeartbeat']>, 'agoMs'> & { readonly atMs: number }
}

/** The real one looks twice a second. */
const lookEveryMs = 1000
const roomyBytes = 1e9

export function startMonitor(host: Host): Monitor {
  const process = host.newProcess()
  host.disk.nonce ||= host.ground.dice.random.letters(32)
  if (host.disk.credential === '') bringUp(host, process)
  else watchOver(host, process)
  return { process }
}

function bringUp(host: Host, process: SimProcess): void {
  const { config, vmId, disk, switchboard, link, ground } = host
  const delays = backoff(ground.dice.random, 200, 10_000)
  const giveUpMs = process.clock.monotonicMs() + config.policy.deadManMs
  const ask = (): void => {
    if (process.clock.monotonicMs() >= giveUpMs) {
      host.powerOff('it was never activated')
      return
    }
    const request = { vmId, activationKey: config.activationKey, nonce: disk.nonce }
    switchboard.call(
      process,
      link,
      (queue) => activate(queue, request),
      (answer) => {
        if (!answer.ok) {
          process.deliver(delays.next(), ask)
          return
        }
        disk.credential = vmId
        watchOver(host, process)
      },
    )
  }
  ask()
}

function watchOver(host: Host, process: SimProcess): void {
  const { config, switchboard, link, ground, vmId } = host
  const { clock } = process
  const fromMs = clock.monotonicMs()
  const delays = backoff(ground.dice.random, 500, 5000)
  let known: Known = { order: 'go-on', orderReason: '', skewMs: 0, answeredMs: fromMs }

  const silence = pilotSilence()
  const serviceTime = serviceClock(clock)

  function look(): void {
    const view = { ...viewOf(known, silence, host, fromMs, process), serviceNowMs: serviceTime.nowMs() }
    const next = decide(view, config.policy)
    if (next.kind === 'power-off') host.powerOff(next.reason)
    else if (next.kind === 'heartbeat') say(view, next)
    else process.deliver(lookEveryMs, look)
  }

  function say(view: MonitorView, { wish, unhealthy }: Extract<MonitorStep, { kind: 'heartbeat' }>): void {
    const sentMs = clock.monotonicMs()
    const request = requestOf(view, wish, unhealthy)
    switchboard.call(
      process,
      link,
      (queue) => {
        if (host.disk.credential !== vmId) throw new PilotageError('unauthenticated', 'no credential')
        return recordHeartbeat(queue, vmId, request)
      },
      (answer) => {
        const last = { atMs: sentMs, wish, unhealthy }
        if (answer.ok) {
          delays.reset()
          const { order, reason, serviceTimeMs } = answer.value
          serviceTime.hear(serviceTimeMs, sentMs)
          const skewMs = clock.nowMs() - (serviceTime.nowMs() ?? clock.nowMs())
          const lastHeartbeat = { ...last, answered: true, retryMs: 0 }
          known = { order, orderReason: reason, skewMs, answeredMs: clock.monotonicMs(), lastHeartbeat }
          if (order !== 'go-on') ground.trace.note({ vmId }, `the monitor is ordered to ${order}: ${reason}`)
        } else {
          known = { ...known, lastHeartbeat: { ...last, answered: false, retryMs: delays.next() } }
        }
        process.deliver(lookEveryMs, look)
      },
    )
  }

  look()
}

function viewOf(
  { answeredMs, lastHeartbeat, ...answer }: Known,
  silence: ReturnType<typeof pilotSilence>,
  host: Host,
  fromMs: number,
  { clock }: SimProcess,
): MonitorView {
  const atMs = clock.monotonicMs()
  const status = host.disk.pilotStatus
  return {
    ...answer,
    heartbeatIntervalMs,
    upMs: atMs - fromMs,
    pilot: status && pilotAt(pilotView(status, host.pilot() !== undefined), silence(status.atMs, atMs)),
    diskFreeBytes: host.disk.fullSinceMs === undefined ? roomyBytes : 0,
    silentMs: atMs - answeredMs,
    lastHeartbeat: lastHeartbeat && { ...lastHeartbeat, agoMs: atMs - lastHeartbeat.atMs },
  }
}

function pilotView({ state, payloads, idleMs, size, unhealthy }: PilotStatus, alive: boolean): Omit<PilotView, 'silentMs'> {
  return { state, payloads, idleMs, alive, size, unhealthy }
}

function requestOf(view: MonitorView, wish: string, unhealthy: string): HeartbeatRequest {
  const { pilot, diskFreeBytes } = view
  const load = { load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes }
  const pilotState = isPilotGone(view) ? 'gone' : (pilot?.state ?? 'starting')
  const said = { ...load, pilotState, payloads: pilot?.payloads ?? 0, idleMs: Math.round(pilot?.idleMs ?? 0), unhealthy }
  return {
    heartbeat: { ...said, ...(pilot?.size ? { size: pilot.size } : {}) },
    wish: wish === '' ? '' : 'stop',
    wishReason: wish,
  }
}
