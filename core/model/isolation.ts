/** How payloads are isolated, as a tag of a VM and of an offering: what was promised, and what the pilot found of it. */

import type { Place } from './resources.ts'

const prefix = 'isolation:'

/** The tag that says how payloads are isolated on a VM or an offering. */
export function isolationTag(kind: string): string {
  return `${prefix}${kind}`
}

/** What was promised of isolation holds only if the pilot says so: what it found narrows the record. */
export function foundPlace(place: Place, isolation: string): Place {
  const tag = isolationTag(isolation)
  return { ...place, tags: place.tags.filter((one) => !one.startsWith(prefix) || one === tag) }
}
