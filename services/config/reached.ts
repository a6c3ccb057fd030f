/**
 * Where the machines of clouds reach the service: its gRPC port and the agents' files. `127.0.0.1` leads a machine to
 * itself, so that every VM would be paid for and given up after its boot timeout.
 */

import { hostPort } from '../../core/kernel/endpoints.ts'
import type { Violations } from '../../core/kernel/violations.ts'
import { isLocal } from './plaintext.ts'

type Edge = { readonly host: string; readonly port: number; readonly advertise: readonly string[] }

/** For a configuration with a cloud whose machines are elsewhere. What is advertised is taken as it is, loopback as well. */
export function checkReached(grpc: Edge, agents: Edge, violations: Violations): void {
  for (const [path, form, { host, port, advertise }] of [
    ['grpc.advertise', 'host:port of every API process', grpc],
    ['context.agents.advertise', 'http://host:port of every director', agents],
  ] as const) {
    if (advertise.length > 0) continue
    const here = hostPort(host, port)
    const accepted = `${form}, as the machines of the clouds reach it`
    if (isLocal(host)) violations.add(path, undefined, `missing: machines elsewhere cannot reach ${here}`, accepted)
    else if (isEverywhere(host)) violations.add(path, undefined, `missing, as ${host} is no address`, accepted)
  }
}

export function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
