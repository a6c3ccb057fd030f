/**
 * Record: applies changes of VMs to the store, and gives up at once the leases of a VM that has ended.
 *
 * The jobs need not wait for their leases to run out: a VM that is gone, failed or lost reports nothing any more, and what
 * it may still send carries an old fence.
 */

import type { JobEvent } from '../../core/model/job-event.ts'
import type { VmOutcome } from '../../core/ports/store.ts'
import { isOver, type Vm, type VmEvent } from '../../core/model/vm.ts'
import type { DirectorOptions } from './options.ts'

export type Recorder = Pick<DirectorOptions, 'store' | 'bus' | 'clock' | 'log' | 'outcomes'>

/** Answers each event in its order. */
export async function record(recorder: Recorder, events: readonly VmEvent[]): Promise<readonly VmOutcome[]> {
  const { store, bus, clock } = recorder
  if (events.length === 0) return []
  const outcomes = await store.changeVms(events, clock.nowMs())
  const changed = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.vm] : []))
  for (const vm of changed) if (isOver(vm.phase)) await giveUpLeases(recorder, vm)
  if (changed.length > 0) bus.hint({ kind: 'vms', ids: changed.map(({ id }) => id) })
  return outcomes
}

async function giveUpLeases({ store, clock, log, outcomes: published }: Recorder, { id, phase }: Vm): Promise<void> {
  const jobs = await store.leasesOn(id)
  if (jobs.length === 0) return
  const why = `vm ${id} ${phase.state}: ${'why' in phase ? phase.why : ''}`
  const events = jobs.map((job): JobEvent => ({ kind: 'lost', jobId: job.id, attempt: job.attempt, why }))
  const outcomes = await store.change(events, clock.nowMs())
  log.warn({ vm: id, jobs: outcomes.filter(({ ok }) => ok).length }, why)
  await published.changed(outcomes)
}
