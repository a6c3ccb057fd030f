/**
 * A bounded number of places, per owner and in all. No owner loses a place to an owner that has more.
 *
 * An owner with all of its own places gets no other by right: it loses its oldest, or is refused. Where all places are
 * taken, the owner with the most gives one to an owner that has at least two fewer. Refuses to know what the places are for.
 */

export type PlaceRules = {
  readonly perOwner: number
  readonly all: number
  /** What goes when an owner takes one too many: its oldest place, or nothing, and the newcomer is refused. */
  readonly ownFull: 'oldest-goes' | 'refuse'
  /** Which place an owner gives to one with fewer. */
  readonly gives: 'oldest' | 'newest'
}

export type Taken<Item> =
  /** `ousted`: it has lost its place to the newcomer, and its user ends it. */
  | { readonly ok: true; readonly ousted?: Item }
  /** own: this owner has all that one may have. all: every place is taken, by owners who have no more than this one. */
  | { readonly ok: false; readonly why: 'own' | 'all' }

export type FairPlaces<Item> = {
  take(owner: string, item: Item): Taken<Item>
  /** Harmless for an item that has no place. */
  free(owner: string, item: Item): void
  count(owner: string): number
  size(): number
  items(): readonly Item[]
}

export function fairPlaces<Item>({ perOwner, all, ownFull, gives }: PlaceRules): FairPlaces<Item> {
  /** Each owner's places, oldest first. */
  const places = new Map<string, Set<Item>>()
  let size = 0

  function free(owner: string, item: Item): void {
    const own = places.get(owner)
    if (!own?.delete(item)) return
    size -= 1
    if (own.size === 0) places.delete(owner)
  }

  /** The owner with the most places. */
  function largest(): { readonly owner: string; readonly own: ReadonlySet<Item> } | undefined {
    let found: { owner: string; own: ReadonlySet<Item> } | undefined
    for (const [owner, own] of places) if (!found || own.size > found.own.size) found = { owner, own }
    return found
  }

  /** Who gives up a place for this owner; undefined: no place is needed; `why`: there is none. */
  function giver(owner: string): { readonly owner: string; readonly item: Item } | undefined | 'own' | 'all' {
    const own = places.get(owner) ?? new Set<Item>()
    const [ownOldest] = own
    const mine = ownFull === 'oldest-goes' && ownOldest !== undefined ? { owner, item: ownOldest } : undefined
    if (own.size >= perOwner) return mine ?? 'own'
    if (size < all) return undefined
    const most = largest()
    if (!most || most.own.size < own.size + 2) return mine ?? 'all'
    const item = gives === 'oldest' ? [...most.own][0] : [...most.own].at(-1)
    return item === undefined ? 'all' : { owner: most.owner, item }
  }

  return {
    take(owner, item) {
      const from = giver(owner)
      if (from === 'own' || from === 'all') return { ok: false, why: from }
      if (from) free(from.owner, from.item)
      const own = places.get(owner) ?? new Set<Item>()
      places.set(owner, own.add(item))
      size += 1
      return from ? { ok: true, ousted: from.item } : { ok: true }
    },
    free,
    count: (owner) => places.get(owner)?.size ?? 0,
    size: () => size,
    items: () => [...places.values()].flatMap((own) => [...own]),
  }
}
