/** The offerings as jobs find them: with what the latest VM of each was found to have, where that is less than promised. */

import type { Offered } from '../../core/model/cloud.ts'
import { expecting } from '../../core/plan/measured-size.ts'
import type { JobPorts } from './ports.ts'

export async function offeredNow({
  offerings,
  measured,
  clock,
}: Pick<JobPorts, 'offerings' | 'measured' | 'clock'>): Promise<readonly Offered[]> {
  const sizes = await measured()
  if (sizes.length === 0) return offerings
  return offerings.map((one) => ({ ...expecting(one, sizes, clock.nowMs()), usableMs: one.usableMs }))
}
