/**
 * The accountant: turns facts into usage records, a batch at a time, behind its own place among the facts.
 *
 * The store moves the place, the records, the daily sums and the meters in one step, and only from the place that the batch
 * began at. So a process that dies in between is repeated by the next one, and of two processes one is refused: each attempt
 * and each VM is counted once. Batches are small, because every other write waits for them.
 */

import { account, vmsOf } from '../../core/accounting/account.ts'
import type { VmMeter } from '../../core/accounting/vm-meter.ts'
import { assert } from '../../core/kernel/assert.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import type { Vm } from '../../core/model/vm.ts'
import type { AccountingStore } from '../../core/ports/accounting.ts'
import type { FactStore, Fence, VmStore } from '../../core/ports/store.ts'
import { settleMeters } from './settle-meters.ts'

export type AccountantPorts = {
  readonly store: AccountingStore & Pick<FactStore, 'facts'> & Pick<VmStore, 'vm'>
  readonly clock: Clock
  /** How long records are kept; the daily sums are kept for ever. */
  readonly keepRecordsMs: number
}

/** Facts: some hundred records at most, a few milliseconds of the store's writer. */
const maxBatch = 500
/** Rounds follow each other for this time; the next step goes on. */
const maxStepMs = 2000
const forgetEveryMs = 60_000
const maxForgotten = 1000
const settleEveryMs = 60 * 60_000

export type Accountant = {
  /** Does nothing without the role. A second accountant would do no harm: the store refuses what is accounted already. */
  step(under: Fence | undefined): Promise<void>
}

export function accountant(ports: AccountantPorts): Accountant {
  const { store, clock, keepRecordsMs } = ports
  let forgotMs = clock.monotonicMs()
  let settledMs = clock.monotonicMs()

  async function forget(endMs: number): Promise<void> {
    const beforeMs = clock.nowMs() - keepRecordsMs
    while (clock.monotonicMs() < endMs) {
      if ((await store.forgetUsageRecords(beforeMs, maxForgotten)) < maxForgotten) return
    }
  }

  return {
    async step(under) {
      if (!under) return
      const endMs = clock.monotonicMs() + maxStepMs
      while (clock.monotonicMs() < endMs && (await accountBatch(ports)) === maxBatch) {
        // A full batch: more facts wait.
      }
      if (clock.monotonicMs() - forgotMs >= forgetEveryMs) {
        forgotMs = clock.monotonicMs()
        await forget(clock.monotonicMs() + maxStepMs)
      }
      if (clock.monotonicMs() - settledMs >= settleEveryMs) {
        settledMs = clock.monotonicMs()
        await settleMeters(ports)
      }
    },
  }
}

/** Answers how many facts are accounted now that were not; 0 also where another process was faster. */
export async function accountBatch({ store }: Pick<AccountantPorts, 'store'>, limit = maxBatch): Promise<number> {
  const afterSeq = await store.accountedSeq()
  const facts = await store.facts(afterSeq, limit)
  const last = facts.at(-1)
  if (!last) return 0
  assert(last.seq > afterSeq, 'facts come after the one that was asked for')
  const meters = await metersOf(store, facts)
  const vms = await unmetered(store, facts, meters)
  const { records, meters: changed, ended } = account(facts, { meters, vms })
  const kept = changed.map((meter) => ({ vmId: meter.vmId, text: JSON.stringify(meter) }))
  const isDone = await store.account({ afterSeq, nextSeq: last.seq, records, meters: kept, ended })
  return isDone ? facts.length : 0
}

async function metersOf(store: AccountingStore, facts: readonly Fact[]): Promise<ReadonlyMap<VmId, VmMeter>> {
  const ids = vmsOf(facts)
  const kept = ids.length === 0 ? [] : await store.meters(ids)
  return new Map(kept.map(({ vmId, text }) => [vmId, JSON.parse(text) as VmMeter]))
}

/** New VMs are among them: what a meter needs of a VM is fixed with its intent. */
async function unmetered(
  store: Pick<VmStore, 'vm'>,
  facts: readonly Fact[],
  meters: ReadonlyMap<VmId, VmMeter>,
): Promise<ReadonlyMap<VmId, Vm>> {
  const vms = new Map<VmId, Vm>()
  const ids = vmsOf(facts).filter((id) => !meters.has(id))
  const found = await Promise.all(ids.map((id) => store.vm(id)))
  for (const one of found) if (one) vms.set(one.vm.id, one.vm)
  return vms
}
