/**
 * Heartbeat: a monitor reports how its VM is, and the answer says whether to go on, drain or stop.
 *
 * A wish to stop is granted by compare-and-set in the store: only a VM that holds no lease at that moment stops, and from
 * then on it is given none. A wish that loses that race is answered with go-on. A wish to drain, of a VM whose cloud takes
 * it back, is granted whatever it holds.
 */

import type { HeartbeatAnswer, HeartbeatRequest } from '../../core/model/monitor.ts'
import type { VmEvent } from '../../core/model/vm.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { VmOutcome } from '../../core/ports/store.ts'
import type { VmPorts } from './ports.ts'

/** Throws `not-found` for a VM that the store does not know. */
export async function recordHeartbeat(ports: VmPorts, vmId: VmId, request: HeartbeatRequest): Promise<HeartbeatAnswer> {
  const { heartbeat, wish, wishReason } = request
  const nowMs = ports.clock.nowMs()
  const events: VmEvent[] = [{ kind: 'heartbeat', vmId, heartbeat: { ...heartbeat, atMs: nowMs } }]
  // A VM that wants to end and has never been of use counts against what it was made from; a spot interruption does not.
  if (wish === 'stop') events.push({ kind: 'retire', vmId, why: wishReason, faultUnless: 'offered' })
  if (wish === 'drain') events.push({ kind: 'drain', vmId, why: wishReason })
  const outcomes = await ports.store.changeVms(events, nowMs)
  const granted = outcomes[1]
  if (granted?.ok && granted.was !== granted.vm.phase.state) ports.bus.hint({ kind: 'vms', ids: [vmId] })
  return { ...answerOf(vmId, granted?.ok ? granted : outcomes[0]), serviceTimeMs: nowMs }
}

function answerOf(vmId: VmId, outcome: VmOutcome | undefined): Omit<HeartbeatAnswer, 'serviceTimeMs'> {
  if (!outcome?.ok) {
    if (outcome?.why === 'not-found') throw new PilotageError('not-found', `no VM ${vmId}`)
    // Its record has ended, or it was never activated: a process that still runs there has nothing to do.
    return { order: 'stop', reason: outcome?.why ?? 'ended' }
  }
  const { phase } = outcome.vm
  if (phase.state === 'Stopping') return { order: 'stop', reason: phase.why }
  if (phase.state === 'Draining') return { order: 'drain', reason: phase.why }
  return { order: 'go-on', reason: '' }
}
