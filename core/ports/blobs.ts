/**
 * The content of sandbox files, by VO and digest. Equal content of a VO is there once.
 *
 * Knows nothing of owners, jobs and limits: the store says which content is used, and the use cases ask it before and after.
 * What stays true in every home: content is there whole and right, or not at all, whatever fails in between.
 */

import type { Content } from '../model/sandbox-file.ts'

export type BlobRef = { readonly vo: string; readonly digest: string }

export interface Blobs {
  /**
   * Durable when it resolves. Throws `invalid-argument` where the pieces are not this content, and what the pieces throw:
   * then nothing of them is there. Content that is there already is replaced by the same; two at one time do no harm.
   * A piece is asked for when nothing is needed of the one before: its memory may be used again.
   */
  put(vo: string, content: Content, pieces: AsyncIterable<Uint8Array>): Promise<void>

  has(blob: BlobRef): Promise<boolean>

  /**
   * From `offset`, in pieces of at most 64 KiB, each until the next one is asked for: its memory may be used again. What it
   * holds open is closed at the end and by `return`. Undefined where it is not there. Throws `unavailable` if it is removed
   * then.
   */
  read(blob: BlobRef, offset: number): Promise<AsyncIterable<Uint8Array> | undefined>

  /** Idempotent. */
  remove(blobs: readonly BlobRef[]): Promise<void>

  /** What puts that never ended left behind, if they began before. At most some of it per call. */
  sweep(beganBeforeMs: number): Promise<void>
}
