/**
 * Execute: what the plan and the comparison want, done: endings in the store first, then the calls to each cloud.
 *
 * Deletes of all VMs that are Stopping are asked for in every step, whatever the plan says. Clouds do not wait for each
 * other, and the step does not wait for a slow cloud for ever. Nothing begins on a cloud whose role lease is lost.
 */

import type { Offering } from '../../core/model/cloud.ts'
import type { PlanLine } from '../../core/plan/fleet.ts'
import { squidsAt } from '../../core/plan/services.ts'
import { refOf, type VmEvent } from '../../core/model/vm.ts'
import { type CloudHand, createAgain, createVm } from './create.ts'
import { change, type CloudLease, type StepContext } from './cloud-lease.ts'
import { destroyOrphan, destroyVm } from './destroy.ts'
import { eachOf, runSerially } from './serial-queue.ts'
import type { Reconciled } from './reconcile.ts'

export async function endVms(
  context: StepContext,
  leases: readonly CloudLease[],
  lines: readonly PlanLine[],
): Promise<void> {
  const events: VmEvent[] = []
  for (const line of lines) {
    if (line.kind === 'create' || line.kind === 'hold') continue
    const cloudLease = leases.find(({ directed }) => directed.cloud.name === line.cloud)
    if (!cloudLease?.isHeld()) continue
    const { kind, vmId, reason: why, ifContactMs, faultUnless, failure } = line
    events.push({ kind, vmId, why, ifContactMs, faultUnless, failure })
  }
  // Of a VM that came up in this moment nothing is ended, and it is not to blame.
  const taken = await change(context, events)
  for (const { breakers } of leases) breakers.learn(taken, context.options.clock.nowMs())
}

/** All that is to be asked of one cloud. */
export async function execute(
  context: StepContext,
  cloudLease: CloudLease,
  lines: readonly PlanLine[],
  reconciled?: Reconciled,
): Promise<void> {
  const { options, fleet } = context
  const { clock, policy, log } = options
  const { name } = cloudLease.directed.cloud
  const hand: CloudHand = { ...cloudLease, options }
  let isLate = false
  // What was not begun when the step went on belongs to the next plan, which may want it elsewhere.
  const make = async (offering: Offering, reason: string): Promise<void> => {
    if (isLate) return
    const squids = squidsAt([...fleet.values()], offering.site, clock.nowMs())
    await createVm(hand, offering, { reason, squids })
  }
  const work: (() => Promise<void>)[] = []
  for (const { vm } of fleet.values()) {
    const isEnding = vm.cloud === name && vm.phase.state === 'Stopping' && refOf(vm.phase) !== ''
    if (isEnding) work.push(() => destroyVm(hand, vm))
  }
  for (const orphan of reconciled?.orphans ?? []) work.push(() => destroyOrphan(hand, orphan))
  for (const { id } of reconciled?.again ?? []) {
    const vm = fleet.get(id)?.vm
    if (vm?.phase.state === 'Intended') work.push(() => createAgain(hand, vm))
  }
  for (const line of lines) {
    if (line.kind !== 'create' || line.cloud !== name) continue
    for (let count = 0; count < line.count; count += 1) work.push(() => make(line.offering, line.reason))
  }
  if (work.length === 0) return
  const outcome = await runSerially(
    cloudLease.serialQueue,
    () => eachOf(work, policy.calls, async (run) => (cloudLease.isHeld() ? await run() : undefined)),
    {
      clock,
      waitMs: policy.waitMs,
      onLateError: (error) => log.error({ cloud: name, error }, 'late work on a cloud failed'),
    },
  )
  isLate = outcome.kind !== 'done'
  if (isLate) log.warn({ cloud: name, kind: outcome.kind }, 'a cloud is slow: the step goes on without it')
}
