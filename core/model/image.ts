/**
 * An image: a catalogue entry that an endorser has signed, and what sites and operators have decided about it. Decides which
 * changes are legal, and why no VM may be made from an image now.
 *
 * A name stands for one content for ever: it can be looked up years later what VMs were made from. A revocation is final.
 * Refuses to know keys: whether the endorsement holds is found out elsewhere and handed in.
 *
 *              add, same  add, other  approve           disapprove        revoke
 *   (absent)   Listed     Listed      not-found         not-found         not-found
 *   Listed     same       conflict    Approved          same              Revoked
 *   Approved   same       conflict    Approved          Approved Listed   Revoked
 *   Revoked    same       conflict    revoked           revoked           same
 *
 * Approved is left with the approval of the last site. An image that would be one too many is refused as `too-many`, and so
 * is the approval of one site too many.
 */

import { never } from '../kernel/assert.ts'
import { type ImageEntry, isSameEntry } from './image-entry.ts'
import { imageLimits } from '../kernel/limits.ts'

export type ImageApproval = { readonly site: string; readonly by: string; readonly atMs: number }

export type ImagePhase =
  | { readonly state: 'Listed' }
  /** One or more, by site. */
  | { readonly state: 'Approved'; readonly approvals: readonly ImageApproval[] }
  | { readonly state: 'Revoked'; readonly by: string; readonly why: string; readonly atMs: number }

export type Image = {
  readonly entry: ImageEntry
  /** Of the endorser over the entry's signed text: Ed25519, in base64. */
  readonly signature: string
  readonly addedBy: string
  readonly addedMs: number
  readonly changedMs: number
  readonly phase: ImagePhase
}

/** With what was found out about its endorsement: why it does not hold; empty: it does. */
export type CheckedImage = Image & { readonly distrust: string }

export type ImageEvent =
  | { readonly kind: 'add'; readonly entry: ImageEntry; readonly signature: string; readonly by: string }
  | { readonly kind: 'approve' | 'disapprove'; readonly name: string; readonly site: string; readonly by: string }
  | { readonly kind: 'revoke'; readonly name: string; readonly by: string; readonly why: string }

export type ImageRefusal = 'not-found' | 'conflict' | 'revoked' | 'too-many'

export type ImageDecision =
  /** `changed`: the store writes it, with a fact. */
  { readonly ok: true; readonly next: Image; readonly changed: boolean } | { readonly ok: false; readonly why: ImageRefusal }

export function imageNameOf(event: ImageEvent): string {
  return event.kind === 'add' ? event.entry.name : event.name
}

/**
 * What a store does to the image that the event names, if there is one. `known`: how many images there are at that moment.
 */
export function changeImage(image: Image | undefined, event: ImageEvent, known: number, nowMs: number): ImageDecision {
  if (event.kind === 'add') return image ? addedAgain(image, event) : added(event, known, nowMs)
  if (!image) return refuse('not-found')
  const to = (phase: ImagePhase): ImageDecision => ({ ok: true, next: { ...image, phase, changedMs: nowMs }, changed: true })
  const { phase } = image
  switch (event.kind) {
    case 'approve': {
      if (phase.state === 'Revoked') return refuse('revoked')
      const approvals = phase.state === 'Approved' ? phase.approvals : []
      if (approvals.some(({ site }) => site === event.site)) return same(image)
      if (approvals.length >= imageLimits.approvals) return refuse('too-many')
      const more = [...approvals, { site: event.site, by: event.by, atMs: nowMs }]
      return to({ state: 'Approved', approvals: more.sort((a, b) => (a.site < b.site ? -1 : 1)) })
    }
    case 'disapprove': {
      if (phase.state === 'Revoked') return refuse('revoked')
      const approvals = phase.state === 'Approved' ? phase.approvals : []
      const left = approvals.filter(({ site }) => site !== event.site)
      if (left.length === approvals.length) return same(image)
      return to(left.length === 0 ? { state: 'Listed' } : { state: 'Approved', approvals: left })
    }
    case 'revoke':
      return phase.state === 'Revoked' ? same(image) : to({ state: 'Revoked', by: event.by, why: event.why, atMs: nowMs })
    default:
      return never(event)
  }
}

type Adding = Extract<ImageEvent, { kind: 'add' }>

function added({ entry, signature, by }: Adding, known: number, nowMs: number): ImageDecision {
  if (known >= imageLimits.images) return refuse('too-many')
  const times = { addedMs: nowMs, changedMs: nowMs }
  return {
    ok: true,
    next: { entry, signature, addedBy: by, ...times, phase: { state: 'Listed' } },
    changed: true,
  }
}

function addedAgain(image: Image, { entry }: Adding): ImageDecision {
  return isSameEntry(image.entry, entry) ? same(image) : refuse('conflict')
}

/** Where VMs are to be made. */
export type ImagePlace = { readonly cloud: string; readonly site: string }

/** Why no VM may be made there from what the catalogue has under this name; empty: one may. */
export function barredWhy(
  name: string,
  image: CheckedImage | undefined,
  { cloud, site }: ImagePlace,
  nowMs: number,
): string {
  if (!image) return `image ${name} is not in the catalogue`
  const { entry, phase, distrust } = image
  // First what is final, then what others can mend, then what the site can.
  if (phase.state === 'Revoked') return `image ${name} was revoked by ${phase.by}${phase.why === '' ? '' : `: ${phase.why}`}`
  if (distrust !== '') return `image ${name}: ${distrust}`
  if (nowMs >= entry.validUntilMs) return `image ${name} is not valid since ${timeText(entry.validUntilMs)}`
  if (!Object.hasOwn(entry.references, cloud)) return `image ${name} has no reference for cloud ${cloud}`
  const isApproved = phase.state === 'Approved' && phase.approvals.some((one) => one.site === site)
  return isApproved ? '' : `image ${name} is not approved by site ${site}`
}

/** Why what runs from it has to go; empty: it may go on. */
export function revokedWhy({ phase }: Image): string {
  if (phase.state !== 'Revoked') return ''
  return `image revoked: ${phase.why === '' ? `by ${phase.by}` : `${phase.why} (by ${phase.by})`}`
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}

function same(image: Image): ImageDecision {
  return { ok: true, next: image, changed: false }
}

function refuse(why: ImageRefusal): ImageDecision {
  return { ok: false, why }
}
