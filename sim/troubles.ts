/**
 * What befalls the service, the machines and their agents, and what operators do, at random moments while the weather lasts.
 */

import type { SimService } from './life.ts'
import { type Ground, nowAndThen } from './ground.ts'
import type { Host } from './host-state.ts'
import { simProcess } from './process.ts'
import type { Switchboard } from './switchboard.ts'

const leaseMs = 90_000
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
