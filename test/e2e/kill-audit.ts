/**
 * The judges of the kill scenario: were jobs lost, were any done twice, is anything left without an owner.
 *
 * lost     an acknowledged job that is not Done at the end; every payload succeeds, so nothing else is right.
 * doubled  a key with two jobs, a job with two ends in its history, or a payload that reached its end twice.
 * reruns   payloads that started more than once. That is legitimate only where an attempt was lost with its machine: a lost
 *          lease is run again elsewhere, and the old payload may have ended without a report. No VM is harmed here and
 *          leases outlast every absence of the service, so any rerun without a lost VM is a shortfall, and so is a second
 *          end; with a lost VM a second end counts as a rerun.
 * orphans  machines without a live record, live records without a machine, and processes that are left.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../core/kernel/clock.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import type { Job } from '../../client/jobs.ts'
import type { Vm } from '../../client/cluster.ts'
import { commandOf, leftUnder } from '../support/processes.ts'
import { localMachines } from '../support/local-machines.ts'
import { bookOf, readBook, submitOne, type Submitted } from './kill-work.ts'
import { type Outcome, promised, type Stage } from './scenario.ts'

const leftoversMs = 10_000
const accountedMs = 30_000
const maxShown = 5
const endStates = ['Done', 'Failed', 'Killed']

/** Every twentieth key once more: the first answer must come again. */
export async function auditRepeats(
  users: readonly PilotageClient[],
  submitted: readonly Submitted[],
): Promise<readonly string[]> {
  const some = submitted.filter((_, at) => at % 20 === 0)
  const again = await Promise.all(some.map((one) => submitOne(users, one)))
  const wrong = again.filter(({ jobId }, at) => jobId !== some[at]?.jobId)
  return promised(wrong.length === 0, `${wrong.length} repeated keys were answered otherwise: ${keys(wrong)}`)
}

export async function auditJobs(admin: PilotageClient, submitted: readonly Submitted[], runsDir: string): Promise<Outcome> {
  const jobs = new Map<number, Job>()
  for (const vo of ['biomed', 'astro']) for await (const job of admin.list({ vo })) jobs.set(job.jobId, job)
  const lostVms = (await admin.vms({ ended: true })).filter(({ state }) => state === 'Lost')
  const lost = submitted.filter(({ jobId }) => jobs.get(jobId)?.state !== 'Done')
  const acknowledged = new Set(submitted.map(({ jobId }) => jobId))
  const extra = [...jobs.keys()].filter((jobId) => !acknowledged.has(jobId))
  const twins = submitted.length - acknowledged.size
  const endedTwice = await withTwoEnds(admin, [...acknowledged])

  const books = submitted.map((one) => ({ one, runs: readBook(bookOf(runsDir, one.key)) }))
  const strangers = books.filter(({ one, runs }) => runs.some(({ jobId }) => jobId !== one.jobId))
  const ranTwice = books.filter(({ runs }) => runs.filter(({ what }) => what === 'end').length > 1)
  const neverRan = books.filter(({ one, runs }) => !lost.includes(one) && !runs.some(({ what }) => what === 'end'))
  const reruns = books.reduce(
    (sum, { runs }) => sum + Math.max(0, runs.filter(({ what }) => what === 'start').length - 1),
    0,
  )
  const doubled = new Set([
    ...extra,
    ...endedTwice,
    ...strangers.map(({ one }) => one.jobId),
    ...(lostVms.length === 0 ? ranTwice.map(({ one }) => one.jobId) : []),
  ]).size
  return {
    figures: { lost: lost.length + neverRan.length, doubled: doubled + twins, reruns },
    shortfalls: [
      ...promised(lost.length === 0, `acknowledged and not Done: ${keys(lost)}`),
      ...promised(neverRan.length === 0, `Done without having run to an end: ${keys(neverRan.map(({ one }) => one))}`),
      ...promised(twins === 0, `${twins} keys share a job with another key`),
      ...promised(extra.length === 0, `jobs that no submission got: ${extra.slice(0, maxShown).join(', ')}`),
      ...promised(endedTwice.length === 0, `jobs with two ends in their history: ${endedTwice.slice(0, maxShown)}`),
      ...promised(strangers.length === 0, `keys that were run by another job: ${keys(strangers.map(({ one }) => one))}`),
      ...promised(lostVms.length > 0 || reruns === 0, `${reruns} payloads were started again though no VM was lost`),
    ],
  }
}

