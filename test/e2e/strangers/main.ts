/**
 * The strangers scenario: each flood against a service of its own, and what an honest caller and the service's memory see of
 * it.
 *
 * Per flood: warm the service, measure, flood and measure (twice where the first time is above the limit), wait until
 * memory, files and the others' p99 are back (60 s each at most), flood once more and end the service by SIGTERM in the
 * middle of it. `--only NAME` runs one flood.
 *
 * The ratio of the others' p99 compares the flooded service with a second one of the same kind, which is not flooded and
 * gets the same honest calls in the same seconds: whatever else this machine does, the flood's own computing included, both
 * see. The floods run at the lowest CPU priority (attacker.ts says why).
 */

import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, until } from '../../../core/kernel/clock.ts'
import type { PilotageClient } from '../../../client/pilotage-client.ts'
import { freePorts } from '../../support/free-ports.ts'
import { localClouds } from '../../support/local-service-config.ts'
import { endAllUnder } from '../../support/processes.ts'
import {
  connectAdmin,
  connectUser,
  serviceFiles,
  type ServiceProcess,
  startServiceProcess,
} from '../../support/service-process.ts'
import { promised, type Scenario, type Stage } from '../scenario.ts'
import { type Attacker, startAttacker } from './attacker.ts'
import type { Flood, Ground } from './flood.ts'
import { floods } from './floods.ts'
import { callHonestly, type Seen, warmUp } from './honest.ts'
import { openFiles, residentMib, watchPeak } from './memory.ts'

const seconds = 1000

const times = { warmMs: 6 * seconds, measureMs: 8 * seconds, floodMs: 15 * seconds, settleMs: 60 * seconds } as const
/** A flood is under way, not only begun, when SIGTERM comes. */
const floodBeforeTermMs = 4 * seconds

const limits = {
  /** The issue's own. */
  growthMib: 100,
  p99Ratio: 2,
  termMs: 10 * seconds,
  /**
   * A p99 below this is not compared. A call is two round trips and one fsync: 3 to 8 ms. On a machine of two cores that the
   * honest callers, two services, their stores' threads and the flood share, one time slice of another process (up to 10 ms)
   * and one collection of young objects (up to 5 ms) come on top of any single call, flood or not.
   */
  p99FloorMs: 25,
  /** Connections of the honest caller and a log file come and go. */
  files: 20,
} as const

function config(grpcPort: number, dashboardPort: number): object {
  return {
    grpc: { port: grpcPort },
    dashboard: { port: dashboardPort },
    vm: { idleTimeout: '1h' },
    clouds: localClouds({ maxVms: 1, cores: 2, memory: '4GiB', disk: '8GiB' }),
  }
}

export const strangers: Scenario = {
  name: 'strangers',
  about: 'what floods of strangers and of one user do to the others (--only NAME for one of them)',
  async run(stage) {
    const chosen = floods.filter(({ name }) => stage.only === undefined || stage.only === name)
    if (chosen.length === 0)
      throw new Error(`no flood ${stage.only}; there are ${floods.map(({ name }) => name).join(', ')}`)
    const quiet = await startQuiet(stage)
    const shortfalls: string[] = []
    let worst = { growthMib: 0, leftMib: 0, ratio: 0, termMs: 0 }
    for (const flood of chosen) {
      const seen = await tryFlood(stage, flood, quiet).catch((error: unknown) => ({
        worst,
        shortfalls: [`ended early: ${stackOf(error)}`],
      }))
      shortfalls.push(...seen.shortfalls.map((text) => `${flood.name}: ${text}`))
      worst = {
        growthMib: Math.max(worst.growthMib, seen.worst.growthMib),
        leftMib: Math.max(worst.leftMib, seen.worst.leftMib),
        ratio: Math.max(worst.ratio, seen.worst.ratio),
        termMs: Math.max(worst.termMs, seen.worst.termMs),
      }
    }
    await quiet.end()
    const { growthMib, leftMib, ratio, termMs } = worst
    return {
      figures: { floods: chosen.length, growth_mib: growthMib, left_mib: leftMib, p99_ratio: ratio, sigterm_ms: termMs },
      shortfalls,
    }
  },
}

type Quiet = Ground['quiet'] & { readonly user: PilotageClient; end(): Promise<void> }

