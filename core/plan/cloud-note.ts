/**
 * The notes that the holder of a cloud keeps in the store with every step. One is for the other directors: what their plans
 * need to be the same plan, and what the next holder must not forget. The other is the last plan, for people.
 *
 * Not truth: a holder that has just lost the cloud may still write an old note, which the next step of the new holder
 * replaces. A note never holds a secret.
 */

import { blockedReasons, type BlockedReason, type Cause } from './cause.ts'
import { blockedText } from './cause-text.ts'
import type { BlockedLine, CloudReading, CloudView, FleetPlan, PlanLine } from './fleet.ts'
import type { VmId } from '../kernel/ids.ts'
import type { CloudQuota } from '../model/cloud.ts'
import type { MeasuredSize } from './measured-size.ts'
import type { KeptBreaker } from './breaker.ts'

export type CloudNote = Pick<CloudView, 'quota' | 'strays' | 'watchedSinceMs'> & {
  /** Of the director that wrote it. */
  readonly fence: number
  readonly reading: CloudReading
  readonly breakers: readonly KeptBreaker[]
  /** The live VMs whose fault is counted in them; absent: an older director wrote the note. */
  readonly blamed?: readonly VmId[]
  /** What its VMs were found to have; absent: an older director wrote the note. */
  readonly sizes?: readonly MeasuredSize[]
  /** Absent: an older director wrote it. */
  readonly stuck?: readonly StuckVm[]
}

/** Its cloud does not end it, however often it is asked. */
export type StuckVm = {
  readonly vmId: VmId
  /** The cloud's own id. */
  readonly ref: string
  readonly sinceMs: number
  /** What the cloud answers, or shows of it. */
  readonly why: string
}

export function cloudNote(cloud: string): string {
  return `cloud:${cloud}`
}

/** JSON knows no Infinity: a quota without an end is null. */
export function noteText(note: CloudNote): string {
  return JSON.stringify(note)
}

export function noteOf(text: string | undefined): CloudNote | undefined {
  if (text === undefined) return undefined
  const note = JSON.parse(text) as Omit<CloudNote, 'quota'> & {
    readonly quota: { readonly [Name in keyof CloudQuota]: number | null }
  }
  const { vms, cores, memoryBytes } = note.quota
  const quota = { vms: vms ?? Infinity, cores: cores ?? Infinity, memoryBytes: memoryBytes ?? Infinity }
  return { ...note, quota }
}

export function planNote(cloud: string): string {
  return `plan:${cloud}`
}

/** As a note has it: with its reason as a text, for a reader of another version. */
type NotedHold = Omit<BlockedLine, 'cause'> & {
  readonly why: BlockedReason
  readonly reason: string
  /** Absent: an older director wrote it. */
  readonly cause?: Cause
}

type NotedLine = Exclude<PlanLine, BlockedLine> | NotedHold

export function planText({ atMs, lines }: FleetPlan): string {
  const noted = lines.map((line): NotedLine => {
    return line.kind === 'hold' ? { ...line, why: line.cause.why, reason: blockedText(line) } : line
  })
  return JSON.stringify({ atMs, lines: noted })
}

/** If the cause is absent, or unknown here because a newer director wrote it, the line keeps the director's own text. */
export function planOf(text: string | undefined): FleetPlan | undefined {
  if (text === undefined) return undefined
  const { atMs, lines } = JSON.parse(text) as { readonly atMs: number; readonly lines: readonly NotedLine[] }
  return { atMs, lines: lines.map((line) => (line.kind === 'hold' ? readLine(line) : line)) }
}

function readLine({ why, reason, cause, shortage, ...line }: NotedHold): BlockedLine {
  if (cause && isKnown(cause)) return { ...line, cause, shortage }
  return { ...line, cause: { why, words: reason } }
}

const known: ReadonlySet<string> = new Set(blockedReasons)

function isKnown({ why }: Cause): boolean {
  return known.has(why)
}