/** Each attempt has one usage record, and the daily sums count it once: one that ended as done per job, no more. */
export async function auditUsage(
  { clock }: Stage,
  admin: PilotageClient,
  submitted: readonly Submitted[],
): Promise<readonly string[]> {
  const period = { fromDay: '1970-01-01', toDay: '9999-12-31' }
  const countDone = async (): Promise<number> => {
    let done = 0
    const filter = { kind: 'attempt', reason: 'done' }
    for await (const { measures } of admin.usage({ ...period, by: ['vo'], filter })) done += measures.records
    return done
  }
  await until(clock, async () => (await countDone()) >= submitted.length, { withinMs: accountedMs, everyMs: 500 })
  const done = await countDone()
  const records = new Map<string, number>()
  for await (const record of admin.usageRecords({ fromMs: 0, toMs: clock.nowMs() + accountedMs, kind: 'attempt' })) {
    if (record.kind !== 'attempt' || record.ending !== 'done') continue
    records.set(`${record.jobId}`, (records.get(`${record.jobId}`) ?? 0) + 1)
  }
  const wrong = submitted.filter(({ jobId }) => records.get(`${jobId}`) !== 1)
  return [
    ...promised(done === submitted.length, `the sums count ${done} attempts that are done, not ${submitted.length}`),
    ...promised(wrong.length === 0, `jobs without exactly one usage record that is done: ${keys(wrong)}`),
  ]
}

/** After the service has stopped: the cloud's directory and this machine speak for themselves. */
export async function auditMachines({ clock, dir }: Stage, dataDir: string, vms: readonly Vm[]): Promise<readonly string[]> {
  const left = await leftUnder(clock, dir, leftoversMs)
  const machines = await localMachines(clock, dataDir, 'local').list()
  const live = vms.filter(({ state }) => !['Gone', 'Failed', 'Lost'].includes(state))
  const unowned = machines.filter(({ vmId }) => !live.some((vm) => vm.vmId === vmId))
  const empty = live.filter(({ vmId }) => !machines.some((machine) => machine.vmId === vmId))
  const directories = readdirSync(join(dataDir, 'clouds/local')).filter((name) => /^i-/.test(name))
  return [
    ...unowned.map(({ ref, power }) => `machine ${ref} (${power}) has no live record`),
    ...empty.map(({ vmId, state }) => `VM ${vmId} is ${state} and has no machine`),
    ...directories.slice(machines.length).map((name) => `the directory of machine ${name} is left`),
    ...left.map((seen) => `a process is left: ${commandOf(seen)}`),
  ]
}

async function withTwoEnds(admin: PilotageClient, jobIds: readonly number[]): Promise<readonly number[]> {
  const twice: number[] = []
  const width = 16
  for (let at = 0; at < jobIds.length; at += width) {
    const some = jobIds.slice(at, at + width)
    const histories = await Promise.all(some.map((jobId) => admin.history(jobId)))
    histories.forEach((facts, index) => {
      const jobId = some[index]
      if (jobId !== undefined && facts.filter(({ kind }) => endStates.includes(kind)).length !== 1) twice.push(jobId)
    })
  }
  return twice
}

function keys(some: readonly Submitted[]): string {
  const shown = some.slice(0, maxShown).map(({ key, jobId }) => `${key} (job ${jobId})`)
  return `${some.length}: ${shown.join(', ')}${some.length > maxShown ? ', ...' : ''}`
}
