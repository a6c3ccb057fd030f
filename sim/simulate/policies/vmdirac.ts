/**
 * VMDIRAC's rule, as its CloudDirector has it: at each endpoint one VM per waiting job, less the VMs of that endpoint that
 * are new or submitted.
 *
 * Every endpoint sees the same jobs, so k endpoints make up to k VMs per job; the free cores of VMs that run are not looked
 * at. A VM looks at itself every 600 s and halts if it did nothing in the second half of that time. A refused create is
 * counted and asked for again in the next cycle. No VM that crashed is ever deleted.
 *
 * In favour of VMDIRAC: its default of one VM per cycle and type (`MaxVMsToSubmit`) is left out, the cloud's own
 * `limits.maxCreatesPerStep` holds instead; and the halt works, which was commented out in its monitor for years.
 */

import { type Decision, type PolicyCloud, type PolicyMaker, type PolicyView, roomFor, type Tally } from './policy.ts'

/** The default of DIRAC's agents. */
const pollMs = 120_000
const windowMs = 600_000

export const vmdirac: PolicyMaker = {
  name: 'vmdirac',
  summary: 'one VM per waiting job at each endpoint, less those that are starting there',
  open: () => ({
    name: 'vmdirac',
    intervalMs: pollMs,
    idle: { timeoutMs: windowMs / 2, lookEveryMs: windowMs },
    hasBreakers: false,
    plan: (view) => view.clouds.flatMap((cloud) => ofEndpoint(view, cloud)),
  }),
}

/** VM types are asked in the order of the site, and not in a random one: the first that has room gets all. */
function ofEndpoint(view: PolicyView, cloud: PolicyCloud): readonly Decision[] {
  const decisions: Decision[] = []
  const tally: Tally = { ...cloud.tally }
  const reason = `${view.waiting.jobs} jobs wait and ${tally.coming} VMs are starting`
  for (const offering of cloud.offerings) {
    const wanted = view.waiting.jobs - tally.coming
    const count = Math.min(roomFor({ ...cloud, tally }, offering), wanted, cloud.limits.maxCreatesPerStep)
    if (count <= 0) continue
    tally.vms += count
    tally.coming += count
    tally.cores += count * offering.cores
    tally.memoryBytes += count * offering.memoryBytes
    decisions.push({ kind: 'create', offering, count, reason })
  }
  return decisions
}
