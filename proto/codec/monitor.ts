/**
 * Activation and heartbeats between the wire's messages and core's. Knows both shapes and decides nothing; what cannot be
 * one of ours is refused here with `invalid-argument`, and texts are cut to their limits.
 */

import { PilotageError, shown } from '../../core/kernel/errors.ts'
import { isVmId } from '../../core/kernel/ids.ts'
import { agentTextLimits } from '../../core/kernel/limits.ts'
import type { Activation, HeartbeatRequest, HeartbeatTerms } from '../../core/model/monitor.ts'
import { resourcesOf } from '../../core/model/resources.ts'
import { sizeToWire } from './requirements.ts'
import type * as wire from '../gen/pilotage/v1/vm.ts'

/** Throws `invalid-argument`. */
export function activationOf({ vmId, activationKey, nonce }: wire.ActivateRequest): Activation {
  if (!isVmId(vmId)) throw new PilotageError('invalid-argument', `no VM id: ${shown(vmId)}`)
  return { vmId, activationKey, nonce }
}

/** Throws `invalid-argument`. A wish that this version does not know is none. */
export function heartbeatRequestOf({ monitorVersion, wish, wishReason, ...said }: wire.BeatRequest): HeartbeatRequest {
  const { load1, pilotState, unhealthy, isolation, size, ...numbers } = said
  if (!Number.isFinite(load1)) {
    throw new PilotageError('invalid-argument', 'a heartbeat whose load is no number', {
      violations: [{ path: 'load1', value: shown(String(load1)), rule: 'not a number', accepted: 'a finite number' }],
    })
  }
  const { state, reason, version } = agentTextLimits
  return {
    heartbeat: {
      ...numbers,
      load1,
      pilotState: pilotState.slice(0, state),
      unhealthy: unhealthy.slice(0, reason),
      ...(isolation === '' ? {} : { isolation: isolation.slice(0, agentTextLimits.isolation) }),
      ...(monitorVersion === '' ? {} : { version: monitorVersion.slice(0, version) }),
      ...(size === undefined ? {} : { size: resourcesOf(size) }),
    },
    wish: wish === 'stop' || wish === 'drain' ? wish : '',
    wishReason: wishReason.slice(0, reason),
  }
}

export function heartbeatTermsToWire(terms: HeartbeatTerms): wire.BeatResponse {
  const { order, reason, serviceTimeMs, heartbeatIntervalMs = 0 } = terms
  return { order, reason, beatEveryMs: heartbeatIntervalMs, serviceTimeMs }
}

export function heartbeatRequestToWire({ heartbeat, wish, wishReason }: HeartbeatRequest): wire.BeatRequest {
  const { version = '', isolation = '', size, ...said } = heartbeat
  return { ...said, monitorVersion: version, isolation, size: sizeToWire(size), wish, wishReason }
}

/** As the monitor reads it. An order that this version does not know is no reason to stop. */
export function heartbeatTermsOf({ order, reason, beatEveryMs, serviceTimeMs }: wire.BeatResponse): HeartbeatTerms {
  return {
    order: order === 'stop' || order === 'drain' ? order : 'go-on',
    reason,
    serviceTimeMs,
    ...(beatEveryMs > 0 ? { heartbeatIntervalMs: beatEveryMs } : {}),
  }
}
