/** The part `grpc.limits` of a configuration: what the gRPC port bears, of one address, of one caller and in all. */

import { connectionLimits, loadLimits } from '../../core/kernel/limits.ts'
import type { Violations } from '../../core/kernel/violations.ts'
import { duration, mapping, optional, type Read, whole } from './fields.ts'

const seconds = 1000
const days = 24 * 60 * 60 * seconds

export const grpcLimits = mapping({
  connections: optional(whole(10, 1_000_000), connectionLimits.inAll),
  connectionsPerAddress: optional(whole(1, 1_000_000), connectionLimits.perAddress),
  connectionAge: optional(duration(1 * seconds, 30 * days), connectionLimits.maxAgeMs),
  connectionIdle: optional(duration(10 * seconds, 30 * days), connectionLimits.idleMs),
  callsPerSecond: optional(whole(10, 1_000_000), loadLimits.callsPerSecond),
})

export type RawGrpcLimits = Read<typeof grpcLimits>

export const defaultGrpcLimits: RawGrpcLimits = {
  connections: connectionLimits.inAll,
  connectionsPerAddress: connectionLimits.perAddress,
  connectionAge: connectionLimits.maxAgeMs,
  connectionIdle: connectionLimits.idleMs,
  callsPerSecond: loadLimits.callsPerSecond,
}

export type GrpcLimits = {
  readonly connections: { readonly inAll: number; readonly perAddress: number }
  readonly maxAgeMs: number
  readonly idleMs: number
  readonly callsPerSecond: number
}

export function checkGrpcLimits({ connections, connectionsPerAddress }: RawGrpcLimits, violations: Violations): void {
  if (connectionsPerAddress <= connections) return
  violations.add('grpc.limits.connectionsPerAddress', connectionsPerAddress, 'too many', 'grpc.limits.connections at most')
}

export function compileGrpcLimits(raw: RawGrpcLimits): GrpcLimits {
  return {
    connections: { inAll: raw.connections, perAddress: raw.connectionsPerAddress },
    maxAgeMs: raw.connectionAge,
    idleMs: raw.connectionIdle,
    callsPerSecond: raw.callsPerSecond,
  }
}
