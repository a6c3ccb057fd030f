/**
 * What befalls the service, the machines and their agents, and what operators do, at random moments while the weather lasts.
 */

import type { SimService } from './life.ts'
import { type Ground, nowAndThen } from './ground.ts'
import type { Dice } from './dice.ts'
import type { Host } from './host-state.ts'
import { simProcess } from './process.ts'
import type { Switchboard } from './switchboard.ts'

const leaseMs = 90_000
const maxClockMoveMs = 15 * 60_000
const drainEveryMs = 4 * 60_000

export function troubleService(ground: Ground, service: SimService, switchboard: Switchboard): void {
  const { dice, weather } = ground
  nowAndThen(
    ground,
    () => weather.serviceKillsEveryMs,
    () => service.kill(dice.anyScale(200, 40_000)),
  )
  nowAndThen(
    ground,
    () => weather.storeCrawlsEveryMs,
    () => service.crawl(dice.anyScale(500, 30_000)),
  )
  nowAndThen(
    ground,
    () => weather.serviceStallsEveryMs,
    () => {
      const ms = dice.anyScale(1000, 2 * leaseMs)
      service.stall(ms)
      if (ms > 15_000) switchboard.breakAll()
    },
  )
}

/**
 * The clock of the service's host is set, ahead or back, or put right. Where machines are of no use for their clocks it is
 * left alone: which of them are is a matter of both clocks.
 */
export function troubleClock(ground: Ground): void {
  const { dice, weather, trace, clock, toll } = ground
  nowAndThen(
    ground,
    () => weather.serviceClockMovesEveryMs,
    () => {
      if (weather.useless?.kind === 'clock-off') return
      clock.aheadMs = clock.aheadMs === 0 || dice.chance(0.5) ? drawAheadMs(dice) : 0
      toll.clockMoves += 1
      trace.note({}, `the service's clock is set: now off by ${Math.round(clock.aheadMs)} ms`)
    },
  )
}

function drawAheadMs({ chance, anyScale }: Dice): number {
  return (chance(0.5) ? 1 : -1) * anyScale(2000, maxClockMoveMs)
}

/** One machine of those that run, each time. */
export function troubleHosts(ground: Ground, hosts: () => readonly Host[]): void {
  const { dice, weather } = ground
  const trouble = (everyMs: () => number, act: (host: Host) => void): void => {
    nowAndThen(ground, everyMs, () => {
      const running = hosts()
      if (running.length > 0) act(dice.pick(running))
    })
  }
  trouble(
    () => weather.cutsEveryMs,
    (host) => host.cut(dice.about(weather.cutMs)),
  )
  trouble(
    () => weather.vmClockMovesEveryMs,
    (host) => host.setClock(drawAheadMs(dice)),
  )
  trouble(
    () => weather.disksFillEveryMs,
    (host) => host.fillDisk(dice.about(weather.diskFullMs)),
  )
  trouble(
    () => weather.pilotKillsEveryMs,
    (host) => host.killPilot(dice.chance(0.1) ? Infinity : dice.anyScale(300, 60_000)),
  )
  trouble(
    () => weather.pilotStallsEveryMs,
    (host) => host.stallPilot(dice.anyScale(5000, 3 * leaseMs)),
  )
  trouble(
    () => weather.monitorKillsEveryMs,
    (host) => host.killMonitor(),
  )
  trouble(
    () => weather.vmCrashesEveryMs,
    (host) => host.crash(dice.chance(0.4)),
  )
  trouble(
    () => weather.vmHangsEveryMs,
    (host) => host.hang(dice.anyScale(2000, 5 * leaseMs)),
  )
}

/** Operators drain VMs, whatever the weather. */
export function operators(ground: Ground, switchboard: Switchboard): { rest(): void } {
  const { dice, vms, timeline } = ground
  const process = simProcess({ timeline })
  let isResting = false
  const drain = (): void => {
    if (isResting) return
    process.deliver(dice.about(drainEveryMs), drain)
    const live = vms.live()
    if (live.length === 0) return
    const vmId = dice.pick(live)
    switchboard.call(
      process,
      { cutUntilMs: 0 },
      async ({ store, clock, bus }) => {
        await store.changeVms([{ kind: 'drain', vmId, why: 'drained by an operator' }], clock.nowMs())
        bus.hint({ kind: 'vms', ids: [vmId] })
      },
      () => undefined,
    )
  }
  drain()
  return {
    rest() {
      isResting = true
    },
  }
}
