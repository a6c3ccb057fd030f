/**
 * The share tree as it stands: for each VO, group and owner what it asks for, what it used, what it should have, and by
 * which factor its weight is corrected for that.
 *
 * One level at a time: the weights of those that ask divide their parent's share, so that what one does not ask for goes to
 * the others by their weights (surplus). Who used less than its target weighs more for a while, who used more weighs less;
 * the factor is bounded, so that each node that asks gets something.
 */

import type { Owner } from '../model/owner.ts'
import type { QueueCount } from '../model/task-queue.ts'
import { ownerKey } from './ledger.ts'
import { type SharePath, shareKey, type Weights } from './weights.ts'

export type OwnerState = {
  readonly owner: Owner
  /** Jobs that wait. */
  readonly waiting: number
  /** Decayed core-milliseconds. */
  readonly usedCoreMs: number
}

export type ShareState = {
  readonly path: SharePath
  readonly weight: number
  /** Jobs that wait. */
  readonly waiting: number
  /** Decayed core-milliseconds of all owners below. */
  readonly usedCoreMs: number
  /** Part of what its level used, 0 to 1; of the nodes that ask and of this one. */
  readonly used: number
  /** Part of what its level gets that it should have, 0 to 1; 0 where it asks for nothing. */
  readonly target: number
  /** What its weight is multiplied with, 1/3 to 3. */
  readonly factor: number
  /** By name. */
  readonly children: readonly ShareState[]
}

/** DIRAC corrects by the same. With it a node that asks gets at least a ninth of its target at any time. */
export const maxFactor = 3

export type ShareView = {
  readonly owners: readonly OwnerState[]
  readonly weights: Weights
  /**
   * How much of a history the use is, 0 to 1 (see `UsageLedger.history`): a few jobs of the first minutes correct nothing.
   */
  readonly history: number
}

/** The VOs, by name. */
export function shareTree({ owners, ...view }: ShareView): readonly ShareState[] {
  return levelOf(owners, view, [])
}

const pathOf = ({ vo, group, owner }: Owner): readonly string[] => [vo, group, owner]

function levelOf(
  owners: readonly OwnerState[],
  view: Omit<ShareView, 'owners'>,
  above: readonly string[],
): readonly ShareState[] {
  const { weights, history } = view
  const depth = above.length
  if (depth > 2) return []
  const byName = [...Map.groupBy(owners, ({ owner }) => pathOf(owner)[depth] as string)]
  const nodes = byName
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, own]) => {
      const path = [...above, name] as unknown as SharePath
      const waiting = own.reduce((sum, one) => sum + one.waiting, 0)
      const usedCoreMs = own.reduce((sum, one) => sum + one.usedCoreMs, 0)
      return { path, weight: weights.of(path), waiting, usedCoreMs, children: levelOf(own, view, [...above, name]) }
    })
  const asking = nodes.filter(({ waiting }) => waiting > 0)
  const weight = asking.reduce((sum, one) => sum + one.weight, 0)
  const usedCoreMs = asking.reduce((sum, one) => sum + one.usedCoreMs, 0)
  return nodes.map((node) => {
    const isAsking = node.waiting > 0
    const all = usedCoreMs + (isAsking ? 0 : node.usedCoreMs)
    const used = all > 0 ? node.usedCoreMs / all : 0
    const target = isAsking ? node.weight / weight : 0
    return { ...node, used, target, factor: isAsking ? factorOf(used, target, usedCoreMs) ** history : 1 }
  })
}

/** How much more or less than its weight a node has for now. */
function factorOf(used: number, target: number, usedCoreMs: number): number {
  if (usedCoreMs === 0) return 1
  return Math.min(maxFactor, Math.max(1 / maxFactor, target / used))
}

/** The owners of task queues, each once: what waits in all of theirs, and by `used` what each has used. */
export function askingOwners(
  counts: Iterable<Pick<QueueCount, 'queue' | 'waiting'>>,
  used: ReadonlyMap<string, number>,
): readonly OwnerState[] {
  const found = new Map<string, OwnerState>()
  for (const { queue, waiting } of counts) {
    const { vo, group, owner } = queue
    const key = ownerKey(queue)
    const known = found.get(key)?.waiting ?? 0
    found.set(key, { owner: { vo, group, owner }, waiting: known + waiting, usedCoreMs: used.get(key) ?? 0 })
  }
  return [...found.values()]
}

/**
 * The owners in one order, by owner key, from 0: down the tree, first who is farthest below its target; who asks for nothing
 * comes last.
 */
export function shareRanks(tree: readonly ShareState[]): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>()
  const filled = ({ used, target }: ShareState): number => (target > 0 ? used / target : Infinity)
  const enter = (nodes: readonly ShareState[]): void => {
    for (const node of nodes.toSorted((a, b) => filled(a) - filled(b))) {
      if (node.path.length === 3) ranks.set(shareKey(node.path), ranks.size)
      else enter(node.children)
    }
  }
  enter(tree)
  return ranks
}

/** Every node of the tree by its key. */
export function byShareKey(tree: readonly ShareState[]): ReadonlyMap<string, ShareState> {
  const found = new Map<string, ShareState>()
  const enter = (nodes: readonly ShareState[]): void => {
    for (const node of nodes) {
      found.set(shareKey(node.path), node)
      enter(node.children)
    }
  }
  enter(tree)
  return found
}
