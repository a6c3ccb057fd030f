/**
 * What a director tells the others of a cloud that it holds: as much as their plans need to be the same plan, and what the next
 * holder must not forget. Kept in the store as a note, written anew with every step.
 *
 * Not truth: a holder that has just lost the cloud may still write an old one, which the next step of the new holder replaces.
 * Never holds a secret.
 */

import type { CloudReading, CloudView } from '../../core/plan/fleet.ts'
import type { CloudQuota } from '../../core/model/cloud.ts'
import type { KeptBreaker } from './breakers.ts'

export type CloudNote = Pick<CloudView, 'quota' | 'strays' | 'watchedSinceMs'> & {
  /** Of whoever wrote it. */
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
