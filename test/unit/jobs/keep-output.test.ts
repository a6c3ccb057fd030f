/** Who may bring an output, and that it arrives once. */

import { describe, expect, it } from 'vitest'
import type { ClassId, JobId, VmId } from '../../../core/kernel/ids.ts'
import type { Job, Phase } from '../../../core/model/job.ts'
import { outputKeeper } from '../../../services/jobs/keep-output.ts'
import { alice, sampleResult } from '../../../sim/samples.ts'

const [one, two] = ['vm-aaaaaaaaaa', 'vm-bbbbbbbbbb'] as [VmId, VmId]
const lease = { vmId: one, cores: 1, claimedMs: 1, untilMs: 9 }

/** Keeps what comes, over one job on its second attempt. */
function world(phase: Phase) {
  const job: Job = {
    ...alice,
    id: 7 as JobId,
    classId: 'class' as ClassId,
    name: '',
    priority: 0,
    maxAttempts: 3,
    machineLosses: 0,
    maxMachineLosses: 10,
    jobGroup: '',
    jobType: '',
    submittedMs: 1,
    changedMs: 2,
    attempt: 2,
    phase,
  }
  const kept: string[] = []
  const { keep } = outputKeeper({
    store: { jobs: async (ids) => (ids.includes(job.id) ? [job] : []) },
    sandbox: {
      async keep({ jobId, attempt }, name, pieces) {
        let bytes = 0
        for await (const piece of pieces) bytes += piece.length
        kept.push(`${jobId}.${attempt} ${name}`)
        return bytes
      },
    },
  })
  return { keep, kept }
}

const attempt = (number: number, jobId = 7) => ({ jobId: jobId as JobId, attempt: number })
const running: Phase = { state: 'Running', lease, startedMs: 3 }

async function* five(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(5)
}

describe('an output', () => {
  it('is kept for the VM that has the lease', async () => {
    const { keep, kept } = world(running)
    expect(await keep(one, { attempt: attempt(2), name: 'stderr', pieces: five() })).toBe(5)
    expect(kept).toEqual(['7.2 stderr'])
  })

  it.each([
    ['of another VM', running, two, attempt(2)],
    ['of an older attempt', running, one, attempt(1)],
    ['of an unknown job', running, one, attempt(2, 8)],
    ['of a job that waits', { state: 'Waiting' }, one, attempt(2)],
    ['of a job that has ended', { state: 'Done', lease, result: sampleResult() }, one, attempt(2)],
  ] as const)('%s is refused', async (_, phase, vmId, ref) => {
    const { keep, kept } = world(phase)
    const text = `attempt ${ref.jobId}.${ref.attempt} is not held by ${vmId}`
    const refused = { code: 'forbidden', message: text }
    await expect(keep(vmId, { attempt: ref, name: 'stdout', pieces: five() })).rejects.toMatchObject(refused)
    expect(kept).toEqual([])
  })

  it('arrives on one stream at a time, and again after that stream has ended, whichever way', async () => {
    const { keep, kept } = world(running)
    const upload = (pieces: AsyncIterable<Uint8Array>) => keep(one, { attempt: attempt(2), name: 'stdout', pieces })
    const gate = Promise.withResolvers<void>()
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1)
      await gate.promise
      throw new Error('broken off')
    }
    const first = upload(broken())
    await expect(upload(five())).rejects.toMatchObject({ code: 'overloaded' })
    expect(await keep(one, { attempt: attempt(2), name: 'stderr', pieces: five() })).toBe(5)
    gate.resolve()
    await expect(first).rejects.toThrow('broken off')
    expect(await upload(five())).toBe(5)
    expect(kept).toEqual(['7.2 stderr', '7.2 stdout'])
  })
})
