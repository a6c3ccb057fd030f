/** How long a job may run on a new VM: submission, explanation, the list of task queues and the plan say the same. */

import { expect, it } from 'vitest'
import { offeredBy, type Offering } from '../../../core/model/cloud.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { explain } from '../../../services/jobs/explain.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { listTaskQueues } from '../../../services/jobs/task-queues.ts'
import { alice, sampleRequirements, sampleSpec, sampleVm } from '../../../sim/samples.ts'
import { openWorld } from '../director/world.ts'
import { asAlice, openQueue } from './open-queue.ts'

const minute = 60_000
const [lifeMs, bootMs] = [60 * minute, 5 * minute]

async function said(wallMs: number) {
  const test = await openQueue()
  const offering: Offering = sampleVm('offering')
  const ports = { ...test.queue, offerings: [offeredBy(offering, { lifeMs, bootMs })] }
  const jobs = [sampleSpec({ requirements: sampleRequirements({ wallMs }) })]
  const { jobIds, warnings } = await submit(ports, { owner: alice, jobs, idempotencyKey: '' })
  const { finding } = await explain(ports, asAlice, jobIds[0] as JobId)
  const { queues } = await listTaskQueues(ports, asAlice, 1)
  const warned = warnings.map(({ code }) => code)
  return [warned.length === 0, finding.kind !== 'no-fit', queues[0]?.waitsFor.kind !== 'nothing']
}

it.each([
  [lifeMs - bootMs, true],
  [lifeMs - bootMs + 1, false],
  [lifeMs, false],
])('of %i ms fits everywhere or nowhere: %s', async (wallMs, fits) => {
  expect(await said(wallMs)).toEqual([fits, fits, fits])
  const world = openWorld({ directed: { lifeMs, bootMs } })
  await world.submit(1, { wallMs })
  const { lines } = await world.step()
  expect(lines.some(({ kind }) => kind === 'create')).toBe(fits)
})
