/** What VMs of an offering were found to have: submission, explanation and the list of task queues say the same of it. */

import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import { bytesText } from '../../../core/kernel/quantities.ts'
import { cloudNote, noteText } from '../../../core/plan/cloud-note.ts'
import type { MeasuredSize } from '../../../core/plan/measured-size.ts'
import { measuredSizes } from '../../../services/director/measured-sizes.ts'
import { explain } from '../../../services/jobs/explain.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { listTaskQueues } from '../../../services/jobs/task-queues.ts'
import { explanationView } from '../../../services/views/explanation.ts'
import { alice, sampleRequirements, sampleSpec, sampleVm } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'
import { asAlice, openQueue } from './open-queue.ts'

const gib = 1024 ** 3
const promised = { cores: 8, memoryBytes: 24 * gib, diskBytes: 100 * gib }
const offering = sampleVm('offering', promised)
const measured = (memoryBytes: number): MeasuredSize => {
  const { cloud, flavor, image, id } = offering
  return { cloud, flavor, image, promised, size: { ...promised, memoryBytes }, vmId: id, atMs: 1_000_000 }
}

async function said(memoryBytes: number) {
  const test = await openQueue()
  const sizes = async () => [measured(23.5 * gib)]
  const ports = { ...test.queue, offerings: [{ ...offering, usableMs: 10 ** 9 }], measured: sizes }
  const jobs = [sampleSpec({ requirements: sampleRequirements({ memoryBytes }) })]
  const { jobIds, warnings } = await submit(ports, { owner: alice, jobs, idempotencyKey: '' })
  const explained = await explain(ports, asAlice, jobIds[0] as JobId)
  const { queues } = await listTaskQueues(ports, asAlice, 1)
  const isFit = [warnings.length === 0, explained.finding.kind !== 'no-fit', queues[0]?.waitsFor.kind === 'vm']
  return { isFit, summary: explanationView(explained).summary }
}

describe('a job is said', () => {
  // 23.25 GiB queues in a class of 24 GiB, and fits what was found all the same.
  it.each([12, 23.25, 23.5])('to fit an offering of 24 GiB that has 23.5, if it wants %f GiB', async (wanted) => {
    expect((await said(wanted * gib)).isFit).toEqual([true, true, true])
  })

  it.each([23.625, 24])('not to fit it, with both numbers, if it wants %f GiB', async (wanted) => {
    const { isFit, summary } = await said(wanted * gib)
    expect(isFit).toEqual([false, false, false])
    expect(summary).toContain(`wanted ${bytesText(wanted * gib)}, offered 23.5 GiB (measured; promised: 24 GiB)`)
  })
})

describe('what was found is read from the notes of the directors', () => {
  const note = noteText({
    quota: { vms: Infinity, cores: Infinity, memoryBytes: Infinity },
    strays: { vms: 0, cores: 0, memoryBytes: 0 },
    watchedSinceMs: 0,
    fence: 1,
    reading: { failure: '', implausible: '' },
    breakers: [],
    sizes: [measured(gib)],
  })

  it('once in a few seconds, however many ask, and stays known where it cannot be read', async () => {
    const clock = virtualClock()
    let reads = 0
    let answer = async (): Promise<string | undefined> => note
    const store = {
      async note(name: string) {
        reads += 1
        return name === cloudNote('here') ? await answer() : undefined
      },
    }
    const ask = measuredSizes(store, ['here', 'away'], clock)
    expect(await Promise.all([ask(), ask(), ask()])).toEqual(Array(3).fill([measured(gib)]))
    expect(reads).toBe(2)
    answer = () => Promise.reject(new Error('away'))
    expect(await ask()).toEqual([measured(gib)])
    await clock.advance(5000)
    expect(await ask()).toEqual([measured(gib)])
    expect(reads).toBe(4)
    answer = async () => undefined
    await clock.advance(5000)
    expect(await ask()).toEqual([])
  })
})
