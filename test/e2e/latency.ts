/**
 * The latency scenario: how long people wait. From submit to start, from a kill to the payload's end, from a machine's death
 * to its jobs' next try, and from the last job to the machine's wish to stop.
 *
 * Every figure is measured outside the service: by the payloads' own files and processes, on this machine's one clock. The
 * worst values are printed, and for starts the 95th percentile.
 */

import { freePorts } from '../support/free-ports.ts'
import { localClouds } from '../support/local-service-config.ts'
import { connectAdmin, connectUser, serviceFiles, startServiceProcess } from '../support/service-process.ts'
import { measureKills, measureStarts } from './latency-jobs.ts'
import { measureCrashes, measureHang, measureIdle } from './latency-machines.ts'
import { type Outcome, percentile, promised, type Scenario, type Stage } from './scenario.ts'

const seconds = 1000
const leaseMs = 15 * seconds
const idleMs = 6 * seconds

const limits = {
  killMs: 2 * seconds,
  rerunMs: leaseMs + 5 * seconds,
  idleMs: idleMs + 5 * seconds,
  startP95Ms: 250,
} as const

function config(grpcPort: number, dashboardPort: number): object {
  return {
    grpc: { port: grpcPort },
    dashboard: { port: dashboardPort },
    queue: { lease: `${leaseMs / seconds}s`, renewEvery: '4s' },
    director: { interval: '1s', settle: '2s' },
    vm: { idleTimeout: `${idleMs / seconds}s`, heartbeatInterval: '1s', heartbeatTimeout: '10s' },
    // Payloads write what they did into a file outside of their own folders: no isolation.
    clouds: localClouds({ maxVms: 4, cores: 4, memory: '4GiB', disk: '8GiB', maxCreatesPerStep: 2, isolation: 'plain' }),
  }
}

export const latency: Scenario = {
  name: 'latency',
  about: 'how long a start, a kill, a lost machine and an idle machine take',
  async run(stage) {
    const [grpcPort = 0, dashboardPort = 0] = await freePorts(2)
    const files = serviceFiles(stage.dir, config(grpcPort, dashboardPort))
    const service = startServiceProcess(stage.clock, files)
    const admin = connectAdmin(stage.clock, files, await service.serving())
    const user = await connectUser(admin, 'biomed', 'ada')
    try {
      const outcome = await measure(stage, { stage, admin, user, dataDir: files.dataDir })
      const exit = await service.ended('SIGTERM')
      return { ...outcome, shortfalls: [...outcome.shortfalls, ...promised(exit === 0, `the service ended with ${exit}`)] }
    } finally {
      admin.close()
      user.close()
    }
  },
}

async function measure({ say }: Stage, bench: Parameters<typeof measureStarts>[0]): Promise<Outcome> {
  const starts = await measureStarts(bench)
  const startP95Ms = percentile(starts, 0.95)
  say(`${starts.length} starts: p50 ${percentile(starts, 0.5)} ms, p95 ${startP95Ms} ms, worst ${Math.max(...starts)} ms`)
  const kills = await measureKills(bench)
  say(`${kills.length} kills: ${kills.join(', ')} ms`)
  const crashes = await measureCrashes(bench)
  say(`${crashes.length} jobs of crashed VMs ran again after: ${crashes.join(', ')} ms`)
  const hangs = await measureHang(bench)
  say(`${hangs.length} jobs of a VM that stood still ran again after: ${hangs.join(', ')} ms`)
  const idles = await measureIdle(bench, idleMs)
  say(`${idles.length} VMs asked to stop after their last job: ${idles.join(', ')} ms`)
  const [killMs, rerunMs, hangMs, longestIdleMs] = [kills, crashes, hangs, idles].map((values) => Math.max(...values))
  return {
    figures: {
      kill_ms: killMs ?? Number.NaN,
      rerun_ms: rerunMs ?? Number.NaN,
      idle_ms: longestIdleMs ?? Number.NaN,
      start_p95_ms: startP95Ms,
      starts: starts.length,
      hang_rerun_ms: hangMs ?? Number.NaN,
      lease_ms: leaseMs,
      idle_policy_ms: idleMs,
    },
    shortfalls: [
      ...withinLimit('a kill reached its payload after', killMs, limits.killMs),
      ...withinLimit("a crashed VM's job ran again after", rerunMs, limits.rerunMs),
      ...withinLimit("a still VM's job ran again after", hangMs, limits.rerunMs),
      ...withinLimit('an idle VM asked to stop after', longestIdleMs, limits.idleMs),
      ...withinLimit('95 % of the jobs started within', startP95Ms, limits.startP95Ms),
    ],
  }
}

/** No value at all is no promise kept. */
function withinLimit(what: string, ms: number | undefined, limitMs: number): readonly string[] {
  return promised(ms !== undefined && ms >= 0 && ms <= limitMs, `${what} ${ms} ms, more than ${limitMs} ms`)
}
