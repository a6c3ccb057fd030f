/**
 * The names of things. Numbers and strings that must not be mixed up get a brand of their own.
 *
 * A job id is a number that the store counts up: short enough to be said aloud, in order of submission, and cheap to index.
 * A VM id is made by us before the cloud is asked; it is safe as a DNS label, because clouds use it as a host name.
 */

import type { Random } from './random.ts'

export type JobId = number & { readonly brand: 'JobId' }
export type VmId = string & { readonly brand: 'VmId' }
/** A task queue: the hash of VO, group, owner and normalised requirements. */
export type ClassId = string & { readonly brand: 'ClassId' }

/** One try at a job. The attempt number is the fence: it changes with every claim. */
export type AttemptRef = { readonly jobId: JobId; readonly attempt: number }

/**
 * 50 random bits: two of a million VMs get the same id about once in two thousand installations; the store refuses a twin.
 */
export function newVmId(random: Random): VmId {
  return `vm-${random.letters(10)}` as VmId
}

const vmIdShape = /^vm-[a-z0-9]{10}$/

export function isVmId(text: string): text is VmId {
  return vmIdShape.test(text)
}

export function isJobId(value: number): value is JobId {
  return Number.isSafeInteger(value) && value > 0
}
