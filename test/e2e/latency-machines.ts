/**
 * What machines cost when they fail or are not needed: the next try of their jobs, and the time until an idle one asks to
 * stop.
 */

import { join } from 'node:path'
import { until } from '../../core/kernel/clock.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import { isRunning } from '../support/processes.ts'
import { localMachines } from '../support/local-machines.ts'
import { allEnded, type Bench, shellJob, startOf, staying } from './latency-jobs.ts'

const rounds = 3
const jobsEach = 3
const bootWithinMs = 30_000
const againWithinMs = 60_000

type Victims = {
  readonly vmId: VmId
  /** All that were started; those on the VM are the victims. */
  readonly jobIds: readonly number[]
  readonly onVm: readonly { readonly jobId: number; readonly file: string; readonly pid: number }[]
}

/** Milliseconds from the power failure of a VM to the next start of each job on it. */
export async function measureCrashes(bench: Bench): Promise<readonly number[]> {
  const { stage, user, dataDir } = bench
  const machines = localMachines(stage.clock, dataDir, 'local')
  const taken: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const { vmId, jobIds, onVm } = await runSome(bench, `crash-${round}`)
    const beginMs = stage.clock.monotonicMs()
    await machines.crash(vmId)
    const alive = onVm.filter(({ pid }) => isRunning(pid))
    if (alive.length > 0 || onVm.length === 0)
      throw new Error(`the crash of ${vmId} left ${alive.length} of ${onVm.length} payloads`)
    taken.push(...(await nextStarts(bench, onVm, beginMs)))
    await user.kill(jobIds, 'measured')
    await allEnded(user, jobIds, 'the jobs of a crashed VM')
  }
  return taken
}

/**
 * The same for a VM that stands still and that its cloud still calls running: only its missing heartbeats show it. It is
 * given up for that, and none of its payloads may outlive it.
 */
export async function measureHang(bench: Bench): Promise<readonly number[]> {
  const { stage, user, dataDir } = bench
  const { vmId, jobIds, onVm } = await runSome(bench, 'hang')
  const beginMs = stage.clock.monotonicMs()
  await localMachines(stage.clock, dataDir, 'local').hang(vmId)
  const taken = await nextStarts(bench, onVm, beginMs)
  const alive = (): boolean => onVm.some(({ pid }) => isRunning(pid))
  if (!(await until(stage.clock, () => !alive(), { withinMs: 10_000, everyMs: 50 })))
    throw new Error(`jobs of ${vmId} run elsewhere, and still there`)
  await user.kill(jobIds, 'measured')
  await allEnded(user, jobIds, 'the jobs of a VM that stood still')
  return taken
}

/** Milliseconds from the end of each VM's last job to its wish to stop, for the VMs that stopped because they were idle. */
export async function measureIdle({ stage, admin, user }: Bench, idleMs: number): Promise<readonly number[]> {
  const { clock, dir } = stage
  const file = join(dir, 'last')
  const jobIds = (
    await user.submit(Array.from({ length: 6 }, () => shellJob('last', 'echo "$PILOTAGE_ATTEMPT $$" >> "$0"', file)))
  ).jobIds
  await allEnded(user, jobIds, 'the last jobs')
  const withinMs = idleMs + 30_000
  const gone = await until(clock, async () => (await admin.vms()).length === 0, { withinMs, everyMs: 200 })
  if (!gone) throw new Error(`not all VMs were gone ${withinMs} ms after the last job`)
  const lastEnds = new Map<string, number>()
  for await (const job of user.list()) lastEnds.set(job.vmId, Math.max(lastEnds.get(job.vmId) ?? 0, job.endedMs))
  const taken: number[] = []
  for (const { vmId, activatedMs } of await admin.vms({ ended: true })) {
    const stopping = (await admin.vmHistory(vmId)).find(({ kind }) => kind === 'Stopping')
    if (stopping && String(stopping.data.why).startsWith('idle for'))
      taken.push(stopping.atMs - (lastEnds.get(vmId) ?? activatedMs))
  }
  return taken
}

/** Jobs that stay until they are killed, running; the victims are those on the VM of the first one. */
async function runSome({ stage: { clock, dir }, user }: Bench, name: string): Promise<Victims> {
  const files = Array.from({ length: jobsEach }, (_, at) => join(dir, `${name}-${at}`))
  const { jobIds } = await user.submit(files.map((file) => shellJob(name, staying, file)))
  const starts = await Promise.all(files.map((file) => startOf(clock, file, 1, bootWithinMs)))
  const places = new Map<number, string>()
  const isPlaced = async (): Promise<boolean> => {
    for await (const job of user.list({ jobIds })) if (job.state === 'Running') places.set(job.jobId, job.vmId)
    return places.size === jobsEach
  }
  if (!(await until(clock, isPlaced, { withinMs: 10_000 }))) throw new Error('started jobs are not reported as Running')
  const vmId = places.get(jobIds[0] ?? 0) as VmId
  const onVm = jobIds.flatMap((jobId, at) => {
    const [file, start] = [files[at], starts[at]]
    return places.get(jobId) === vmId && file !== undefined && start ? [{ jobId, file, pid: start.pid }] : []
  })
  return { vmId, jobIds, onVm }
}

function nextStarts({ stage: { clock } }: Bench, onVm: Victims['onVm'], beginMs: number): Promise<readonly number[]> {
  return Promise.all(onVm.map(async ({ file }) => Math.round((await startOf(clock, file, 2, againWithinMs)).atMs - beginMs)))
}
