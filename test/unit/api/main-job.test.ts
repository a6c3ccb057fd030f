/**
 * The main job in short, in this process: users submit, the director starts VMs, pilots run, monitors stop the idle
 * machines.
 *
 * One service a test, on a data directory of its own; afterwards no VM, no record of one and no process is left.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { hasEnded } from '../../../client/follow.ts'
import { connectPilotage, type PilotageClient } from '../../../client/pilotage-client.ts'
import { sleep, systemClock, until } from '../../../core/kernel/clock.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { silentLog } from '../../../core/ports/log.ts'
import type { Job } from '../../../client/jobs.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { type Service, startService } from '../../../services/run/compose.ts'
import { freePorts } from '../../support/free-ports.ts'
import { localMachines } from '../../support/local-machines.ts'
import { commandOf, endAllUnder, leftUnder } from '../../support/processes.ts'
import { connectUser } from '../../support/service-process.ts'

// Some seconds each; more only on a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const clock = systemClock()
const mib = 1024 * 1024
const quick = {
  director: { interval: '500ms', settle: '1s' },
  vm: { idleTimeout: '1s', heartbeatInterval: '500ms' },
  clouds: [
    {
      name: 'local',
      kind: 'local',
      // Payloads write what they did into a file outside of their own folders.
      isolation: 'plain',
      limits: { maxVms: 2, maxCores: 8 },
      flavors: [{ name: 'four', cores: 4, memory: '4GiB', disk: '4GiB' }],
    },
  ],
}

let dir: string
let open: { close(): void }[]

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-main-job-'))
  open = []
})

afterEach(async () => {
  for (const client of open) client.close()
  const left = await leftUnder(clock, dir, 5000)
  await endAllUnder(clock, dir)
  rmSync(dir, { recursive: true, force: true })
  expect(left.map(commandOf)).toEqual([])
})

async function start(config: object = quick): Promise<{ readonly service: Service; readonly admin: PilotageClient }> {
  const service = await startService({ dataDir: join(dir, 'data'), config, log: silentLog() })
  const admin = connectPilotage({ server: service.server, token: service.adminToken, clock })
  open.push(admin)
  return { service, admin }
}

async function userOf(admin: PilotageClient, vo: string): Promise<PilotageClient> {
  const user = await connectUser(admin, vo, 'ada')
  open.push(user)
  return user
}

function shell(script: string, cores = 1, ...words: readonly string[]): JobSpec {
  const requirements = { cores: { min: cores, max: cores }, memoryBytes: 64 * mib, diskBytes: mib, wallMs: 600_000 }
  return JobSpec.fromPartial({ executable: '/bin/sh', arguments: ['-c', script, ...words], requirements })
}

async function ended(user: PilotageClient, jobIds: readonly number[]): Promise<readonly Job[]> {
  const last = new Map<number, Job>()
  for await (const job of user.watch(jobIds)) last.set(job.jobId, job)
  expect([...last.values()].every(hasEnded)).toBe(true)
  return jobIds.flatMap((jobId) => last.get(jobId) ?? [])
}

async function isState(user: PilotageClient, jobId: number, state: string): Promise<boolean> {
  for await (const job of user.list({ jobIds: [jobId] })) return job.state === state
  return false
}

const soon = { withinMs: 20_000, everyMs: 50 }

function noVms(admin: PilotageClient): Promise<boolean> {
  return until(clock, async () => (await admin.vms()).length === 0, soon)
}

it('runs jobs of two VOs on VMs that come and go', async () => {
  const { service, admin } = await start()
  const [alpha, beta] = [await userOf(admin, 'alpha'), await userOf(admin, 'beta')]
  const wide = await alpha.submit([shell('exit 0', 64)])
  expect(wide.warnings.map(({ code }) => code)).toEqual(['no-offering'])
  const [long = 0] = (await alpha.submit([shell('sleep 600')])).jobIds
  const few = await alpha.submit([shell('echo of alpha'), shell('echo no >&2; exit 3'), shell('echo $PILOTAGE_CORES', 2)])
  const many = await beta.submit(Array.from({ length: 30 }, (_, at) => shell(`echo ${at}`)))

  const alphas = await ended(alpha, few.jobIds)
  expect(alphas.map(({ state }) => state)).toEqual(['Done', 'Failed', 'Done'])
  expect(alphas[1]?.reason).toBe('exit code 3')
  expect(
    (await ended(beta, many.jobIds)).every(({ state, attempt, vo }) => state === 'Done' && attempt === 1 && vo === 'beta'),
  ).toBe(true)
  expect(await textOf(alpha, few.jobIds[2] ?? 0)).toBe('2\n')
  expect(await textOf(beta, many.jobIds[29] ?? 0)).toBe('29\n')
  expect((await alpha.history(few.jobIds[0] ?? 0)).map(({ kind }) => kind)).toEqual([
    'Submitted',
    'Matched',
    'Running',
    'Done',
  ])

  expect(await until(clock, () => isState(alpha, long, 'Running'), soon)).toBe(true)
  await alpha.kill([long, ...wide.jobIds], 'enough')
  expect((await ended(alpha, [long, ...wide.jobIds])).map(({ state }) => state)).toEqual(['Killed', 'Killed'])
  expect(await noVms(admin)).toBe(true)
  const vms = await admin.vms({ ended: true })
  expect(vms.length).toBeGreaterThan(0)
  expect(vms.every(({ state, reason }) => state === 'Gone' && reason === 'idle for 1 s')).toBe(true)
  await service.stop()
})

it('goes on after a restart: nothing is lost and nothing runs twice', async () => {
  const [grpc, dashboard] = await freePorts(2)
  const config = { ...quick, grpc: { port: grpc }, dashboard: { port: dashboard } }
  const first = await start(config)
  const user = await userOf(first.admin, 'alpha')
  const book = join(dir, 'book')
  const script = 'echo "start $1" >> "$0"; sleep "$2"; echo "end $1" >> "$0"'
  const jobs = Array.from({ length: 24 }, (_, at) => shell(script, 1, book, String(at), at % 8 === 0 ? '2.5' : '0.1'))
  const { jobIds } = await user.submit(jobs, { key: 'once' })
  expect(await until(clock, () => linesOf(book).some((line) => line.startsWith('end')), soon)).toBe(true)
  await first.service.stop()

  const { service, admin } = await start(config)
  expect(await user.submit(jobs, { key: 'once' })).toMatchObject({ jobIds, repeated: true })
  const all = await ended(user, jobIds)
  expect(all.every(({ state, attempt }) => state === 'Done' && attempt === 1)).toBe(true)
  const expected = jobs.flatMap((_, at) => [`start ${at}`, `end ${at}`])
  expect(linesOf(book).toSorted()).toEqual(expected.toSorted())
  expect(await noVms(admin)).toBe(true)
  await service.stop()
})

it('runs the jobs of a VM that died again elsewhere', async () => {
  const { service, admin } = await start()
  const user = await userOf(admin, 'alpha')
  const book = join(dir, 'book')
  const script = 'echo "$PILOTAGE_ATTEMPT" >> "$0"; [ "$PILOTAGE_ATTEMPT" -gt 1 ] || sleep 600'
  const { jobIds } = await user.submit([shell(script, 1, book), shell(script, 1, book)])
  expect(await until(clock, () => linesOf(book).length === 2, soon)).toBe(true)
  const machines = localMachines(clock, service.dataDir, 'local')
  const victims = (await admin.vms()).map(({ vmId }) => vmId as VmId)
  for (const vmId of victims) await machines.crash(vmId)
  expect((await ended(user, jobIds)).map(({ state, attempt }) => `${state} ${attempt}`)).toEqual(['Done 2', 'Done 2'])
  expect(linesOf(book).toSorted()).toEqual(['1', '1', '2', '2'])
  expect(await noVms(admin)).toBe(true)
  await service.stop()
})

async function textOf(user: PilotageClient, jobId: number): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of user.output(jobId)) pieces.push(piece)
  return Buffer.concat(pieces).toString('utf8')
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').trim().split('\n')
  } catch {
    return []
  }
}

it('loses nothing to connections that are asked to go away when they are old', async () => {
  const { service, admin } = await start({ ...quick, grpc: { port: 0, limits: { connectionAge: '1s' } } })
  const user = await userOf(admin, 'alpha')
  const ran = join(dir, 'ran')
  const jobIds: number[] = []
  // Some seconds: every connection goes several times, with payloads, reports and this client's watch on it.
  for (let at = 0; at < 24; at += 1) {
    jobIds.push(...(await user.submit([shell('echo "$1" >> "$0"; sleep 0.4; echo out', 1, ran, String(at))])).jobIds)
    await sleep(clock, 250)
  }
  const jobs = await ended(user, jobIds)
  expect(jobs.map(({ state, attempt }) => `${state} ${attempt}`)).toEqual(jobIds.map(() => 'Done 1'))
  expect(readFileSync(ran, 'utf8').trim().split('\n')).toHaveLength(24)
  expect(await textOf(user, jobIds[23] ?? 0)).toBe('out\n')
  const consoles = consoleLines(dir, 'out of contact')
  expect(consoles.length).toBeGreaterThan(0)
  expect(await noVms(admin)).toBe(true)
  await service.stop()
})

/** Lines of the VMs' consoles with this text. */
function consoleLines(under: string, text: string): readonly string[] {
  const files = readdirSync(under, { recursive: true, encoding: 'utf8' }).filter((name) => /console/.test(name))
  return files.flatMap((name) => {
    const lines = readFileSync(join(under, name), 'utf8').split('\n')
    return lines.filter((line) => line.includes(text))
  })
}
