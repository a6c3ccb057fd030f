/** What a VM has free for a job: each resource that running jobs hold is taken off. */

import { describe, expect, it } from 'vitest'
import type { ClassId, JobId } from '../../../core/kernel/ids.ts'
import type { Job } from '../../../core/model/job.ts'
import { noResources, type Resources } from '../../../core/model/resources.ts'
import type { Reservation } from '../../../core/model/reservation.ts'
import type { KeptVm } from '../../../core/model/vm.ts'
import { type ExplainPorts, explainJob } from '../../../services/jobs/explain.ts'
import { activeVm, alice, sampleRequirements, sampleSpec } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const gib = 1024 ** 3
const whole: Resources = { ...noResources, cores: 4, memoryBytes: 8 * gib, diskBytes: 16 * gib }
const requirements = sampleRequirements({ cores: { min: 1, max: 1 }, memoryBytes: 2 * gib, diskBytes: 2 * gib })

/** The only VM, of which running jobs hold this. */
async function explained(used: Partial<Resources>, reserved?: Pick<Reservation, 'classId' | 'untilMs'>) {
  const clock = virtualClock()
  const { classId, untilMs = 0 } = reserved ?? {}
  const kept = classId && { classId, jobId: 1 as JobId, sinceMs: clock.nowMs(), untilMs: clock.nowMs() + untilMs }
  const vm = activeVm('one', { ...whole, endByMs: clock.nowMs() + 10 ** 9, vos: [], reserved: kept || undefined })
  const one: KeptVm = { vm, leases: 1, used: { ...noResources, ...used } }
  const ports = {
    clock,
    offerings: [],
    measured: async () => [],
    policy: {},
    blocked: async () => [],
    store: {
      specs: async () => new Map([[1 as JobId, sampleSpec({ requirements })]]),
      next: async () => [{ id: 1 as JobId }],
      liveVms: async () => [one],
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

describe('a VM that keeps its room', () => {
  const busy = { cores: 3, memoryBytes: 7 * gib }
  const mine = { classId: 'class' as ClassId, untilMs: 1000 }
  const others = { classId: 'other' as ClassId, untilMs: 1000 }

  it('for the task queue of the job is what it waits for', async () => {
    expect(await explained(busy, mine)).toEqual({ finding: 'waits-for-reserved', broken: ['memory'], note: 'reserved' })
    expect(await explained({}, mine)).toMatchObject({ finding: 'waits-for-turn', broken: [] })
  })

  it('for another task queue has no room for it, whatever is free', async () => {
    const waits = { finding: 'waits-for-room', note: 'reserved-for-others' }
    expect(await explained({}, others)).toEqual({ ...waits, broken: [] })
    expect(await explained(busy, others)).toEqual({ ...waits, broken: ['memory'] })
  })

  it('has room as before when that time is over', async () => {
    expect(await explained({}, { ...others, untilMs: 0 })).toMatchObject({ finding: 'waits-for-turn', note: undefined })
  })
})
