/**
 * A machine from its boot to its end: the two agents on it, what survives them on its disk, and the payloads that run there.
 *
 * The cloud says whether the machine runs; everything on it dies with it at that very moment. What is on the disk outlives
 * the agents and not the machine.
 */

import type { AgentConfig } from '../core/model/agent-config.ts'
import type { FakeMachine } from './fake-cloud.ts'
import type { SimCloud } from './clouds.ts'
import type { Ground } from './ground.ts'
import { type Monitor, startMonitor } from './monitor-process.ts'
import { simPayloads } from './host-payloads.ts'
import type { Pilot, Host } from './host-state.ts'
import { startPilotProcess } from './pilot-process.ts'
import { type SimProcess, simProcess } from './process.ts'
import { type Uselessness, type UselessBooks, uselessnessOf } from './useless.ts'
import type { Switchboard } from './switchboard.ts'

/** What a host is made of, and what troubles change of it. */
type Inside = {
  readonly machine: FakeMachine
  readonly processes: Set<SimProcess>
  /** What is started on a machine that hangs waits with it. */
  hangsUntilMs: number
  readonly uselessness: Uselessness | undefined
  readonly useless: UselessBooks
  /** Its wall clock less the true one. */
  skewMs: number
  pilot: Pilot | undefined
  monitor: Monitor | undefined
}

const isUselessAtOnce: ReadonlySet<Uselessness> = new Set(['never-starts', 'clock-off', 'disk-full'])
const restartMs = 5000
const uselessSkewMs = 5 * 60_000
/** Keepalive breaks a stream whose peer is silent for longer than this. */
const silenceMs = 15_000

export type HostPlace = {
  readonly ground: Ground
  readonly switchboard: Switchboard
  readonly useless: UselessBooks
}

export function bootHost({ ground, switchboard, useless }: HostPlace, { fake }: SimCloud, machine: FakeMachine): Host {
  const { dice, timeline, trace } = ground
  const config = JSON.parse(machine.order.userData) as AgentConfig
  const { vmId } = config
  // Most clocks are good; some are off, and a few so much that the monitor has to say so.
  const usualMs = dice.chance(0.7) ? 0 : dice.chance(0.9) ? dice.between(-20_000, 20_000) : dice.pick([-90_000, 90_000])
  const uselessness = uselessnessOf(ground.weather.useless, machine)
  const skewMs = uselessness === 'clock-off' ? uselessSkewMs : usualMs
  const size = uselessness === 'smaller' ? { ...config.size, cores: config.size.cores - 1 } : config.size
  const fullSinceMs = uselessness === 'disk-full' ? timeline.nowMs() : undefined
  const isRunning = (): boolean => fake.isRunning(machine)
  const processes = new Set<SimProcess>()
  const newProcess = (): SimProcess => {
    const process = simProcess({ timeline, skewMs: () => inside.skewMs, isGrounded: isRunning })
    process.stall(inside.hangsUntilMs - timeline.nowMs())
    processes.add(process)
    return process
  }
  const agents = { pilot: undefined, monitor: undefined }
  const inside: Inside = { machine, processes, hangsUntilMs: -Infinity, uselessness, useless, skewMs, ...agents }
  const host: Host = {
    vmId,
    config,
    size,
    disk: { journal: [], nonce: '', credential: '', pilotStatus: undefined, fullSinceMs },
    link: { cutUntilMs: 0 },
    payloads: simPayloads({
      ...{ vmId, size: config.size, ground, newProcess, isRunning },
      keepsAll: uselessness === 'keeps-payloads',
      isDiskFull: () => host.disk.fullSinceMs !== undefined,
    }),
    ground,
    switchboard,
    isRunning,
    newProcess,
    pilot: () => inside.pilot,
    wasUsed: () => host.payloads.started() > 0,
    powerOff: (reason) => powerOff(host, inside, reason),
    crash: (vanishes) => crash(host, inside, vanishes),
    hang: (ms) => hang(host, inside, ms),
    cut: (ms) => cut(host, ms),
    setClock: (aheadMs) => setClock(host, inside, aheadMs),
    fillDisk: (ms) => fillDisk(host, ms),
    stallPilot: (ms) => stallPilot(host, inside, ms),
    killPilot: (backMs) => killPilot(host, inside, backMs),
    killMonitor: () => killMonitor(host, inside),
  }
  if (uselessness && isUselessAtOnce.has(uselessness)) useless.count(machine, uselessness, timeline.clock.nowMs())
  if (uselessness) trace.note({ vmId }, `is of no use: ${uselessness}`)
  trace.note({ vmId }, `boots, its clock is off by ${Math.round(skewMs)} ms`)
  inside.monitor = startMonitor(host)
  startPilot(host, inside)
  return host
}

function startPilot(host: Host, inside: Inside): void {
  const { ground, disk } = host
  if (!host.isRunning() || inside.uselessness === 'never-starts') return
  // It cannot write its journal, and is started again by its machine.
  if (disk.fullSinceMs !== undefined && ground.dice.chance(0.5))
    ground.timeline.after(restartMs, () => startPilot(host, inside))
  else inside.pilot = startPilotProcess(host)
}

