/**
 * The kill scenario: the service dies by `kill -9` at random moments while users submit and pilots work; it must not show.
 *
 * The service is a process of its own on fixed ports, started again on the same data directory each time. VMs start and
 * end in that time, so that kills also hit creates and destroys. Afterwards three independent books are judged: the store's
 * facts, the payloads' own files, and the machines that the cloud and this machine still have.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, until } from '../../core/kernel/clock.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { freePorts } from '../support/free-ports.ts'
import { localClouds } from '../support/local-service-config.ts'
import {
  connectAdmin,
  connectUser,
  type ServiceFiles,
  serviceFiles,
  type ServiceProcess,
  startServiceProcess,
} from '../support/service-process.ts'
import { auditJobs, auditMachines, auditRepeats, auditUsage } from './kill-audit.ts'
import { submitSteadily } from './kill-work.ts'
import { type Outcome, promised, type Scenario, type Stage } from './scenario.ts'

const kills = 20
const minMs = 1500
const maxMs = 4000
const perSecond = 50
const patienceMs = 120_000
const drainMs = 90_000
const vmsGoneMs = 45_000
const seconds = 1000

function config(grpcPort: number, dashboardPort: number): object {
  return {
    grpc: { port: grpcPort },
    dashboard: { port: dashboardPort },
    log: { level: 'info' },
    // Much longer than any absence of the service: no attempt is ever lost, so that every second run would be our mistake.
    queue: { lease: '60s', renewEvery: '5s' },
    director: { interval: '1s', settle: '2s' },
    vm: { idleTimeout: '2s', heartbeatInterval: '1s' },
    // Payloads write what they did into a file outside of their own folders: no isolation.
    clouds: localClouds({ maxVms: 4, cores: 8, memory: '8GiB', disk: '8GiB', maxCreatesPerStep: 2, isolation: 'plain' }),
  }
}

export const kill: Scenario = {
  name: 'kill',
  about: `kill -9 of the service ${kills} times under ${perSecond} submits/s with 4 local VMs`,
  async run(stage) {
    const [grpcPort = 0, dashboardPort = 0] = await freePorts(2)
    const files = serviceFiles(stage.dir, config(grpcPort, dashboardPort))
    const service = startServiceProcess(stage.clock, files)
    const admin = connectAdmin(stage.clock, files, await service.serving(), patienceMs)
    const users = await Promise.all(['biomed', 'astro'].map((vo) => connectUser(admin, vo, 'ada')))
    try {
      return await play(stage, files, service, admin, users)
    } finally {
      for (const client of [admin, ...users]) client.close()
    }
  },
}

async function play(
  stage: Stage,
  files: ServiceFiles,
  first: ServiceProcess,
  admin: PilotageClient,
  users: readonly PilotageClient[],
): Promise<Outcome> {
  const { clock, random, dir, say } = stage
  const runsDir = join(dir, 'runs')
  mkdirSync(runsDir)
  const enough = new AbortController()
  const submitting = submitSteadily({ clock, random, users, runsDir, perSecond, until: enough.signal })
  const { service, killed, fellAlone } = await killOften(stage, files, first).finally(() => enough.abort())
  await service.serving()
  const submitted = await submitting
  say(`${submitted.length} jobs acknowledged over ${killed} kills`)

  const drained = await untilAllEnded(stage, admin)
  const repeated = await auditRepeats(users, submitted)
  const jobs = await auditJobs(admin, submitted, runsDir)
  const usage = await auditUsage(stage, admin, submitted)
  const vmsGone = await until(clock, async () => (await admin.vms()).length === 0, { withinMs: vmsGoneMs, everyMs: 500 })
  const vms = await admin.vms({ ended: true })
  const exit = await service.ended('SIGTERM')
  const orphans = await auditMachines(stage, files.dataDir, vms)
  return {
    figures: { kills: killed, jobs: submitted.length, ...jobs.figures, orphans: orphans.length, vms: vms.length },
    shortfalls: [
      ...promised(killed === kills, `the service was killed ${killed} times, not ${kills}`),
      ...promised(fellAlone === 0, `the service ended by itself ${fellAlone} times`),
      ...promised(drained, `not all jobs ended within ${drainMs / seconds} s`),
      ...promised(vmsGone, `not all VMs were gone within ${vmsGoneMs / seconds} s of the last job`),
      ...promised(exit === 0, `the service ended with ${exit} when it was asked to stop`),
      ...repeated,
      ...jobs.shortfalls,
      ...usage,
      ...orphans,
    ],
  }
}

/**
 * Kills and starts again; answers the last life, which goes on. A life that was killed before it served is followed by one
 * that does: a machine with much else to do must not make this a test of a service that is never there.
 */
async function killOften({ clock, random, say, signal }: Stage, files: ServiceFiles, first: ServiceProcess) {
  let service = first
  let fellAlone = 0
  let killed = 0
  let hadServed = true
  while (killed < kills && !signal.aborted) {
    await sleep(clock, minMs + random.next() * (maxMs - minMs), signal)
    if (!hadServed) await service.serving().catch(() => say('the service does not serve'))
    hadServed = service.isServing()
    if (service.hasEnded()) {
      fellAlone += 1
      say(`the service ended by itself: ${service.log().slice(-1000)}`)
    } else {
      await service.ended('SIGKILL')
      killed += 1
    }
    if (fellAlone > 3) throw new Error('the service does not stay')
    service = startServiceProcess(clock, files)
  }
  return { service, killed, fellAlone }
}

function untilAllEnded({ clock, say }: Stage, admin: PilotageClient): Promise<boolean> {
  let looks = 0
  const holds = async (): Promise<boolean> => {
    const { jobs } = await admin.status()
    const open = jobs.filter(({ state }) => !['Done', 'Failed', 'Killed'].includes(state))
    looks += 1
    if (looks % 10 === 0) say(open.map(({ state, vo, count }) => `${count} ${state} of ${vo}`).join(', '))
    return open.length === 0
  }
  return until(clock, holds, { withinMs: drainMs, everyMs: 500 })
}
