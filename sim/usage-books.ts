/**
 * The usage that is recorded, audited when the world is at rest: each attempt and each VM has one record, the daily sums are
 * those of the records, and the core time of each VM is divided without a rest.
 */

import type { JobId, VmId } from '../core/kernel/ids.ts'
import {
  type AttemptUsage,
  plusMeasures,
  recordKey,
  summedUsage,
  type UsageMeasures,
  type UsageRecord,
  type VmUsage,
} from '../core/model/usage-record.ts'
import type { Store } from '../core/ports/store.ts'
import { accountBatch } from '../services/accounting/account-facts.ts'
import type { Ground } from './ground.ts'
import { isOverState } from './job-books.ts'

const atOnce = 1000

export async function checkUsage(ground: Ground, truth: Store): Promise<void> {
  const { violations } = ground
  while ((await accountBatch({ store: truth })) > 0) {
    // What the last life of the service has not accounted yet.
  }
  const records = await everyRecord(truth)
  const found = new Set(records.map(recordKey))
  const expected = expectedKeys(ground)
  for (const [key, about] of expected) {
    violations.check(found.has(key), 'accounted', about, () => `${key} has no usage record`)
  }
  for (const key of found) violations.check(expected.has(key), 'accounted', {}, () => `${key} has a usage record`)
  const wanted = text(summedUsage(records).map(({ measures }) => measures))
  const [kept] = await truth.usage({ by: [], fromDay: '0000', toDay: '9999', filter: {}, limit: 1 })
  const sums = text(kept ? [kept.measures] : [])
  violations.check(sums === wanted, 'accounted', {}, () => `the sums are ${sums}, the records ${wanted}`)
  checkVms(ground, records)
}

async function everyRecord(truth: Store): Promise<readonly UsageRecord[]> {
  const records: UsageRecord[] = []
  for (;;) {
    const last = records.at(-1)
    const after = last && { after: { endedMs: last.endedMs, key: recordKey(last) } }
    const some = await truth.usageRecords({ fromMs: 0, toMs: Infinity, limit: atOnce, ...after })
    records.push(...some)
    if (some.length < atOnce) return records
  }
}

type About = { readonly jobId?: JobId; readonly vmId?: VmId }

function expectedKeys({ jobs, vms }: Ground): ReadonlyMap<string, About> {
  const keys = new Map<string, About>()
  for (const { id, attempt, vmId } of jobs.entries.values()) {
    const ended = vmId === undefined ? attempt : attempt - 1
    for (let one = 1; one <= ended; one += 1) keys.set(`attempt:${id}.${one}`, { jobId: id as JobId })
  }
  for (const [vmId, { state }] of vms.entries) if (isOverState(state)) keys.set(`vm:${vmId}`, { vmId })
  return keys
}

function checkVms({ violations, weather }: Ground, records: readonly UsageRecord[]): void {
  const attempts = records.filter((one): one is AttemptUsage => one.kind === 'attempt')
  const held = new Map<VmId, number>()
  for (const { vmId, coreMs } of attempts) held.set(vmId, (held.get(vmId) ?? 0) + coreMs)
  for (const vm of records.filter((one): one is VmUsage => one.kind === 'vm')) {
    const { vmId, cores, intendedMs, endedMs, usedCoreMs, overheadCoreMs } = vm
    const own = held.get(vmId) ?? 0
    violations.check(own === usedCoreMs, 'accounted', { vmId }, () => `attempts held ${own} ms, its record ${usedCoreMs}`)
    const whole = cores * (endedMs - intendedMs)
    const divided = Object.values(overheadCoreMs).reduce((sum, coreMs) => sum + coreMs, usedCoreMs)
    // A VM for which no machine was made used nothing. A store without an order leases more than there is for a while.
    const isExact = weather.isStoreSure && weather.isStoreOrdered
    const isDivided = divided === whole || divided === 0 || (!isExact && divided > whole)
    violations.check(isDivided, 'accounted', { vmId }, () => `${divided} ms of ${whole} are divided`)
  }
}

function text(all: readonly UsageMeasures[]): string {
  const [first, ...rest] = all
  return JSON.stringify(first ? rest.reduce(plusMeasures, first) : {})
}