function powerOff(host: Host, { machine, uselessness, useless }: Inside, reason: string): void {
  const { vmId, ground } = host
  const { jobs, vms, trace, timeline, violations } = ground
  const leases = jobs.leasesOn(vmId)
  trace.note({ vmId }, `switches itself off: ${reason}`)
  const isScaleDown = vms.entries.get(vmId)?.why === 'retire'
  violations.check(!isScaleDown || leases === 0, 'busyVm', { vmId }, () => `off with ${leases} live leases: ${reason}`)
  machine.offMs = Math.min(machine.offMs, timeline.clock.nowMs())
  if (uselessness === 'smaller' && !host.wasUsed()) useless.count(machine, uselessness, timeline.clock.nowMs())
}

function crash(host: Host, { machine }: Inside, vanishes: boolean): void {
  const { vmId, ground, switchboard } = host
  ground.toll.crashes += 1
  ground.trace.note({ vmId }, vanishes ? 'the machine vanishes' : 'the machine crashes')
  const nowMs = ground.timeline.clock.nowMs()
  if (vanishes) machine.goneMs = Math.min(machine.goneMs, nowMs)
  machine.offMs = Math.min(machine.offMs, nowMs)
  switchboard.breakStream(vmId)
}

function hang(host: Host, inside: Inside, ms: number): void {
  const { vmId, ground, switchboard } = host
  ground.toll.stalls += 1
  ground.trace.note({ vmId }, `the machine hangs for ${Math.round(ms)} ms`)
  ground.payloads.excuse(vmId)
  inside.hangsUntilMs = Math.max(inside.hangsUntilMs, ground.timeline.nowMs() + ms)
  for (const process of inside.processes) process.stall(ms)
  if (ms > silenceMs) switchboard.breakStream(vmId)
}

/** Half of the cuts begin on one side: messages to the VM are lost while messages from it still arrive. */
function cut(host: Host, ms: number): void {
  const { vmId, ground, switchboard, link } = host
  const { timeline, trace, dice, toll } = ground
  toll.cuts += 1
  const deafMs = dice.chance(0.5) ? dice.between(0, silenceMs) : 0
  trace.note({ vmId }, `cut off for ${Math.round(ms)} ms, deaf for ${Math.round(deafMs)} ms before`)
  if (deafMs > 0) switchboard.deafen(vmId)
  timeline.after(deafMs, () => {
    link.cutUntilMs = timeline.nowMs() + ms
    // The VM cannot distinguish a lost message from one that was never sent: such a stream must not live on.
    if (ms > silenceMs || deafMs > 0) switchboard.breakStream(vmId)
  })
}

function setClock({ vmId, ground }: Host, inside: Inside, aheadMs: number): void {
  ground.trace.note({ vmId }, `its clock is set: now off by ${Math.round(aheadMs)} ms`)
  inside.skewMs = aheadMs
}

function fillDisk({ vmId, ground, disk }: Host, ms: number): void {
  if (disk.fullSinceMs !== undefined) return
  const { timeline, trace } = ground
  trace.note({ vmId }, `its disk is full for ${Math.round(ms)} ms`)
  disk.fullSinceMs = timeline.nowMs()
  timeline.after(ms, () => {
    disk.fullSinceMs = undefined
  })
}

function stallPilot(host: Host, { pilot }: Inside, ms: number): void {
  const { vmId, ground, switchboard } = host
  if (!pilot) return
  ground.toll.stalls += 1
  ground.trace.note({ vmId }, `the pilot stands still for ${Math.round(ms)} ms`)
  ground.payloads.excuse(vmId)
  pilot.process.stall(ms)
  if (ms > silenceMs) switchboard.breakStream(vmId)
}

/** `backMs`: when the pilot starts again; Infinity: never. */
function killPilot(host: Host, inside: Inside, backMs: number): void {
  const { pilot, processes } = inside
  const { vmId, ground } = host
  if (!pilot) return
  ground.toll.pilotKills += 1
  ground.trace.note({ vmId }, `the pilot is killed, back in ${Math.round(backMs)} ms`)
  ground.payloads.excuse(vmId)
  pilot.kill()
  processes.delete(pilot.process)
  inside.pilot = undefined
  if (Number.isFinite(backMs)) ground.timeline.after(backMs, () => startPilot(host, inside))
}

function killMonitor(host: Host, inside: Inside): void {
  const { monitor } = inside
  const { vmId, ground } = host
  if (!monitor?.process.isAlive()) return
  ground.trace.note({ vmId }, 'the monitor is killed')
  monitor.process.kill()
  inside.processes.delete(monitor.process)
  ground.timeline.after(ground.dice.between(200, 5000), () => {
    if (host.isRunning()) inside.monitor = startMonitor(host)
  })
}
