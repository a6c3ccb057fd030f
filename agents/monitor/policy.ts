/**
 * What the monitor does now: wait, send a heartbeat (perhaps with a wish to stop), or switch the VM off.
 *
 * Pure. A wish goes to the service, because only the service knows whether the VM has a lease. The VM is switched off only
 * if the answer orders it, if the service has been silent for the contact timeout, or if the VM's maximum lifetime is over
 * and it has sent the wish once. A clock that never jumps measures durations; the end of life is a time of the service's
 * clock, and of no other: before the first answer it is not known whether it has passed.
 *
 *   condition                                      action
 *   the last answer was `stop`                     power off
 *   no answer for deadManMs                        power off
 *   end of life passed, and wish sent              power off
 *   end of life passed                             heartbeat now, wish stop; then with every heartbeat
 *   spot interruption, and the order was `go-on`   heartbeat now, wish drain; then with every heartbeat
 *   drained (ordered or by the pilot), no payload  heartbeat now, wish stop; then with every heartbeat
 *   idle for idleMs, older than leastLifeMs        heartbeat now, wish stop; then with every heartbeat
 *                                                  (neither of the two on a VM with a service: its director ends it)
 *   health changed since the last heartbeat        heartbeat now
 *   the last heartbeat is heartbeatIntervalMs ago          heartbeat
 *   a failed heartbeat is retryMs ago              heartbeat
 */

import { type PilotStatus, pilotStatusEveryMs, type AgentConfig } from '../../core/model/agent-config.ts'
import { clockSkewMs, pilotStartMs } from '../../core/kernel/limits.ts'
import { durationText } from '../../core/kernel/quantities.ts'
import type { Order } from '../../core/model/monitor.ts'
import type { Resources } from '../../core/model/resources.ts'

export type MonitorPolicy = AgentConfig['policy']

export type PilotView = {
  readonly state: PilotStatus['state']
  readonly payloads: number
  readonly idleMs: number
  /** Since its status changed last (pilot-silence.ts). */
  readonly silentMs: number
  /** Its process is there. */
  readonly alive: boolean
  /** Of payloads; absent: it has not said. */
  readonly isolation?: string
  /** What the pilot says is wrong; absent: nothing. */
  readonly unhealthy?: string
  /** What it found for payloads; absent: it has not said. */
  readonly size?: Resources
}

/** What a VM does instead of running jobs. */
export type ServiceView = { readonly kind: string; readonly hasAnswered: boolean; readonly failuresInRow: number }

export type MonitorView = {
  /** Since the VM came up, as far as this monitor knows. */
  readonly upMs: number
  /** Absent: it has not yet said a word. */
  readonly pilot?: PilotView
  /** Of a VM that has one, and then no pilot. */
  readonly service?: ServiceView
  /** The cloud has announced a spot interruption of this VM. */
  readonly isInterrupted?: boolean
  readonly diskFreeBytes: number
  /** Our clock less the service's, as of the last answer. */
  readonly skewMs: number
  /** Since the service answered; since the start where it never did. */
  readonly silentMs: number
  /** The service's clock now; absent before the first answer. */
  readonly serviceNowMs?: number
  /** The last answer. */
  readonly order: Order
  readonly orderReason: string
  readonly heartbeatIntervalMs: number
  /** The last heartbeat that was sent; absent before the first. */
  readonly lastHeartbeat?: {
    readonly agoMs: number
    readonly answered: boolean
    /** When a failed one may be repeated, counted from it. */
    readonly retryMs: number
    readonly wish: string
    readonly unhealthy: string
  }
}

export type MonitorStep =
  | { readonly kind: 'wait' }
  /** `wish`: why the VM should stop, or drain where that is `spotInterruption`; empty: no wish. */
  | { readonly kind: 'heartbeat'; readonly wish: string; readonly unhealthy: string }
  | { readonly kind: 'power-off'; readonly reason: string }

/**
 * A pilot whose process is there and that has written no status for this time hangs. On a starved machine it may be late by
 * seconds, and an unhealthy VM is drained for good.
 */
const pilotSilenceMs = 10 * pilotStatusEveryMs
/** One lost answer is a busy machine. */
const serviceFailures = 3

export function decide(view: MonitorView, policy: MonitorPolicy): MonitorStep {
  const { lastHeartbeat } = view
  if (view.order === 'stop') return { kind: 'power-off', reason: view.orderReason || 'the service ordered it to stop' }
  if (view.silentMs >= policy.deadManMs) {
    return { kind: 'power-off', reason: `contact timeout: no answer from the service for ${durationText(policy.deadManMs)}` }
  }
  const wish = wishOf(view, policy)
  const unhealthy = unhealthyOf(view, policy)
  if (isLifeOver(view, policy) && lastHeartbeat?.wish === endOfLife) return { kind: 'power-off', reason: endOfLife }
  return isDue(view, wish, unhealthy) ? { kind: 'heartbeat', wish, unhealthy } : { kind: 'wait' }
}

export const endOfLife = 'its life is over'
export const spotInterruption = 'spot-interruption'

/** All that is wrong, by name; empty: well. */
export function unhealthyOf(view: MonitorView, policy: MonitorPolicy): string {
  return [
    view.diskFreeBytes < policy.leastDiskFreeBytes ? 'disk-full' : '',
    Math.abs(view.skewMs) > clockSkewMs ? 'clock-off' : '',
    isPilotGone(view) ? 'pilot-gone' : (view.pilot?.unhealthy ?? ''),
    view.service && isServiceGone(view.service, view.upMs) ? `${view.service.kind}-gone` : '',
  ]
    .filter((name) => name !== '')
    .join(',')
}

function isServiceGone({ hasAnswered, failuresInRow }: ServiceView, upMs: number): boolean {
  return failuresInRow >= serviceFailures && (hasAnswered || upMs >= pilotStartMs)
}

export function isPilotGone({ pilot, service, upMs }: MonitorView): boolean {
  if (service) return false
  if (!pilot) return upMs >= pilotStartMs
  return !pilot.alive || pilot.silentMs > pilotSilenceMs
}

function isLifeOver({ serviceNowMs }: MonitorView, { endByMs }: MonitorPolicy): boolean {
  return serviceNowMs !== undefined && serviceNowMs >= endByMs
}

function wishOf(view: MonitorView, policy: MonitorPolicy): string {
  const { pilot, upMs, order } = view
  if (isLifeOver(view, policy)) return endOfLife
  // Jobs that end in time end well; for the others the drain has made sure that no more are lost with them.
  if (view.isInterrupted && order === 'go-on') return spotInterruption
  if (view.service) return ''
  // If the pilot is gone, its last status says nothing about its payloads: the service learns of it and decides.
  if (!pilot || isPilotGone(view) || pilot.payloads > 0) return ''
  if (order === 'drain' || pilot.state === 'draining') return 'drained'
  if (pilot.idleMs < policy.idleMs || upMs < policy.leastLifeMs) return ''
  // The policy's time and not the time so far: a reason that changes with every look would be a new wish each time.
  return `idle for ${durationText(policy.idleMs)}`
}

function isDue({ lastHeartbeat, heartbeatIntervalMs }: MonitorView, wish: string, unhealthy: string): boolean {
  if (!lastHeartbeat) return true
  if (lastHeartbeat.agoMs >= heartbeatIntervalMs) return true
  if (!lastHeartbeat.answered) return lastHeartbeat.agoMs >= lastHeartbeat.retryMs
  return lastHeartbeat.unhealthy !== unhealthy || (wish !== '' && lastHeartbeat.wish !== wish)
}
