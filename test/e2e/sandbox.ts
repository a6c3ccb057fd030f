/**
 * The sandbox scenario: users put files and jobs bring and leave them while the service, and now and then a whole VM, is
 * killed at random moments. Afterwards all content on the disk is what its name says, and every job that is Done has left
 * exactly what its user put.
 */

import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { hasEnded } from '../../client/follow.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { sleep, until } from '../../core/kernel/clock.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { Random } from '../../core/kernel/random.ts'
import { JobSpec } from '../../proto/gen/pilotage/v1/job.ts'
import { freePorts } from '../support/free-ports.ts'
import { isolationHere } from '../support/isolation-here.ts'
import { localClouds } from '../support/local-service-config.ts'
import { localMachines } from '../support/local-machines.ts'
import {
  connectAdmin,
  connectUser,
  type ServiceFiles,
  serviceFiles,
  startServiceProcess,
} from '../support/service-process.ts'
import { type Outcome, promised, type Scenario, type Stage } from './scenario.ts'

const kills = 20
const workers = 4
const mib = 1024 * 1024
const maxFileBytes = mib
const endWithinMs = 240_000
/** A service lives for seconds here, and a put begins anew with each of them. */
const patienceMs = 600_000
const minLifeMs = 500
const moreLifeMs = 3000

type Put = { readonly jobId: number; readonly digest: string; readonly bytes: number }

function config(grpcPort: number, dashboardPort: number): object {
  return {
    grpc: { port: grpcPort },
    dashboard: { port: dashboardPort },
    queue: { lease: '15s', renewEvery: '4s' },
    director: { interval: '500ms', settle: '2s' },
    vm: { idleTimeout: '5s', heartbeatInterval: '1s', heartbeatTimeout: '10s' },
    clouds: localClouds({ maxVms: 2, cores: 4, memory: '4GiB', disk: '4GiB', isolation: isolationHere }),
  }
}

export const sandbox: Scenario = {
  name: 'sandbox',
  about: 'files of jobs are whole or absent, whatever is killed while they move',
  async run(stage) {
    const [grpcPort = 0, dashboardPort = 0] = await freePorts(2)
    const files = serviceFiles(stage.dir, config(grpcPort, dashboardPort))
    let service = startServiceProcess(stage.clock, files)
    const admin = connectAdmin(stage.clock, files, await service.serving(), patienceMs)
    const user = await connectUser(admin, 'biomed', 'ada')
    const stop = new AbortController()
    try {
      const working = Promise.allSettled(Array.from({ length: workers }, () => work(stage, user, stop.signal)))
      let crashes = 0
      for (let kill = 1; kill <= kills && !stage.signal.aborted; kill += 1) {
        await sleep(stage.clock, minLifeMs + below(stage.random, moreLifeMs))
        if (kill % 4 === 0 && (await crashOne(stage, admin, files))) crashes += 1
        await service.ended('SIGKILL')
        service = startServiceProcess(stage.clock, files)
        await service.serving()
        if (kill % 5 === 0) stage.say(`killed ${kill} times`)
      }
      stop.abort()
      const worked = await working
      const failed = worked.flatMap((one) => (one.status === 'rejected' ? [`a user's work failed: ${one.reason}`] : []))
      const puts = worked.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
      const outcome = await judge(stage, user, files, puts)
      const gone = await until(stage.clock, async () => (await admin.vms()).length === 0, { withinMs: 90_000, everyMs: 500 })
      const exit = await service.ended('SIGTERM')
      const left = promised(gone, 'VMs were left 90 s after the last job')
      const shortfalls = [
        ...failed,
        ...outcome.shortfalls,
        ...left,
        ...promised(exit === 0, `the service ended with ${exit}`),
      ]
      return { figures: { kills, crashes, ...outcome.figures }, shortfalls }
    } finally {
      stop.abort()
      admin.close()
      user.close()
      if (!service.hasEnded()) await service.ended('SIGKILL')
    }
  },
}

function below(random: Random, end: number): number {
  return Math.floor(random.next() * end)
}

/** Puts a file and submits a job that copies it to its output, until it is stopped. */
async function work({ clock, random }: Stage, user: PilotageClient, stop: AbortSignal): Promise<readonly Put[]> {
  const puts: Put[] = []
  while (!stop.aborted) {
    const bytes = 1 + below(random, maxFileBytes)
    const data = Buffer.alloc(bytes, random.letters(64))
    const digest = createHash('sha256').update(data).digest('hex')
    await user.putFile({ digest, bytes }, async function* () {
      for (let at = 0; at < bytes; at += 65_536) yield data.subarray(at, at + 65_536)
    })
    const job = JobSpec.fromPartial({
      executable: '/bin/sh',
      arguments: ['-c', 'cp in out'],
      requirements: { cores: { min: 1, max: 1 }, memoryBytes: 64 * mib, diskBytes: 64 * mib, wallMs: 60_000 },
      maxAttempts: 10,
      inputFiles: [{ path: 'in', digest, bytes, executable: false }],
      outputFiles: ['out'],
    })
    const { jobIds } = await user.submit([job], { key: `${digest}.${puts.length}.${random.letters(8)}` })
    puts.push({ jobId: jobIds[0] ?? 0, digest, bytes })
    await sleep(clock, 100 + below(random, 400))
  }
  return puts
}

async function crashOne({ clock, random }: Stage, admin: PilotageClient, { dataDir }: ServiceFiles): Promise<boolean> {
  const vms = (await admin.vms()).filter(({ state }) => state === 'Active')
  const vm = vms[below(random, Math.max(1, vms.length))]
  if (!vm) return false
  return localMachines(clock, dataDir, 'local')
    .crash(vm.vmId as VmId)
    .then(
      () => true,
      () => false,
    )
}

async function judge(stage: Stage, user: PilotageClient, { dataDir }: ServiceFiles, puts: readonly Put[]): Promise<Outcome> {
  const ids = puts.map(({ jobId }) => jobId)
  const states = new Map<number, string>()
  const isOver = async (): Promise<boolean> => {
    for await (const job of user.list({ jobIds: ids })) if (hasEnded(job)) states.set(job.jobId, job.state)
    return states.size === ids.length
  }
  const ended = await until(stage.clock, isOver, { withinMs: endWithinMs, everyMs: 500 })
  let [wrong, absent] = [0, 0]
  for (const { jobId, digest } of puts.filter((put) => states.get(put.jobId) === 'Done')) {
    const { files } = await user.outputFiles(jobId)
    if (files.length !== 1) {
      absent += 1
      continue
    }
    const hash = createHash('sha256')
    for await (const piece of user.outputFile(jobId, 'out')) hash.update(piece)
    if (hash.digest('hex') !== digest) wrong += 1
  }
  const home = join(dataDir, 'sandbox-files')
  const stored = existsSync(home) ? globSync(join(home, 'vo-*', '*', '*')) : []
  const torn = stored.filter((path) => createHash('sha256').update(readFileSync(path)).digest('hex') !== basename(path))
  const done = [...states.values()].filter((state) => state === 'Done').length
  const figures = { jobs: ids.length, done, stored: stored.length, torn: torn.length, wrong, absent }
  return {
    figures,
    shortfalls: [
      ...promised(ended, `${ids.length - states.size} of ${ids.length} jobs did not end`),
      ...promised(done === ids.length, `${ids.length - done} of ${ids.length} jobs are not Done`),
      ...promised(torn.length === 0, `${torn.length} files are not what their names say`),
      ...promised(wrong + absent === 0, `${wrong} outputs are not what was put, ${absent} are absent`),
    ],
  }
}
