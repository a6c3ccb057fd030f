/**
 * Owners in the order of their turns, down the share tree: the VO whose turn it is, of that the group, of that the owner;
 * ties by name, so that there is one order. Each owner with the task queues of its own that have something to give; an owner
 * without any stands nowhere.
 *
 * A turn moves with every use that the ledger counts (core/share/turns.ts). What was used in the past corrects the weights,
 * at each tick (core/share/share-tree.ts).
 */

import type { Owner } from '../../core/model/owner.ts'
import { ownerKey, type UsageLedger } from '../../core/share/ledger.ts'
import { byShareKey, type ShareState, shareTree } from '../../core/share/share-tree.ts'
import { enters, type Level, newLevel, served, ticks, type Turn, uses } from '../../core/share/turns.ts'
import { equalWeights, type SharePath, shareKey, type Weights } from '../../core/share/weights.ts'
import { type Asked, type FitTree, fitTree, type Wanted } from './fit-tree.ts'
import { type Ordered, type OwnerQueues, ownerQueues } from './owner-queues.ts'
import type { Part } from './window.ts'

/** A VO, a group or an owner. */
type ShareNode = {
  readonly key: string
  readonly path: SharePath
  readonly turn: Turn
  readonly parent: Branch
  /** Whether it stands in the order. */
  isIn: boolean
  asked(): Asked | undefined
}

/** What has nodes below it: the whole, a VO, a group. */
type Branch = { readonly level: Level; readonly children: FitTree<ShareNode>; readonly node?: ShareNode }

export type OrderedOwner<Entry extends Ordered> = ShareNode & {
  readonly owner: Owner
  /** The owner's task queues that have something to give. */
  readonly entries: OwnerQueues<Entry>
}

export type OwnerOrder<Entry extends Ordered> = {
  /** Of those that have something to give, in the order of their turns. */
  list(): readonly OrderedOwner<Entry>[]
  /** All that there ever were. */
  all(): Iterable<OrderedOwner<Entry>>
  of(owner: Owner, part: Part): OrderedOwner<Entry>
  /** What its task queues ask for is something else. */
  changed(owner: OrderedOwner<Entry>): void
  /** The first answer for an owner of whom something may fit. */
  first<Answer>(wanted: Wanted, look: (owner: OrderedOwner<Entry>) => Answer | undefined): Answer | undefined
  /** Has had its turn. */
  served(owner: OrderedOwner<Entry>): void
  /** Time has gone by: weights as they are now, corrected by what was used up to now. */
  tick(weights: Weights, nowMs: number): void
}

const nothing: Asked = { least: [], kinds: [] }

export function ownerOrder<Entry extends Ordered>(ledger: UsageLedger): OwnerOrder<Entry> {
  const owners = new Map<string, OrderedOwner<Entry>>()
  const branches = new Map<string, Branch>()
  const root = newBranch()
  let weights = equalWeights

  ledger.onChange(({ ownerKey: key, coreMs }) => {
    const owner = owners.get(key)
    if (owner) forEachUp(owner, (node) => moved(node, () => uses(node.turn, coreMs)))
  })

  function branchOf(path: SharePath, parent: Branch): Branch {
    const key = shareKey(path)
    const known = branches.get(key)
    if (known) return known
    const made: Branch = newBranch(newNode(path, parent, () => made.children.asked()))
    branches.set(key, made)
    return made
  }

  function newNode(path: SharePath, parent: Branch, asked: ShareNode['asked']): ShareNode {
    return { key: shareKey(path), path, parent, turn: { at: 0, rate: weights.of(path) }, isIn: false, asked }
  }

  function newOwner(owner: Owner, part: Part): OrderedOwner<Entry> {
    const vo = branchOf([owner.vo], root)
    const group = branchOf([owner.vo, owner.group], vo)
    const entries = ownerQueues<Entry>(part)
    return { ...newNode([owner.vo, owner.group, owner.owner], group, () => entries.asked()), owner, entries }
  }

  const isOwner = (node: ShareNode): node is OrderedOwner<Entry> => 'entries' in node
  const below = ({ key }: ShareNode): Branch => branches.get(key) ?? root

  function firstBelow<Answer>(
    { children }: Branch,
    wanted: Wanted,
    look: (owner: OrderedOwner<Entry>) => Answer | undefined,
  ): Answer | undefined {
    return children.first(wanted, (node) => (isOwner(node) ? look(node) : firstBelow(below(node), wanted, look)))
  }

  function listBelow({ children }: Branch): readonly OrderedOwner<Entry>[] {
    return children.items().flatMap((node) => (isOwner(node) ? [node] : listBelow(below(node))))
  }

  return {
    list: () => listBelow(root),
    all: () => owners.values(),
    of(owner, part) {
      const key = ownerKey(owner)
      const known = owners.get(key)
      if (known) return known
      const made = newOwner(owner, part)
      owners.set(key, made)
      return made
    },
    changed: (owner) => forEachUp(owner, placed),
    first: (wanted, look) => firstBelow(root, wanted, look),
    served: (owner) => forEachUp(owner, (node) => moved(node, () => served(node.turn, node.parent.level))),
    tick(now, nowMs) {
      weights = now
      for (const { level } of [root, ...branches.values()]) ticks(level, nowMs)
      const nodes = [...owners.values(), ...[...branches.values()].flatMap(({ node }) => node ?? [])]
      correct(nodes, factorsOf(owners.values(), ledger, weights, nowMs), weights)
    },
  }
}

function correct(nodes: readonly ShareNode[], factors: ReadonlyMap<string, ShareState>, weights: Weights): void {
  for (const { key, path, turn } of nodes) turn.rate = weights.of(path) * (factors.get(key)?.factor ?? 1)
}

function factorsOf(
  owners: Iterable<ShareNode & { readonly owner: Owner }>,
  ledger: Pick<UsageLedger, 'usages' | 'history'>,
  weights: Weights,
  nowMs: number,
): ReadonlyMap<string, ShareState> {
  const used = ledger.usages(nowMs)
  const states = [...owners].map(({ key, owner, isIn }) => {
    return { owner, waiting: isIn ? 1 : 0, usedCoreMs: used.get(key) ?? 0 }
  })
  return byShareKey(shareTree({ owners: states, weights, history: ledger.history(nowMs) }))
}

function newBranch(node?: ShareNode): Branch {
  const isBefore = (a: ShareNode, b: ShareNode): boolean =>
    a.turn.at < b.turn.at || (a.turn.at === b.turn.at && a.key < b.key)
  const children = fitTree<ShareNode>({ isBefore, askedOf: (child) => child.asked() ?? nothing })
  return node ? { level: newLevel(), children, node } : { level: newLevel(), children }
}

/** The owner first, its VO last. */
function forEachUp(owner: ShareNode, visit: (node: ShareNode) => void): void {
  for (let node: ShareNode | undefined = owner; node; node = node.parent.node) visit(node)
}

/** Its turn changes, and it stands where it belongs from then on. */
function moved(node: ShareNode, change: () => void): void {
  const { children } = node.parent
  if (node.isIn) children.remove(node)
  change()
  if (node.isIn) children.insert(node)
}

/** In the order while something below it has something to give. */
function placed(node: ShareNode): void {
  const { children, level } = node.parent
  const isIn = node.asked() !== undefined
  if (isIn && node.isIn) children.changed(node)
  else if (node.isIn) children.remove(node)
  else if (isIn) {
    enters(node.turn, level)
    children.insert(node)
  }
  node.isIn = isIn
}
