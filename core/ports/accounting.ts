/**
 * Where usage is kept: records for a time, daily sums for ever, the meters of VMs that have not been accounted, and up to
 * which fact all of them go. One atomic step moves all of it, so that each attempt and each VM is counted once, whichever
 * process dies when.
 */

import type { VmId } from '../kernel/ids.ts'
import type { RecordQuery, UsageQuery, UsageRecord, UsageRow } from '../model/usage-record.ts'

/** The meter of a VM as text: a store keeps it and does not look into it. */
export type KeptMeter = { readonly vmId: VmId; readonly text: string }

export type UsageBatch = {
  /** Up to which fact the store is expected to have accounted, and up to which it will have. */
  readonly afterSeq: number
  readonly nextSeq: number
  /** What they add to the daily sums says `summedUsage` of core. */
  readonly records: readonly UsageRecord[]
  /** Put in place of those of the same VMs. */
  readonly meters: readonly KeptMeter[]
  /** VMs that have no meter any more. */
  readonly ended: readonly VmId[]
}

export interface AccountingStore {
  /** The `seq` of the last fact that was accounted; 0: none. */
  accountedSeq(): Promise<number>

  /** Those that there are, in any order. */
  meters(ids: readonly VmId[]): Promise<readonly KeptMeter[]>

  /** By VM, those behind this one (undefined: from the first); fewer than `limit` are all that there are. */
  metersAfter(after: VmId | undefined, limit: number): Promise<readonly KeptMeter[]>

  /** All of the batch, or false and nothing if another one was faster. A record whose key is known adds nothing. */
  account(batch: UsageBatch): Promise<boolean>

  /** Sums by the attributes asked for, in the order of their values; fewer than `limit` are all that there are. */
  usage(query: UsageQuery): Promise<readonly UsageRow[]>

  usageRecords(query: RecordQuery): Promise<readonly UsageRecord[]>

  /** Removes records that ended before, the earliest first; at most `limit`. The daily sums stay. Answers how many. */
  forgetUsageRecords(endedBeforeMs: number, limit: number): Promise<number>
}
