/**
 * A past of a given number of jobs, in an embedded store: a random one of all kinds first, then as many more as are wanted,
 * of which most have run. Made by nothing but the store's own operations.
 */

import type { AttemptRef, JobId } from '../../core/kernel/ids.ts'
import type { JobEvent } from '../../core/model/job-event.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { Store } from '../../core/ports/store.ts'
import type { Random } from '../../core/kernel/random.ts'
import { fillAtRandom } from '../support/random-store.ts'
import { activeVm, alice, bob, sampleResult, sampleSpec, sampleSubmission } from '../../sim/samples.ts'

const randomSteps = 200
const submittedAtOnce = 1000
const laterMs = 1_000_000
const leaseMs = 60_000

export async function makePast(store: Store, random: Random, jobs: number): Promise<void> {
  await fillAtRandom(store, random, randomSteps)
  const vm = activeVm('mover', { intendedMs: laterMs })
  await store.intend(vm, laterMs)
  for (let nowMs = laterMs; ; nowMs += 1000) {
    const left = jobs - (await countOf(store))
    if (left <= 0) return
    const specs = Array.from({ length: Math.min(left, submittedAtOnce) }, (_, at) => specOf(random, at))
    const answer = await store.submit(sampleSubmission(specs, random.next() < 0.5 ? alice : bob), nowMs)
    if (!answer.ok) throw new Error('a submission without a key was refused')
    const first = answer.firstId
    const events = specs.flatMap((_, at): JobEvent[] => {
      const jobId = (first + at) as JobId
      const isHeld = at % 10 === 9
      if (isHeld) return [{ kind: 'hold', jobId, by: alice.owner, why: 'later' }]
      return at % 10 === 8 ? [] : [{ kind: 'claim', jobId, vmId: vm.id, cores: 1, untilMs: nowMs + leaseMs }]
    })
    const outcomes = await store.change(events, nowMs + 1)
    const refs = outcomes.flatMap((outcome): AttemptRef[] =>
      outcome.ok && outcome.job.phase.state === 'Matched' ? [{ jobId: outcome.job.id, attempt: outcome.job.attempt }] : [],
    )
    const ended = refs.map((ref) => ({ ...ref, kind: 'ended', vmId: vm.id, result: resultOf(random) }) as const)
    await store.change(ended, nowMs + 2)
  }
}

export async function countOf(store: Pick<Store, 'counts'>): Promise<number> {
  return (await store.counts()).reduce((sum, { count }) => sum + count, 0)
}

function specOf(random: Random, at: number): JobSpec {
  const words = [`--event=${Math.floor(random.next() * 1e9)}`, '--out', `/data/run-${at}.root`]
  return sampleSpec({ name: `simulate ${at}`, executable: '/usr/bin/simulate', arguments: words, priority: at % 3 })
}

function resultOf(random: Random) {
  return sampleResult({ exitCode: random.next() < 0.9 ? 0 : 1, cpuMs: Math.floor(random.next() * 1e6) })
}
