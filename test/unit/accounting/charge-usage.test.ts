import { beforeEach, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { JobEvent } from '../../../core/model/job-event.ts'
import { chargeUsage } from '../../../services/accounting/charge-usage.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { openOutcomes, type Outcomes } from '../../../services/outcomes/outcomes.ts'
import { activeVm, sampleResult, sampleSpec, sampleSubmission } from '../../../sim/samples.ts'
import { type VirtualClock, virtualClock } from '../../support/virtual-clock.ts'

const minute = 60_000
const vm = activeVm('a', { endByMs: 10 ** 13 })

let clock: VirtualClock
let store: ReturnType<typeof memoryStore>
let outcomes: Outcomes
let charges: number[]

beforeEach(async () => {
  clock = virtualClock()
  store = memoryStore()
  outcomes = openOutcomes()
  charges = []
  outcomes.react(chargeUsage({ charge: (_owner, { cores, ranMs }) => void charges.push(cores * ranMs) }, clock))
  await store.intend(vm, clock.nowMs())
})

const change = async (event: JobEvent): Promise<void> => outcomes.changed(await store.change([event], clock.nowMs()))

/** A job of which an attempt runs on two cores, ten minutes after its claim. */
async function runs(tries = 3): Promise<JobId> {
  const spec = sampleSpec({ maxAttempts: tries, maxMachineLosses: tries })
  const submitted = await store.submit(sampleSubmission([spec]), clock.nowMs())
  if (!submitted.ok) throw new Error(submitted.why)
  const jobId = submitted.firstId
  await change({ kind: 'claim', jobId, vmId: vm.id, cores: 2, untilMs: clock.nowMs() + 60 * minute })
  await change({ kind: 'running', jobId, attempt: 1, vmId: vm.id, startedMs: clock.nowMs() })
  await change({ kind: 'renew', jobId, attempt: 1, vmId: vm.id, untilMs: clock.nowMs() + 60 * minute })
  await clock.advance(10 * minute)
  expect(charges).toEqual([])
  return jobId
}

const attempt = { attempt: 1, vmId: vm.id }
const ways: readonly [string, (jobId: JobId) => JobEvent][] = [
  ['it exits', (jobId) => ({ kind: 'ended', jobId, ...attempt, result: sampleResult() })],
  ['its executable fails', (jobId) => ({ kind: 'ended', jobId, ...attempt, result: sampleResult({ exitCode: 1 }) })],
  ['the pilot lost it', (jobId) => ({ kind: 'ended', jobId, ...attempt, result: sampleResult({ end: 'abandoned' }) })],
  ['its lease or its VM is lost', (jobId) => ({ kind: 'lost', jobId, attempt: 1, why: 'the VM is lost' })],
]

it.each(ways)('an owner is charged once for an attempt that ends because %s', async (_, event) => {
  for (const tries of [3, 1]) {
    charges = []
    const jobId = await runs(tries)
    await change(event(jobId))
    await change(event(jobId))
    expect(charges).toEqual([2 * 10 * minute])
  }
})

it('an owner is not charged for jobs that never started', async () => {
  const submitted = await store.submit(sampleSubmission([sampleSpec()]), clock.nowMs())
  if (!submitted.ok) throw new Error(submitted.why)
  for (const kind of ['hold', 'release', 'kill'] as const) {
    await change({ kind, jobId: submitted.firstId, by: 'alice', why: '' })
  }
  expect(charges).toEqual([])
})
