/**
 * What running payloads have written so far, for users who read it now. It is asked for, comes from the pilot, and is
 * removed some time after the last of them has read: what an attempt leaves behind is in the sandbox.
 *
 * Not durable. What is lost here is asked for again, and the pilot sends it again from its beginning.
 */

import type { Interest, OutputRef } from '../model/live-output.ts'

export type LivePiece = {
  /** From the offset that was asked for, at most 64 KiB; empty: there is no more yet. */
  readonly data: Uint8Array
  /** The pilot had sent all that was written when it sent last. False also where it has not sent anything. */
  readonly isCaughtUp: boolean
}

/** The answer to the pilot: how much there is of it, and whether a user still reads it. */
export type Kept = { readonly bytes: number; readonly isWanted: boolean }

export interface LiveOutput {
  /** Idempotent; a later `untilMs` counts. Throws `overloaded` where `liveOutputLimits.inAll` others are read. */
  want(interest: Interest, nowMs: number): Promise<void>

  /** All that is read now. What no user has read for `liveOutputLimits.keepMs` is removed. */
  wanted(nowMs: number): Promise<readonly Interest[]>

  /**
   * Keeps what begins at the end of what is there, and nothing else: a pilot that hears of another number goes on from
   * there. Keeps nothing that no user reads.
   */
  append(output: OutputRef, offset: number, data: Uint8Array, isCaughtUp: boolean, nowMs: number): Promise<Kept>

  read(output: OutputRef, offset: number): Promise<LivePiece>
}
