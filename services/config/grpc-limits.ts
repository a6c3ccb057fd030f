/** The part `grpc.limits` of a configuration: what the gRPC port bears, of one address, of one caller and in all. */

import { connectionLimits, loadLimits } from '../../core/kernel/limits.ts'
import { durationText } from '../../core/kernel/quantities.ts'
import type { Violations } from '../../core/kernel/violations.ts'
import { absent, duration, mapping, optional, type Read, whole } from './fields.ts'

const seconds = 1000
const days = 24 * 60 * 60 * seconds

export const grpcLimits = mapping({
  connections: optional(whole(10, 1_000_000), connectionLimits.inAll),
  connectionsPerAddress: optional(whole(1, 1_000_000), connectionLimits.perAddress),
  connectionAge: optional(duration(1 * seconds, 30 * days), connectionLimits.maxAgeMs),
  connectionIdle: optional(duration(10 * seconds, 30 * days), connectionLimits.idleMs),
  keepalive: absent(duration(1 * seconds, 600 * seconds)),
  callsPerSecond: optional(whole(10, 1_000_000), loadLimits.callsPerSecond),
})

export type RawGrpcLimits = Read<typeof grpcLimits>

export const defaultGrpcLimits: RawGrpcLimits = {
  connections: connectionLimits.inAll,
  connectionsPerAddress: connectionLimits.perAddress,
  connectionAge: connectionLimits.maxAgeMs,
  connectionIdle: connectionLimits.idleMs,
  keepalive: undefined,
  callsPerSecond: loadLimits.callsPerSecond,
}

export type GrpcLimits = {
  readonly connections: { readonly inAll: number; readonly perAddress: number }
  readonly maxAgeMs: number
  readonly idleMs: number
  readonly keepaliveMs: number
  readonly callsPerSecond: number
}

/** What of the part `queue` belongs together with these limits. */
export type Leasing = { readonly lease: number; readonly renewEvery: number }

export function checkGrpcLimits(
  { connections, connectionsPerAddress, keepalive = 0 }: RawGrpcLimits,
  { lease, renewEvery }: Leasing,
  violations: Violations,
): void {
  if (connectionsPerAddress > connections)
    violations.add('grpc.limits.connectionsPerAddress', connectionsPerAddress, 'too many', 'grpc.limits.connections at most')
  if (keepalive + renewEvery > lease) {
    const rule = 'too long: a VM that is frozen would be given the job that it lost when queue.lease ended'
    const accepted = `at most queue.lease less queue.renewEvery, ${durationText(lease - renewEvery)}; or a longer queue.lease`
    violations.add('grpc.limits.keepalive', durationText(keepalive), rule, accepted)
  }
}

/** Half a lease and a renewal, which is a third of it at most, are less than the whole. */
function keepaliveFor({ lease }: Leasing): number {
  return Math.min(connectionLimits.keepaliveMs, Math.floor(lease / 2))
}

export function compileGrpcLimits(raw: RawGrpcLimits, leasing: Leasing): GrpcLimits {
  return {
    connections: { inAll: raw.connections, perAddress: raw.connectionsPerAddress },
    maxAgeMs: raw.connectionAge,
    idleMs: raw.connectionIdle,
    keepaliveMs: raw.keepalive ?? keepaliveFor(leasing),
    callsPerSecond: raw.callsPerSecond,
  }
}
