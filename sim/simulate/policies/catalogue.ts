/** The policies that a simulation knows by name: Pilotage's own, and the published rules of other systems. */

import { PilotageError } from '../../../core/kernel/errors.ts'
import { cloudscheduler } from './cloudscheduler.ts'
import { cobald } from './cobald.ts'
import { elastiq } from './elastiq.ts'
import { pilotage } from './pilotage.ts'
import type { PolicyMaker } from './policy.ts'
import { vmdirac } from './vmdirac.ts'

export const policies: readonly PolicyMaker[] = [pilotage, vmdirac, elastiq, cloudscheduler, cobald]

/** Throws `invalid-argument` for a name that no policy has. */
export function policyOf(name: string): PolicyMaker {
  const found = policies.find((one) => one.name === name)
  if (found) return found
  const known = policies.map((one) => one.name).join(', ')
  throw new PilotageError('invalid-argument', `there is no policy ${name}; accepted: ${known}`)
}
