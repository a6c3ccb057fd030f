/**
 * A machine's agents as a small state machine: boot, activate, speak, be idle, ask to stop, switch off; or crash, vanish,
 * hang or fall ill on the way.
 *
 * They ask the store as the service's edge would, over ways that lose messages, and know nothing of the director.
 */

import type { AgentConfig } from '../../core/model/agent-config.ts'
import type { Store } from '../../core/ports/store.ts'
import type { VmEvent } from '../../core/model/vm.ts'
import { activationHash } from '../../services/director/contextualize.ts'
import type { FakeMachine } from '../fake-cloud.ts'
import type { Site } from './sites.ts'
import type { World } from './world.ts'

type Fate = 'fine' | 'crash' | 'vanish' | 'hang' | 'ill'

const heartbeatIntervalMs = 30_000
const askAgainMs = 10_000
const giveUpMs = 6 * 60_000
/** Most VMs are soon idle; the others live long enough that every list must show them. */
const meanIdleMs = 60_000
const longIdleMs = 15 * 60_000
const longRate = 0.25
const lostRate = 0.05

export function bootMachine(world: World, truth: Store, site: Site, machine: FakeMachine): void {
  const { timeline } = world
  if (!Number.isFinite(machine.bootedMs)) return
  timeline.after(machine.bootedMs - timeline.clock.nowMs(), () => {
    if (isUp(site, machine)) runMachine(world, truth, site, machine)
  })
}

function isUp({ fake, faulty }: Site, machine: FakeMachine): boolean {
  return fake.isRunning(machine) && !faulty.isStuck(machine.ref)
}

function drawFate({ isRough, dice }: World): Fate {
  if (!isRough || dice.chance(0.7)) return 'fine'
  return dice.pick(['crash', 'vanish', 'hang', 'ill'])
}

type Answered = (is: 'ok' | 'no' | 'lost', state: string) => void

/** What the agents stand on: it may end under them at any moment. */
type Body = {
  readonly isIll: () => boolean
  /** Runs on the machine, if it is still up by then. */
  later(delayMs: number, run: () => void): void
  ask(event: VmEvent, answered: Answered): void
  switchOff(): void
}

function embody(world: World, truth: Store, site: Site, machine: FakeMachine, lifeMs: number): Body {
  const { timeline, dice, trace } = world
  const { clock } = timeline
  const fate = drawFate(world)
  const doomMs = clock.nowMs() + dice.between(0, lifeMs)

  function later(delayMs: number, run: () => void): void {
    timeline.after(delayMs, () => {
      if (!isUp(site, machine)) return
      if (fate !== 'fine' && fate !== 'ill' && clock.nowMs() >= doomMs) meet()
      else run()
    })
  }

  function meet(): void {
    trace.note({}, `machine ${machine.ref}: ${fate}`)
    if (fate === 'crash') machine.offMs = clock.nowMs()
    if (fate === 'vanish') machine.goneMs = Math.min(machine.goneMs, clock.nowMs())
    // Who hangs does nothing any more.
  }

  function ask(event: VmEvent, answered: Answered): void {
    const isLost = world.isRough && dice.chance(lostRate)
    const wayMs = dice.about(50)
    if (isLost && dice.chance(0.5)) {
      later(askAgainMs, () => answered('lost', ''))
      return
    }
    timeline.after(wayMs, () => {
      truth.changeVms([event], clock.nowMs()).then(([outcome]) => {
        const is = outcome?.ok ? 'ok' : 'no'
        const state = outcome?.ok ? outcome.vm.phase.state : ''
        later(isLost ? askAgainMs : wayMs, () => answered(isLost ? 'lost' : is, state))
      })
    })
  }

  return {
    isIll: () => fate === 'ill' && clock.nowMs() >= doomMs,
    later,
    ask,
    switchOff() {
      machine.offMs = Math.min(machine.offMs, clock.nowMs())
    },
  }
}

function runMachine(world: World, truth: Store, site: Site, machine: FakeMachine): void {
  const { timeline, dice } = world
  const { clock } = timeline
  const { vmId, activationKey } = JSON.parse(machine.order.userData) as AgentConfig
  const lifeMs = dice.about(dice.chance(longRate) ? longIdleMs : meanIdleMs)
  const bootedMs = clock.nowMs()
  const idleUntilMs = bootedMs + lifeMs
  const { isIll, later, ask, switchOff } = embody(world, truth, site, machine, lifeMs)

  function activate(): void {
    const keyHash = activationHash(activationKey)
    ask({ kind: 'activated', vmId, keyHash, nonceHash: machine.ref }, (is) => {
      if (is === 'ok') speak()
      else if (clock.nowMs() - bootedMs > giveUpMs) switchOff()
      else later(askAgainMs, activate)
    })
  }

  function speak(): void {
    const isIdle = !world.isRough || clock.nowMs() >= idleUntilMs
    if (isIdle) {
      askToStop('idle')
      return
    }
    const unhealthy = isIll() ? 'disk-full' : ''
    const load = { load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes: 1, payloads: 0, idleMs: 0 }
    ask(
      { kind: 'heartbeat', vmId, heartbeat: { ...load, atMs: clock.nowMs(), pilotState: 'idle', unhealthy } },
      (is, state) => {
        if (is === 'no' || state === 'Stopping') switchOff()
        else if (state === 'Draining') askToStop('drained')
        else later(is === 'lost' ? 0 : Math.min(heartbeatIntervalMs, Math.max(0, idleUntilMs - clock.nowMs())), speak)
      },
    )
  }

  function askToStop(why: string): void {
    ask({ kind: 'retire', vmId, why }, (is) => {
      if (is === 'lost') askToStop(why)
      else later(dice.between(0, 5000), switchOff)
    })
  }

  activate()
}
