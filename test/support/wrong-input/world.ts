/**
 * The world that wrong input must not change: a real service with two VOs, a job in every kind of state, and two local VMs.
 *
 * All its periods are long and its VMs stand still, so that nothing changes by itself: what differs between two pictures of
 * it was changed by what came between.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasEnded } from '../../../client/follow.ts'
import type { PilotageClient } from '../../../client/pilotage-client.ts'
import { connectPilotage } from '../../../client/pilotage-client.ts'
import { type Clock, until } from '../../../core/kernel/clock.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { localMachines, rootOf } from '../local-machines.ts'
import { rawClient, type RawClient } from '../raw-call.ts'

export const worldConfig = {
  queue: { lease: '1h', renewEvery: '15m' },
  director: { interval: '10m', settle: '1s' },
  vm: { idleTimeout: '1h', heartbeatInterval: '10m', heartbeatTimeout: '1h', contactTimeout: '1h' },
  clouds: [
    {
      name: 'local',
      kind: 'local',
      limits: { maxVms: 2, maxCores: 2 },
      flavors: [{ name: 'one', cores: 1, memory: '1GiB', disk: '1GiB' }],
    },
  ],
} as const

export type VmAccess = { readonly vmId: VmId; readonly credential: string; readonly activationKey: string }

export type World = {
  readonly clock: Clock
  readonly dataDir: string
  readonly server: string
  readonly raw: RawClient
  readonly admin: PilotageClient
  /** Of VO alpha, whose jobs these are. */
  readonly ada: PilotageClient
  /** `eve` is of VO beta. */
  readonly tokens: { readonly admin: string; readonly ada: string; readonly eve: string }
  readonly jobs: {
    /** Done, with output. */
    readonly done: number
    /** Runs as its second attempt on `first`, where its first was, too. */
    readonly again: number
    /** Runs on `second`. */
    readonly running: number
    /** Waits for ever. */
    readonly waiting: number
    /** None of this id. */
    readonly unknown: number
  }
  /** The key under which `waiting` was submitted. */
  readonly usedKey: string
  readonly first: VmAccess
  readonly second: VmAccess
  close(): void
}

const mib = 1024 * 1024
const bootMs = 20_000
const usedKey = 'the key of the waiting job'

export function jobOf(script: string, cores = 1): JobSpec {
  return JobSpec.fromPartial({
    executable: '/bin/sh',
    arguments: ['-c', script],
    requirements: { cores: { min: cores, max: cores }, memoryBytes: 64 * mib, diskBytes: mib, wallMs: 3_600_000 },
  })
}

/** Makes it on a service that has just started with `worldConfig`. */
export async function makeWorld(clock: Clock, dataDir: string, server: string, adminToken: string): Promise<World> {
  const admin = connectPilotage({ server, token: adminToken, clock })
  const tokenOf = async (vo: string, subject: string): Promise<string> =>
    (await admin.createToken({ subject, vo, group: 'users', roles: ['user'], lifetimeMs: 0 })).token
  const tokens = { admin: adminToken, ada: await tokenOf('alpha', 'ada'), eve: await tokenOf('beta', 'eve') }
  const ada = admin.as(tokens.ada)
  const one = async (spec: JobSpec, key?: string): Promise<number> => (await ada.submit([spec], { key })).jobIds[0] ?? 0

  const done = await one(jobOf('echo secret of alpha'))
  for await (const job of ada.watch([done])) if (hasEnded(job)) break
  const again = await one(jobOf('sleep 3600'))
  await reaches(clock, ada, again, 'Running', 1)
  const running = await one(jobOf('sleep 3600'))
  await reaches(clock, ada, running, 'Running', 1)
  await ada.reschedule([again], 'to have an old attempt')
  await reaches(clock, ada, again, 'Running', 2)
  const waiting = await one(jobOf('true', 64), usedKey)

  const places = new Map<number, string>()
  for await (const job of ada.list({ jobIds: [again, running] })) places.set(job.jobId, job.vmId)
  const [first, second] = [again, running].map((jobId) => accessTo(dataDir, places.get(jobId) ?? ''))
  if (!first || !second || first.vmId === second.vmId) throw new Error('the world has not two VMs')
  // Nothing of theirs moves from here on: no heartbeat, no stream that comes back while a case holds it.
  const machines = localMachines(clock, dataDir, 'local')
  for (const { vmId } of [first, second]) await machines.hang(vmId)
  const raw = rawClient(clock, server)
  const jobs = { done, again, running, waiting, unknown: 987_654_321 }
  const close = (): void => {
    raw.close()
    for (const client of [admin, ada]) client.close()
  }
  return { clock, dataDir, server, raw, admin, ada, tokens, jobs, usedKey, first, second, close }
}

/** Ends the VMs and their jobs; the service must have stopped. */
export async function unmakeWorld({ clock, dataDir, first, second }: World): Promise<void> {
  const machines = localMachines(clock, dataDir, 'local')
  for (const { vmId } of [first, second]) await machines.crash(vmId)
}

/** Everything that a case could change, as one text. */
export async function pictureOf({ admin, dataDir }: World): Promise<string> {
  const shown: unknown[] = []
  for (const vo of ['alpha', 'beta', 'pilotage']) {
    for await (const job of admin.list({ vo })) shown.push(job, await admin.history(job.jobId))
  }
  for (const vm of await admin.vms({ ended: true })) shown.push(vm, await admin.vmHistory(vm.vmId))
  const { jobs: jobCounts, vms: vmCounts } = await admin.status()
  shown.push(jobCounts, vmCounts, await admin.queues())
  const outputs = readdirSync(join(dataDir, 'sandbox'), { recursive: true, withFileTypes: true })
  shown.push(outputs.flatMap((entry) => (entry.isFile() ? join(entry.parentPath, entry.name) : [])).sort())
  return shown.map((part) => JSON.stringify(part)).join('\n')
}

async function reaches(clock: Clock, user: PilotageClient, jobId: number, state: string, attempt: number): Promise<void> {
  const holds = async (): Promise<boolean> => {
    for await (const job of user.list({ jobIds: [jobId] })) return job.state === state && job.attempt === attempt
    return false
  }
  if (!(await until(clock, holds, { withinMs: bootMs })))
    throw new Error(`job ${jobId} is not ${state} as attempt ${attempt}`)
}

function accessTo(dataDir: string, vmId: string): VmAccess {
  const root = rootOf(dataDir, 'local', vmId)
  const { activationKey } = JSON.parse(readFileSync(join(root, 'etc/pilotage/agent.json'), 'utf8')) as {
    activationKey: string
  }
  return {
    vmId: vmId as VmId,
    activationKey,
    credential: readFileSync(join(root, 'run/pilotage/credential'), 'utf8').trim(),
  }
}
