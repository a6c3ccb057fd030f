/**
 * Meters whose end no fact will bring: of VMs that ended more than a day ago although the meter did not hear of it, or whose
 * attempts have ends that it did not hear of. Facts are lost only where the log of a MongoDB server forgot them before a
 * process collected them.
 *
 * Such a VM gets its record from what its own record still says. Nothing is settled while old facts wait to be accounted.
 */

import { abandonedAt, usageOf, type VmMeter } from '../../core/accounting/vm-meter.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { UsageRecord } from '../../core/model/usage-record.ts'
import { isOver } from '../../core/model/vm.ts'
import type { AccountingStore } from '../../core/ports/accounting.ts'
import type { FactStore, VmStore } from '../../core/ports/store.ts'

export type SettlePorts = {
  readonly store: AccountingStore & Pick<FactStore, 'facts'> & Pick<VmStore, 'vm'>
  readonly clock: Clock
}

const dayMs = 24 * 60 * 60 * 1000
/** Facts that wait for longer than this may be the ends that are missing. */
const behindMs = 60 * 60 * 1000
const atOnce = 200

/** Answers how many VMs got their record. */
export async function settleMeters(ports: SettlePorts): Promise<number> {
  const { store, clock } = ports
  const [waiting] = await store.facts(await store.accountedSeq(), 1)
  if (waiting && waiting.atMs < clock.nowMs() - behindMs) return 0
  let settled = 0
  for (let after: VmId | undefined; ; ) {
    const kept = await store.metersAfter(after, atOnce)
    const old = kept.map(({ text }) => JSON.parse(text) as VmMeter).filter(({ atMs }) => atMs < clock.nowMs() - dayMs)
    const records = (await Promise.all(old.map((meter) => recordOf(ports, meter)))).filter((one) => one !== undefined)
    if (records.length > 0) settled += await write(store, records)
    after = kept.at(-1)?.vmId
    if (kept.length < atOnce) return settled
  }
}

/** Undefined: the VM lives, or ended a short while ago. */
async function recordOf({ store, clock }: SettlePorts, meter: VmMeter): Promise<UsageRecord | undefined> {
  const known = await store.vm(meter.vmId)
  // A VM that the store has forgotten ended long ago.
  if (!known) return usageOf(abandonedAt(meter, 'Lost', meter.atMs))
  const { phase, changedMs } = known.vm
  if (!isOver(phase) || changedMs > clock.nowMs() - dayMs) return undefined
  return usageOf(abandonedAt(meter, phase.state, Math.round(changedMs)))
}

/** Where another process is faster, its records are known, and these add nothing. */
async function write(store: AccountingStore, records: readonly UsageRecord[]): Promise<number> {
  const seq = await store.accountedSeq()
  const ended = records.map(({ vmId }) => vmId)
  const isDone = await store.account({ afterSeq: seq, nextSeq: seq, records, meters: [], ended })
  return isDone ? records.length : 0
}
