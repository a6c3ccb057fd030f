/**
 * The stream's messages as the pilot's events, and what it sends as a message. The mapping to the wire itself is
 * proto/codec/pilot.ts.
 */

import type { IsolationKind } from '../../core/model/agent-config.ts'
import { assert } from '../../core/kernel/assert.ts'
import type { PilotMessage, ServiceMessage } from '../../core/model/pilot.ts'
import { agentVersion } from '../kit/uplink.ts'
import type { FoundTraits } from '../../core/model/traits.ts'
import type { Outgoing, Report } from './state.ts'
import type { PilotEvent } from './pilot.ts'

/** In the order of their meaning: refusals before the renewal that they are exceptions of, commands after assignments. */
export function eventsOf({ welcome, acks, assignments, commands, renewedMs }: ServiceMessage): readonly PilotEvent[] {
  return [
    ...(welcome ? [{ kind: 'welcome', leaseMs: welcome.leaseMs, renewEveryMs: welcome.renewEveryMs } as const] : []),
    ...acks.map((ack) => ({ kind: 'acked', ...ack }) as const),
    ...(renewedMs === undefined ? [] : [{ kind: 'renewed' } as const]),
    ...assignments.map((task) => ({ kind: 'assigned', task }) as const),
    ...commands.flatMap((command): readonly PilotEvent[] => {
      if (command.kind === 'drain') return [{ kind: 'drain' }]
      // It changes nothing of what is held.
      if (command.kind === 'peek') return []
      const { jobId, attempt, reason } = command
      return [{ kind: 'stop', jobId, attempt, why: reason || 'stopped' }]
    }),
  ]
}

/** `remainingMs`: until the VM must end. */
export function messageOf(
  out: Outgoing,
  { isolation, found }: { readonly isolation: IsolationKind; readonly found: FoundTraits },
  remainingMs: number,
): PilotMessage {
  if (out.kind === 'hello') {
    return { hello: { version: agentVersion, isolation, held: out.held, found }, reports: [], renew: [] }
  }
  return { reports: out.reports.map(reportOf), offer: out.offer && { ...out.offer, remainingMs }, renew: out.renew }
}

function reportOf({ jobId, attempt, reportId, startedMs, phase, result }: Report): PilotMessage['reports'][number] {
  const common = { jobId, attempt, reportId, startedMs }
  if (phase !== 'ended') return { ...common, phase }
  assert(result !== undefined, 'a report of an end has its result')
  return { ...common, phase, result }
}
