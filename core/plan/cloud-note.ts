/**
 * The notes that the holder of a cloud keeps in the store with every step. One is for the other directors: what their plans need
 * to be the same plan, and what the next holder must not forget. The other is the last plan, for people.
 *
 * Not truth: a holder that has just lost the cloud may still write an old note, which the next step of the new holder replaces.
 * A note never holds a secret.
 */

import type { CloudReading, CloudView, FleetPlan } from './fleet.ts'
import type { CloudQuota } from '../model/cloud.ts'
import type { KeptBreaker } from './breaker.ts'

export type CloudNote = Pick<CloudView, 'quota' | 'strays' | 'watchedSinceMs'> & {
  /** Of the director that wrote it. */
  readonly fence: number
  readonly reading: CloudReading
  readonly breakers: readonly KeptBreaker[]
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

export function planText(plan: FleetPlan): string {
  return JSON.stringify(plan)
}

export function planOf(text: string | undefined): FleetPlan | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as FleetPlan)
}
