/**
 * The director: turns waiting work into VMs, and keeps what is in the clouds and what is in the store one thing.
 *
 * One step is observe, compare, plan, execute; it takes no input, may be repeated at any time, and is safe to break off
 * anywhere: what it was about to do is found again in the store and in the clouds' lists. Holds no timers: the runtime makes
 * the loop, and never runs two steps at once.
 */

import { assert } from '../../core/assert.ts'
import type { BreakerPolicy } from '../../core/cloud.ts'
import { type FleetPlan, planFleet } from '../../core/fleet.ts'
import { type Breakers, openBreakers } from './breakers.ts'
import { compare, type Compared } from './compare.ts'
import type { Desk, StepContext } from './desk.ts'
import { endVms, execute } from './execute.ts'
import { newMemory } from './memory.ts'
import { observe } from './observe.ts'
import type { DirectedCloud, DirectorOptions } from './options.ts'
import { planKeeper } from './plan-note.ts'

export type Director = {
  /** Observe, compare, plan, execute. Throws where the store fails; a cloud's failures are part of the plan. */
  step(): Promise<FleetPlan>
  /** Resolves when no call to a cloud is under way. */
  settled(): Promise<void>
}

export function director(options: DirectorOptions): Director {
  const { store, bus, clock, policy } = options
  const desks: readonly Desk[] = options.clouds.map((directed) => ({ directed, memory: newMemory() }))
  const keeper = planKeeper(policy.planEveryMs, options)
  let opened: Breakers | undefined
  let watchedSinceMs: number | undefined
  let isStepping = false

  async function step(): Promise<FleetPlan> {
    watchedSinceMs ??= clock.nowMs()
    opened ??= await openBreakers(store, (name) => breakerPolicy(options.clouds, name))
    const breakers = opened
    const readings = await Promise.all(desks.map(({ directed, memory }) => observe(directed, memory, options)))
    // After the lists: whatever they show has its record by now.
    const [live, queues] = await Promise.all([store.liveVms(), store.queues()])
    const fleet = new Map(live.map((kept) => [kept.vm.id, kept]))
    const context: StepContext = { options, breakers, fleet, watchedSinceMs }
    breakers.learn(live)
    const compared: Compared[] = []
    for (const [at, desk] of desks.entries()) {
      compared.push(await compare(context, desk, readings[at] ?? { ok: false, why: 'it was not read' }))
    }
    const nowMs = clock.nowMs()
    const vms = [...fleet.values()]
    const clouds = compared.map(({ view }) => view)
    const plan = planFleet({ queues, vms, clouds, breakers: breakers.now(vms, nowMs), watchedSinceMs }, policy, nowMs)
    await keeper.keep(plan)
    await endVms(context, plan.lines)
    await Promise.all(desks.map((desk, at) => execute(context, desk, plan.lines, compared[at]?.reconciled)))
    const turned = await breakers.keep(clock.nowMs())
    if (turned.length > 0) bus.hint({ kind: 'clouds', ids: turned })
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
    async settled() {
      await Promise.all(desks.map(({ memory }) => memory.busy))
    },
  }
}

function breakerPolicy(clouds: readonly DirectedCloud[], name: string): BreakerPolicy {
  const directed = clouds.find(({ cloud }) => cloud.name === name)
  assert(directed !== undefined, `cloud ${name} is directed`)
  return directed.breaker
}
