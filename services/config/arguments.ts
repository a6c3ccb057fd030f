/**
 * The roles that a process of the service is given on its command line, and whether the configuration lets it have just
 * these. Knows the roles' names from its caller.
 */

import { gatherViolations } from '../../core/kernel/violations.ts'
import type { Config } from './document.ts'
import { isEverywhere } from './reached.ts'

/** From what `--role` was given: names with commas between, once or more often. Nothing given: all that are known. */
export function readRoles<Role extends string>(given: readonly string[], known: readonly Role[]): readonly Role[] {
  if (given.length === 0) return known
  const named = given.flatMap((text) => text.split(',')).map((text) => text.trim())
  const violations = gatherViolations()
  for (const name of named.filter((one) => !known.some((role) => role === one))) {
    violations.add('--role', name, 'not a role', known.join(', '))
  }
  violations.settle('reading the command line')
  return known.filter((role) => named.includes(role))
}

/** Throws `invalid-argument` where a process of these roles could not do its work. */
export function checkRoles({ store, grpc }: Config, roles: readonly string[], known: readonly string[]): void {
  const violations = gatherViolations()
  const missing = known.filter((role) => !roles.includes(role))
  if (store.kind === 'sqlite' && missing.length > 0) {
    // The embedded store belongs to one process: no other process could do the rest.
    const rule = `over the embedded store no process does ${missing.join(', ')}`
    violations.add('--role', roles.join(), rule, 'all roles in one process, or store.kind: mongo')
  }
  if (roles.includes('director') && grpc.advertise.length === 0) {
    const accepted = 'host:port of every API process, as VMs reach them'
    if (!roles.includes('api')) violations.add('grpc.advertise', undefined, 'missing beside a director alone', accepted)
    else if (isEverywhere(grpc.host))
      violations.add('grpc.advertise', undefined, `missing, as ${grpc.host} is no address`, accepted)
  }
  violations.settle(`serving as ${roles.join()}`)
}
