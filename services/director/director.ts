/**
 * The director: turns waiting work into VMs, and keeps what is in the clouds and what is in the store one thing.
 *
 * One step is observe, compare, plan, execute; it takes no input, may be repeated at any time, and is safe to break off
 * anywhere: what it was about to do is found again in the store and in the clouds' lists. Any number of directors may run:
 * each plans for all clouds, so that no waiting job is counted twice. It observes, compares and executes only for the clouds
 * whose role lease it has, and only while it has it. Has no timers: the runtime makes the loop, and never runs two steps at
 * once.
 */

import { assert } from '../../core/kernel/assert.ts'
import type { FleetPlan } from '../../core/plan/fleet.ts'
import { planFleet } from '../../core/plan/plan-fleet.ts'
import { learnSizes } from '../../core/plan/measured-size.ts'
import { breakersNow } from '../../core/plan/headroom.ts'
import type { QueueCount } from '../../core/model/task-queue.ts'
import { cutTimes } from './cut-times.ts'
import { compare, type Compared, viewOfOthers } from './compare.ts'
import { type CloudLease, type Fleet, keepNote, type StepContext } from './cloud-lease.ts'
import { openCloudLeases, type OthersNotes, readNotes } from './cloud-leases.ts'
import { endVms, execute } from './execute.ts'
import { gateOf, readImages } from './image-gate.ts'
import { observe } from './observe.ts'
import type { DirectorOptions } from './options.ts'
import { ownLines, planKeeper } from './plan-note.ts'
import { readQueues } from './read-queues.ts'
import { stuckIn } from './stuck.ts'

export type Director = {
  /**
   * Observe, compare, plan, execute. Answers what of the plan is ours to do. Throws where the store fails; a cloud's
   * failures are part of the plan.
   */
  step(): Promise<FleetPlan>
  /** Resolves when no call to a cloud is under way. */
  settled(): Promise<void>
}

export function director(options: DirectorOptions): Director {
  const { store, clock, policy } = options
  const cloudLeases = openCloudLeases(options)
  const keeper = planKeeper(policy.planEveryMs, options)
  let isStepping = false

  async function step(): Promise<FleetPlan> {
    const leases = await cloudLeases.current()
    if (leases.length === 0) return { atMs: clock.nowMs(), lines: [] }
    const readings = await Promise.all(leases.map((cloudLease) => observe(cloudLease, options)))
    // After the lists: whatever they show has its record by now.
    const [live, queues, images] = await Promise.all([store.liveVms(), readQueues(store), readImages(options)])
    const fleet: Fleet = new Map(live.map((kept) => [kept.vm.id, kept]))
    const context: StepContext = { options, fleet, images, isAlone: leases.length === options.clouds.length }
    await cutTimes(context, leases)
    const compared: Compared[] = []
    for (const [at, cloudLease] of leases.entries()) {
      const vms = live.map(({ vm }) => vm)
      cloudLease.breakers.forget(fleet)
      cloudLease.breakers.learn(vms, clock.nowMs())
      cloudLease.sizes = learnSizes(cloudLease.sizes, vms, cloudLease.directed.cloud.name, clock.nowMs())
      compared.push(await compare(context, cloudLease, readings[at] ?? { ok: false, why: 'it was not read' }))
    }
    // Written before this director plans, so that the others plan with it no later.
    await Promise.all(compared.map((one) => noteFor(options, one)))
    const plan = planned(context, compared, await readNotes(options, leases), queues)
    await keeper.keep(plan, leases)
    await endVms(context, leases, plan.lines)
    await Promise.all(compared.map(({ cloudLease, reconciled }) => execute(context, cloudLease, plan.lines, reconciled)))
    // What the step's own calls have opened or closed.
    await Promise.all(compared.map((one) => emitBreakers(options, one)))
    return plan
  }

  return {
    async step() {
      assert(!isStepping, 'a director makes one step at a time')
      isStepping = true
      try {
        return await step()
      } finally {
        isStepping = false
      }
    },
    settled: () => cloudLeases.settled(),
  }
}

/** One plan over all clouds; of it, what is ours to do. */
function planned(
  { options, fleet, images }: StepContext,
  compared: readonly Compared[],
  notes: OthersNotes,
  queues: readonly QueueCount[],
): FleetPlan {
  const nowMs = options.clock.nowMs()
  const vms = [...fleet.values()]
  const clouds = options.clouds.map((directed) => {
    const own = compared.find(({ cloudLease }) => cloudLease.directed === directed)
    return own?.view ?? viewOfOthers(directed, notes.get(directed.cloud.name), gateOf(directed, images, nowMs), nowMs)
  })
  const leases: readonly CloudLease[] = compared.map(({ cloudLease }) => cloudLease)
  const kept = [
    ...leases.map(({ breakers }) => breakers.kept().breakers),
    ...[...notes.values()].map((note) => note?.breakers ?? []),
  ]
  const { services, policy } = options
  const plan = planFleet({ queues, vms, services, clouds, breakers: breakersNow(kept.flat(), vms, nowMs) }, policy, nowMs)
  return { ...plan, lines: ownLines(plan.lines, leases, options) }
}

/** The cloud as it is, and not as it was taken for the sake of the others. */
async function noteFor(options: DirectorOptions, { cloudLease, view }: Compared): Promise<void> {
  const { reading, strays, watchedSinceMs } = view
  const { quota } = cloudLease.memory
  await keepNote(options, cloudLease, { quota, reading, strays, watchedSinceMs, stuck: stuckIn(cloudLease.memory) })
}

async function emitBreakers(options: DirectorOptions, one: Compared): Promise<void> {
  await noteFor(options, one)
  const news = one.cloudLease.breakers.news()
  if (news.length === 0) return
  await options.store.emit(news, options.clock.nowMs())
  options.bus.hint({ kind: 'clouds', ids: [one.view.name] })
}
