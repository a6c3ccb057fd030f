/**
 * The stream's messages as the pilot's words, and back.
 *
 * What comes down is checked here: an assignment without a description becomes one that cannot be started, so that its job
 * hears of it. Nothing else of the pilot knows the wire.
 */

import type { IsolationKind } from '../../core/model/agent-config.ts'
import type { AttemptRef, JobId } from '../../core/kernel/ids.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { JobSpec as WireSpec } from '../../proto/gen/pilotage/v1/job.ts'
import type { Assignment, PilotMessage, ServiceMessage } from '../../proto/gen/pilotage/v1/vm.ts'
import { agentVersion } from '../kit/uplink.ts'
import type { Task } from './held.ts'
import type { Outgoing, Report } from './state.ts'
import type { PilotEvent } from './pilot.ts'
import type { Resources } from '../../core/model/resources.ts'

/** In the order of their meaning: refusals before the renewal that they are exceptions of, commands after assignments. */
export function eventsOf(message: ServiceMessage): readonly PilotEvent[] {
  const { welcome, acks, assignments, commands, renewedMs } = message
  const ref = ({ jobId, attempt }: { jobId: number; attempt: number }): AttemptRef => ({ jobId: jobId as JobId, attempt })
  return [
    ...(welcome ? [{ kind: 'welcome', leaseMs: welcome.leaseMs, renewEveryMs: welcome.renewEveryMs } as const] : []),
    ...acks.map((ack) => ({ kind: 'acked', ...ref(ack), reportId: ack.reportId, refusal: ack.refusal }) as const),
    ...(renewedMs > 0 ? [{ kind: 'renewed' } as const] : []),
    ...assignments.map((assignment) => ({ kind: 'assigned', task: taskOf(assignment) }) as const),
    ...commands.flatMap((command): readonly PilotEvent[] => {
      if (command.kind === 'drain') return [{ kind: 'drain' }]
      return command.kind === 'stop' ? [{ kind: 'stop', ...ref(command), why: command.reason || 'stopped' }] : []
    }),
  ]
}

/** `size` is what the machine really has; `remainingMs` until the VM must end. */
export function messageOf(out: Outgoing, size: Resources, isolation: IsolationKind, remainingMs: number): PilotMessage {
  if (out.kind === 'hello') {
    const hello = { pilotVersion: agentVersion, ...size, isolation, held: out.held.map(wireRef) }
    return { hello, reports: [], offer: undefined, renew: [] }
  }
  const offer = out.offer ? { ...out.offer, remainingMs } : undefined
  return { hello: undefined, reports: out.reports.map(wireReport), offer, renew: out.renew.map(wireRef) }
}

function wireReport({ jobId, attempt, reportId, phase, startedMs, result }: Report): PilotMessage['reports'][number] {
  return { jobId, attempt, reportId, phase, startedMs, result: result ? { ...result } : undefined }
}

function wireRef({ jobId, attempt }: AttemptRef): { jobId: number; attempt: number } {
  return { jobId, attempt }
}

function taskOf({ jobId, attempt, spec, cores, leaseMs, vo, owner }: Assignment): Task {
  return { jobId: jobId as JobId, attempt, spec: specOf(spec), cores: Math.max(1, cores), leaseMs, vo, owner }
}

/** An empty executable cannot be started, and the pilot says so. */
function specOf(wire: WireSpec | undefined): JobSpec {
  const wanted = wire?.requirements
  const names = (given: { allowed: string[]; banned: string[] } | undefined) => ({
    allowed: given?.allowed ?? [],
    banned: given?.banned ?? [],
  })
  return {
    name: wire?.name ?? '',
    executable: wire?.executable ?? '',
    arguments: wire?.arguments ?? [],
    environment: wire?.environment ?? {},
    requirements: {
      cores: { min: wanted?.cores?.min ?? 1, max: wanted?.cores?.max ?? 1 },
      memoryBytes: wanted?.memoryBytes ?? 0,
      diskBytes: wanted?.diskBytes ?? 0,
      wallMs: wanted?.wallMs ?? 0,
      platforms: wanted?.platforms ?? [],
      sites: names(wanted?.sites),
      clouds: names(wanted?.clouds),
      tags: wanted?.tags ?? [],
    },
    priority: wire?.priority ?? 0,
    maxAttempts: wire?.maxAttempts ?? 1,
  }
}
