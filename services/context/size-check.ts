/**
 * Whether every cloud takes the contexts of its VMs, checked when a service starts: a context that is too large has not
 * failed a VM yet. The example VM stands for all: only its id, its key and its end differ from those of a real one.
 */

import { sizeAt } from '../../contextualization/size.ts'
import type { VmIdentity } from '../../core/model/agent-config.ts'
import type { Offering } from '../../core/model/cloud.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import { squidPort } from '../../core/kernel/limits.ts'
import { gatherViolations } from '../../core/kernel/violations.ts'
import type { ContextSources } from './sources.ts'
import { vmContext } from './vm-context.ts'

/** As long as a real one, and no easier to compress. */
export const exampleKey = 'LEFT-OUT-q7v2mzk4x9w5t3n8r6jhbcpd'

/** A VM that is never made. */
export function exampleVm(endByMs: number): VmIdentity {
  return { vmId: 'vm-example222' as VmId, activationKey: exampleKey, endByMs }
}

/** Any end has as many digits as this one until the year 2286. */
const exampleEndMs = 2_000_000_000_000

/**
 * Throws `invalid-argument` with every context that is too large for its cloud. A site's squids are counted at twice their
 * number.
 */
export function checkSizes(offerings: readonly Offering[], given: ContextSources): void {
  const violations = gatherViolations()
  // The address is known only when the service listens, and is one address then.
  const bases = given.bases.length > 0 ? given.bases : ['http://255.255.255.255:65535']
  const sources = { ...given, bases }
  // Flavors differ in a few digits.
  const perImage = new Map(offerings.map((offering) => [`${offering.cloud}\0${offering.image}`, offering]))
  for (const offering of perImage.values()) {
    const traits = given.clouds.get(offering.cloud)?.traits
    if (!traits || traits.isOnThisMachine) continue
    const squids = given.rules.services
      .filter(({ site }) => site === offering.site)
      .flatMap(({ count }) => Array.from({ length: 2 * count }, (_, at) => `http://255.255.255.${100 + at}:${squidPort}`))
    const hasSquid = squids.length > 0 && !traits.isLent
    for (const wanted of hasSquid ? [offering, { ...offering, service: 'squid' as const }] : [offering]) {
      const { text, limit } = vmContext({ vm: exampleVm(exampleEndMs), offering: wanted, squids }, sources)
      // What differs from VM to VM does not compress equally.
      const size = sizeAt(limit, `${text}${exampleKey}`)
      if (size.bytes <= size.maxBytes) continue
      const path = `the context of ${wanted.cloud} with ${wanted.image}${wanted.service === undefined ? '' : ` for ${wanted.service}`}`
      violations.add(path, `${size.bytes} bytes ${size.form}`, 'too large', `at most ${size.maxBytes}`)
    }
  }
  violations.settle('measuring contexts')
}
