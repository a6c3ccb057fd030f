/**
 * Who has put which content, which jobs name it, and which output files there are: what decides how long content is kept.
 * Kept in the store, so that a submission and the content it names are recorded together.
 *
 * A claim is an owner's right to name content in jobs. It begins before the content arrives and is whole afterwards. It ends
 * when it was not renewed for a time and no kept job of that owner names it. Content without a claim is removed: until its
 * home has removed it, it cannot be claimed again. So content is never removed that a job names, and a process that dies at
 * any moment leaves only claims that end.
 */

import type { AttemptRef } from '../kernel/ids.ts'
import type { Owner } from '../model/owner.ts'
import type { Content, OutputFile } from '../model/sandbox-file.ts'
import type { BlobRef } from './blobs.ts'

export type ClaimOutcome =
  /** `isWhole`: the owner has put it before. */
  | { readonly ok: true; readonly isWhole: boolean }
  /** The owner has `usedBytes` already. Nothing changed. */
  | { readonly ok: false; readonly why: 'quota'; readonly usedBytes: number }
  /** It is being removed: come again. */
  | { readonly ok: false; readonly why: 'removing' }

export interface SandboxStore {
  /** Adds or renews. An owner's claims have at most `maxOwnerBytes` in all. */
  claim(owner: Owner, content: Content, maxOwnerBytes: number, nowMs: number): Promise<ClaimOutcome>

  /** The content has arrived. False: the claim has ended since. */
  settleClaim(owner: Owner, digest: string, nowMs: number): Promise<boolean>

  /** Renews the claims of this owner on these, and answers those that are whole. */
  renewClaims(owner: Owner, digests: readonly string[], nowMs: number): Promise<readonly Content[]>

  /**
   * Looks at no more than `limit` claims that were not renewed since: those that a kept job names are renewed, the others
   * end. Answers the content that no claim is left of, now or from an earlier call, until `blobsRemoved` has named it.
   */
  endClaims(notRenewedSinceMs: number, limit: number, nowMs: number): Promise<readonly BlobRef[]>

  blobsRemoved(blobs: readonly BlobRef[]): Promise<void>

  /** Replaces the output file of the same path. It is forgotten with its job. Its content is claimed by the job's owner. */
  keepOutputFile(attempt: AttemptRef, owner: Owner, file: OutputFile): Promise<void>

  /** By path. */
  outputFiles(attempt: AttemptRef): Promise<readonly OutputFile[]>
}
