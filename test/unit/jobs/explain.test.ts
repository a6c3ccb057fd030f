/** What a VM has free for a job: each resource that running jobs hold is taken off. */

import { expect, it } from 'vitest'
import type { ClassId, JobId } from '../../../core/kernel/ids.ts'
import type { Job } from '../../../core/model/job.ts'
import { noResources, type Resources } from '../../../core/model/resources.ts'
import type { KeptVm } from '../../../core/model/vm.ts'
import { type ExplainPorts, explainJob } from '../../../services/jobs/explain.ts'
import { activeVm, alice, sampleRequirements, sampleSpec } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const gib = 1024 ** 3
const whole: Resources = { ...noResources, cores: 4, memoryBytes: 8 * gib, diskBytes: 16 * gib }
const requirements = sampleRequirements({ cores: { min: 1, max: 1 }, memoryBytes: 2 * gib, diskBytes: 2 * gib })

/** The only VM, of which running jobs hold this. */
async function explained(used: Partial<Resources>) {
  const clock = virtualClock()
  const vm = activeVm('one', { ...whole, endByMs: clock.nowMs() + 10 ** 9, vos: [] })
  const kept: KeptVm = { vm, leases: 1, used: { ...noResources, ...used } }
  const ports = {
    clock,
    offerings: [],
    measured: async () => [],
    policy: {},
    blocked: async () => [],
    store: {
      specs: async () => new Map([[1 as JobId, sampleSpec({ requirements })]]),
      next: async () => [{ id: 1 as JobId }],
      liveVms: async () => [kept],
    },
  } as unknown as ExplainPorts
  const job = { ...alice, id: 1 as JobId, classId: 'class' as ClassId, phase: { state: 'Waiting' } } as unknown as Job
  const { finding, places } = await explainJob(ports, job)
  const broken = places[0]?.rules.filter(({ holds }) => !holds).map(({ rule }) => rule)
  return { finding: finding.kind, broken, note: places[0]?.note?.kind }
}

it('finds room where enough of everything is free', async () => {
  const used = { cores: 3, memoryBytes: 6 * gib, diskBytes: 14 * gib }
  expect(await explained(used)).toEqual({ finding: 'waits-for-turn', broken: [], note: undefined })
})

it.each([
  ['cores', { cores: 4 }],
  ['memory', { memoryBytes: 6 * gib + 1 }],
  ['disk', { diskBytes: 14 * gib + 1 }],
])('calls a VM busy whose %s is held by running jobs', async (rule, used) => {
  expect(await explained(used)).toEqual({ finding: 'waits-for-room', broken: [rule], note: 'busy' })
})
