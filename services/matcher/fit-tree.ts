/**
 * Things in an order, of which the first one that might fit is found without looking at those that cannot: a tree whose
 * nodes know the least that any thing below them asks for, and for which kinds of place there may be one.
 *
 * Knows nothing of jobs: its caller says what the order is and what a thing asks for. The least of several things is not
 * what one of them asks for, so a search may look at a thing in vain; it never passes over one that fits.
 */

/** Numbers of the caller's, in the caller's order. */
export type Least = readonly number[]

/** `kinds`: a bit for each kind of place that it may suit, in words of 32. */
export type Asked = { readonly least: Least; readonly kinds: readonly number[] }

/** What a search is for: room for so much at a place of this kind. */
export type Wanted = { readonly room: Least; readonly kind: number }

export type FitTree<Item> = {
  readonly size: () => number
  /** To where it belongs. What decides its place stays as it is until it is removed. */
  insert(item: Item): void
  /** Without effect where it is not there. */
  remove(item: Item): void
  /** What it asks for is something else. Without effect where it is not there. */
  changed(item: Item): void
  /** Of all that is there; undefined: nothing is. */
  asked(): Asked | undefined
  /**
   * The first answer for a thing that may fit, in order. Things for which `isBefore` holds are passed over: the first ones.
   */
  first<Answer>(
    wanted: Wanted,
    look: (item: Item) => Answer | undefined,
    isBefore?: (item: Item) => boolean,
  ): Answer | undefined
  /** In order. */
  items(): readonly Item[]
}

export type FitTreeOptions<Item> = {
  /** A total order. */
  readonly isBefore: (a: Item, b: Item) => boolean
  readonly askedOf: (item: Item) => Asked
}

/** A treap: a heap by `weight`, which keeps it as deep as a random tree. */
type Node<Item> = {
  readonly item: Item
  readonly weight: number
  own: Asked
  /** Of it and of all below it. */
  all: Asked
  left: Node<Item> | undefined
  right: Node<Item> | undefined
}

type Maybe<Item> = Node<Item> | undefined

export function fitTree<Item>({ isBefore, askedOf }: FitTreeOptions<Item>): FitTree<Item> {
  let root: Maybe<Item>
  let size = 0
  let made = 0

  function insert(node: Maybe<Item>, added: Node<Item>): Node<Item> {
    if (!node) return added
    if (added.weight > node.weight) {
      const [left, right] = split(node, added.item)
      return joined(added, left, right)
    }
    if (isBefore(added.item, node.item)) return joined(node, insert(node.left, added), node.right)
    return joined(node, node.left, insert(node.right, added))
  }

  /** Those before the item, and those behind it. */
  function split(node: Maybe<Item>, item: Item): readonly [Maybe<Item>, Maybe<Item>] {
    if (!node) return [undefined, undefined]
    if (isBefore(node.item, item)) {
      const [left, right] = split(node.right, item)
      return [joined(node, node.left, left), right]
    }
    const [left, right] = split(node.left, item)
    return [left, joined(node, right, node.right)]
  }

  function remove(node: Maybe<Item>, item: Item): Maybe<Item> {
    if (!node) return undefined
    if (node.item === item) {
      size -= 1
      return merged(node.left, node.right)
    }
    if (isBefore(item, node.item)) return joined(node, remove(node.left, item), node.right)
    return joined(node, node.left, remove(node.right, item))
  }

  function change(node: Maybe<Item>, item: Item): void {
    if (!node) return
    if (node.item === item) node.own = askedOf(item)
    else change(isBefore(item, node.item) ? node.left : node.right, item)
    joined(node, node.left, node.right)
  }

  return {
    size: () => size,
    insert(item) {
      const own = askedOf(item)
      made += 1
      size += 1
      root = insert(root, { item, weight: weightOf(made), own, all: own, left: undefined, right: undefined })
    },
    remove(item) {
      root = remove(root, item)
    },
    changed: (item) => change(root, item),
    asked: () => root?.all,
    first: (wanted, look, isPassed) => firstIn(root, wanted, look, isPassed),
    items() {
      const found: Item[] = []
      gather(root, found)
      return found
    },
  }
}

function firstIn<Item, Answer>(
  node: Maybe<Item>,
  wanted: Wanted,
  look: (item: Item) => Answer | undefined,
  isPassed: ((item: Item) => boolean) | undefined,
): Answer | undefined {
  if (!node || !mayFit(node.all, wanted)) return undefined
  if (isPassed?.(node.item)) return firstIn(node.right, wanted, look, isPassed)
  const answer = firstIn(node.left, wanted, look, isPassed)
  if (answer !== undefined) return answer
  const own = mayFit(node.own, wanted) ? look(node.item) : undefined
  // All that follows stands behind one that is not passed over.
  return own ?? firstIn(node.right, wanted, look, undefined)
}

function gather<Item>(node: Maybe<Item>, found: Item[]): void {
  if (!node) return
  gather(node.left, found)
  found.push(node.item)
  gather(node.right, found)
}

/** All of the first stand before all of the second. */
function merged<Item>(first: Maybe<Item>, second: Maybe<Item>): Maybe<Item> {
  if (!first || !second) return first ?? second
  if (first.weight > second.weight) return joined(first, first.left, merged(first.right, second))
  return joined(second, merged(first, second.left), second.right)
}

function joined<Item>(node: Node<Item>, left: Maybe<Item>, right: Maybe<Item>): Node<Item> {
  node.left = left
  node.right = right
  node.all = left || right ? together(node.own, left?.all, right?.all) : node.own
  return node
}

function together(own: Asked, left: Asked | undefined, right: Asked | undefined): Asked {
  const least = own.least.map((amount, at) => Math.min(amount, left?.least[at] ?? Infinity, right?.least[at] ?? Infinity))
  const kinds = own.kinds.map((word, at) => word | (left?.kinds[at] ?? 0) | (right?.kinds[at] ?? 0))
  return { least, kinds }
}

export function mayFit({ least, kinds }: Asked, { room, kind }: Wanted): boolean {
  if (((kinds[kind >> 5] ?? 0) & (1 << (kind & 31))) === 0) return false
  for (let at = 0; at < least.length; at += 1) if ((least[at] ?? 0) > (room[at] ?? 0)) return false
  return true
}

/** As if drawn by chance, and the same in each run: the finaliser of MurmurHash3. */
function weightOf(number: number): number {
  let mixed = Math.imul(number ^ (number >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