/** The service that is not flooded. */
async function startQuiet({ clock, dir }: Stage): Promise<Quiet> {
  const own = join(dir, 'quiet')
  mkdirSync(own)
  const [grpcPort = 0, dashboardPort = 0] = await freePorts(2)
  const files = serviceFiles(own, config(grpcPort, dashboardPort))
  const service = startServiceProcess(clock, files)
  const admin = connectAdmin(clock, files, await service.serving())
  const user = await connectUser(admin, 'biomed', 'ada')
  await warmUp(clock, user, service.pid, times.warmMs)
  return {
    user,
    dashboard: `http://127.0.0.1:${dashboardPort}`,
    token: readFileSync(join(files.dataDir, 'admin.token'), 'utf8').trim(),
    async end() {
      admin.close()
      user.close()
      await service.ended('SIGTERM')
    },
  }
}

/** Honest callers: of the flooded service, and of the quiet one. */
type Honest = { readonly here: PilotageClient; readonly quiet: PilotageClient }

type Worst = { readonly growthMib: number; readonly leftMib: number; readonly ratio: number; readonly termMs: number }

async function tryFlood(stage: Stage, flood: Flood, quiet: Quiet): Promise<{ worst: Worst; shortfalls: readonly string[] }> {
  const dir = join(stage.dir, flood.name)
  mkdirSync(dir)
  const [grpcPort = 0, dashboardPort = 0] = await freePorts(2)
  const files = serviceFiles(dir, config(grpcPort, dashboardPort))
  let service = startServiceProcess(stage.clock, files)
  const grpc = await service.serving()
  const admin = connectAdmin(stage.clock, files, grpc)
  const here = await connectUser(admin, 'biomed', 'ada')
  const honest: Honest = { here, quiet: quiet.user }
  const ground: Ground = {
    stage,
    admin,
    grpc,
    dashboard: `http://127.0.0.1:${dashboardPort}`,
    dataDir: files.dataDir,
    servicePid: service.pid,
    quiet,
    tokenOf: async (subject, vo = 'flood') =>
      (await admin.createToken({ subject, vo, group: 'users', roles: ['user'], lifetimeMs: 0 })).token,
  }
  try {
    const given = await flood.prepare?.(ground)
    await warmUp(stage.clock, here, service.pid, times.warmMs)
    const before = await measured(ground, honest)
    const during = await floodedUpToTwice(ground, flood, given, honest)
    const left = await settled(ground, before, flood)
    if (flood.isRestarted) {
      await service.ended('SIGTERM')
      service = startServiceProcess(stage.clock, files)
      await service.serving()
      await warmUp(stage.clock, here, service.pid, times.warmMs)
    }
    const shortfallsOfFlood = [...left, ...((await flood.judge?.(ground, during.figures)) ?? [])]
    const after = await back({ ...ground, servicePid: service.pid }, honest)
    const termMs = await endedMidFlood(ground, flood, given, service)
    const figures = { before, during, after, termMs }
    stage.say(
      `${flood.name}: ${textOf(before)} | ${during.peakMib} MiB at most, ${textOf(during)} | ${textOf(after)} | end ${termMs} ms`,
    )
    stage.say(`${flood.name}: ${JSON.stringify(during.figures)}`)
    return { worst: worstOf(figures), shortfalls: [...shortfallsOf(figures, flood), ...shortfallsOfFlood] }
  } finally {
    admin.close()
    here.close()
    await service.ended('SIGKILL')
    // Local VMs outlive their service, as they should.
    await endAllUnder(stage.clock, dir)
  }
}

type Measured = Seen & { readonly quiet: Seen; readonly mib: number; readonly files: number }
type Flooded = Measured & { readonly peakMib: number; readonly figures: Readonly<Record<string, number | string>> }
type Figures = { readonly before: Measured; readonly during: Flooded; readonly after: Measured; readonly termMs: number }

async function measured({ stage, servicePid }: Ground, honest: Honest): Promise<Measured> {
  const seen = await callBoth(stage, honest, times.measureMs)
  return { ...seen, mib: residentMib(servicePid), files: openFiles(servicePid) }
}

async function flooded(ground: Ground, flood: Flood, given: unknown, honest: Honest): Promise<Flooded> {
  const { stage, servicePid } = ground
  const floodMs = flood.floodMs ?? times.floodMs
  const peak = watchPeak(stage.clock, servicePid)
  const attacker = startAttacker(flood, ground, given, floodMs)
  try {
    const seen = await callBoth(stage, honest, floodMs)
    const figures = await attacker.figures
    return { ...seen, mib: residentMib(servicePid), files: openFiles(servicePid), peakMib: peak.stop(), figures }
  } finally {
    peak.stop()
    await attacker.end()
  }
}

