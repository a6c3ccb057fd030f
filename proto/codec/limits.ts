/** The limit that a cause names, on the wire and as a client reads it. */

import type { Cause } from '../../core/plan/cause.ts'
import type * as wire from '../gen/pilotage/v1/job.ts'
import { limitNameEnum } from './enums.ts'

/** Undefined: it names none. */
export function limitToWire(cause: Cause | undefined): wire.Limit | undefined {
  if (!cause || !('limit' in cause)) return undefined
  const { name, used, max } = cause.limit
  return { name: limitNameEnum.number(name), used, max }
}

export function limitOfWire(limit: wire.Limit | undefined) {
  return limit && { ...limit, name: limitNameEnum.word(limit.name) ?? '' }
}
