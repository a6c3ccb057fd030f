/** The share tree as it stands, for people: what each node asks for, has used, and should have. */

import { type Caller, visibleVo } from '../../core/access/caller.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import { queuesPerSlice } from '../../core/kernel/limits.ts'
import type { QueueCount } from '../../core/model/task-queue.ts'
import type { JobStore } from '../../core/ports/store.ts'
import { ownerKey, ownerOfKey, type UsageLedger } from '../../core/share/ledger.ts'
import { askingOwners, type OwnerState, type ShareState, shareTree } from '../../core/share/share-tree.ts'
import type { ShareWeights } from './share-weights.ts'

export type SharePorts = {
  readonly store: Pick<JobStore, 'queues'>
  readonly clock: Clock
  readonly ledger: Pick<UsageLedger, 'usages' | 'history'>
  readonly weights: ShareWeights
  readonly halfLifeMs: number
}

export type Shares = {
  /** Each node before those below it: VOs by name, and so on. */
  readonly nodes: readonly ShareState[]
  readonly version: number
  readonly halfLifeMs: number
}

/** Those that the caller sees: operators all, users those of their VO. */
export async function listShares(ports: SharePorts, caller: Caller): Promise<Shares> {
  const { weights, ledger, clock, halfLifeMs } = ports
  await weights.read()
  const vo = visibleVo(caller)
  const owners = await ownerStates(ports)
  const tree = shareTree({ owners, weights: weights.now(), history: ledger.history(clock.nowMs()) })
  const seen = tree.filter(({ path }) => vo === undefined || path[0] === vo)
  return { nodes: seen.flatMap(flat), version: weights.version(), halfLifeMs }
}

/** Who has jobs waiting or has use that has not faded. */
async function ownerStates({ store, clock, ledger }: SharePorts): Promise<readonly OwnerState[]> {
  const used = ledger.usages(clock.nowMs())
  const asking = askingOwners(await waitingQueues(store), used)
  const keys = new Set(asking.map(({ owner }) => ownerKey(owner)))
  const others = [...used].flatMap(([key, usedCoreMs]) =>
    keys.has(key) ? [] : [{ owner: ownerOfKey(key), waiting: 0, usedCoreMs }],
  )
  return [...asking, ...others]
}

/** Of every task queue, read a slice at a time. */
async function waitingQueues(store: Pick<JobStore, 'queues'>): Promise<readonly QueueCount[]> {
  const all: QueueCount[] = []
  for (let after = ''; ; ) {
    const slice = await store.queues({ after, limit: queuesPerSlice })
    all.push(...slice)
    const last = slice.at(-1)
    if (slice.length < queuesPerSlice || !last) return all
    after = last.queue.id
  }
}

function flat(node: ShareState): readonly ShareState[] {
  return [node, ...node.children.flatMap(flat)]
}