/** Whatever else this machine does for a moment only adds to a p99: one above the limit is measured once more. */
async function floodedUpToTwice(ground: Ground, flood: Flood, given: unknown, honest: Honest): Promise<Flooded> {
  const first = await flooded(ground, flood, given, honest)
  if (ratioOf(first) <= limits.p99Ratio) return first
  ground.stage.say(`${flood.name}: ${textOf(first)}: once more`)
  const second = await flooded(ground, flood, given, honest)
  return { ...second, peakMib: Math.max(first.peakMib, second.peakMib) }
}

/** Measures until the others see what the quiet service's see, within the time in which the service must be as before. */
async function back(ground: Ground, honest: Honest): Promise<Measured> {
  const { clock } = ground.stage
  const endMs = clock.monotonicMs() + times.settleMs
  for (;;) {
    const seen = await measured(ground, honest)
    if (ratioOf(seen) <= limits.p99Ratio || clock.monotonicMs() >= endMs) return seen
  }
}

async function callBoth({ clock }: Stage, { here, quiet }: Honest, forMs: number): Promise<Seen & { readonly quiet: Seen }> {
  const [seen, seenQuiet] = await Promise.all([callHonestly(clock, here, forMs), callHonestly(clock, quiet, forMs)])
  return { ...seen, quiet: seenQuiet }
}

function growthOf({ acceptedMib = 0 }: Flood): number {
  return limits.growthMib + acceptedMib
}

/** Waits until memory and files are as before the flood, as near as the limits say. */
async function settled({ stage: { clock }, servicePid }: Ground, before: Measured, flood: Flood): Promise<string[]> {
  const growthMib = growthOf(flood)
  const isBack = (): boolean =>
    residentMib(servicePid) <= before.mib + growthMib && openFiles(servicePid) <= before.files + limits.files
  await until(clock, isBack, { withinMs: times.settleMs, everyMs: 500 })
  const [mib, files] = [residentMib(servicePid), openFiles(servicePid)]
  return [
    ...promised(mib <= before.mib + growthMib, `60 s later the service has ${mib} MiB, before the flood ${before.mib}`),
    ...promised(
      files <= before.files + limits.files,
      `60 s later the service has ${files} open files, before ${before.files}`,
    ),
  ]
}

/** Milliseconds from SIGTERM in the middle of a flood to the end of the service; infinite where it did not end in time. */
async function endedMidFlood(ground: Ground, flood: Flood, given: unknown, service: ServiceProcess): Promise<number> {
  const { clock } = ground.stage
  const attacker: Attacker = startAttacker(flood, ground, given, floodBeforeTermMs + limits.termMs)
  try {
    await sleep(clock, floodBeforeTermMs)
    const beginMs = clock.monotonicMs()
    const late = new Promise<'late'>((resolve) => clock.after(2 * limits.termMs, () => resolve('late')))
    const exit = await Promise.race([service.ended('SIGTERM'), late])
    return exit === 0 ? Math.round(clock.monotonicMs() - beginMs) : Number.POSITIVE_INFINITY
  } finally {
    await attacker.end()
  }
}

function ratioOf({ p99Ms, quiet }: Measured): number {
  return Math.round((p99Ms / Math.max(quiet.p99Ms, limits.p99FloorMs)) * 100) / 100
}

function worstOf({ before, during, after, termMs }: Figures): Worst {
  return {
    growthMib: during.peakMib - before.mib,
    leftMib: after.mib - before.mib,
    ratio: Math.max(ratioOf(during), ratioOf(after)),
    termMs,
  }
}

function shortfallsOf({ before, during, after, termMs }: Figures, flood: Flood): readonly string[] {
  const maxMib = growthOf(flood)
  const growthMib = Math.max(during.peakMib, after.mib) - before.mib
  const lines = [
    ...promised(growthMib <= maxMib, `memory grew by ${growthMib} MiB, more than ${maxMib}`),
    ...promised(termMs <= limits.termMs, `SIGTERM was not obeyed within ${limits.termMs} ms (${termMs} ms)`),
  ]
  for (const [when, seen] of Object.entries({ 'during the flood': during, 'after it': after })) {
    const ratio = ratioOf(seen)
    lines.push(
      ...promised(
        ratio <= limits.p99Ratio,
        `${when} the others' p99 is ${seen.p99Ms} ms, ${ratio} times that of a service that is not flooded`,
      ),
      ...promised(seen.failed.length === 0, `${when} ${seen.failed.length} honest calls failed: ${seen.failed[0]}`),
    )
  }
  return lines
}

function textOf({ p50Ms, p99Ms, calls, mib, files, quiet }: Measured): string {
  return `${calls} calls p50 ${p50Ms} p99 ${p99Ms} ms (quiet ${quiet.p50Ms} ${quiet.p99Ms}), ${mib} MiB, ${files} files`
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
