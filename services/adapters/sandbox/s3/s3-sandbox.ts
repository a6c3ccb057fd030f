/**
 * A sandbox in a bucket of an S3-compatible store: content at `files/<vo>/<digest>`, and what payloads wrote at
 * `outputs/<job>/<attempt>.<name>`.
 *
 * An object is visible when its put is complete, and S3 answers reads with it from then on; so content is checked before its
 * put is completed. A large file goes in parts; what a process that died has left of it is aborted by the sweep.
 */

import { outputBytes } from '../../../../core/kernel/limits.ts'
import type { JobId } from '../../../../core/kernel/ids.ts'
import type { BlobRef, Blobs } from '../../../../core/ports/blobs.ts'
import type { OutputName } from '../../../../core/model/live-output.ts'
import type { Sandbox } from '../../../../core/ports/sandbox.ts'
import type { Content } from '../../../../core/model/sandbox-file.ts'
import { checkedPieces } from '../kit/checked-pieces.ts'
import { partBytes, putInParts, putObject, readObject, removeBelow, removeObject } from './s3-objects.ts'
import { isAbsent, type Session } from './session.ts'

/** Removals under way at one time. */
const removalsAtOnce = 16

export function s3Blobs(session: Session): Blobs {
  const { sdk, at, bucket, prefix, call } = session
  return {
    put: (vo, content, pieces) => putContent(session, nameOf({ vo, digest: content.digest }), content, pieces),
    async has(blob) {
      try {
        await call('looking for a file', (client, abortSignal) =>
          client.send(new sdk.HeadObjectCommand(at(nameOf(blob))), { abortSignal }),
        )
        return true
      } catch (error) {
        if (isAbsent(error)) return false
        throw error
      }
    },
    read: (blob, offset) => readObject(session, nameOf(blob), offset),
    remove: (blobs) => eachOf(blobs, (blob) => removeObject(session, nameOf(blob))),
    async sweep(beganBeforeMs) {
      const { Uploads = [] } = await call('listing unfinished files', (client, abortSignal) =>
        client.send(new sdk.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: `${prefix}files/` }), { abortSignal }),
      )
      for (const { Key, UploadId, Initiated } of Uploads) {
        if (!Initiated || Initiated.getTime() >= beganBeforeMs) continue
        await call('dropping a file', (client, abortSignal) =>
          client.send(new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }), { abortSignal }),
        ).catch((error: unknown) => (isAbsent(error) ? undefined : Promise.reject(error)))
      }
    },
  }
}

export function s3Sandbox(session: Session): Sandbox {
  const named = (jobId: JobId, attempt: number, name: OutputName): string => `outputs/${jobId}/${attempt}.${name}`
  return {
    async keep({ jobId, attempt }, name, pieces) {
      const parts: Uint8Array[] = []
      let bytes = 0
      for await (const piece of pieces) {
        bytes += piece.length
        // Callers bound it: this only keeps a mistake of ours from filling memory.
        if (bytes > 2 * outputBytes) throw new Error('assertion failed: an output is bounded by the caller')
        parts.push(Uint8Array.from(piece))
      }
      await putObject(session, named(jobId, attempt, name), Buffer.concat(parts))
      return bytes
    },
    read: ({ jobId, attempt }, name) => readObject(session, named(jobId, attempt, name), 0),
    forget: (jobIds) => eachOf(jobIds, (jobId) => removeBelow(session, `outputs/${jobId}/`)),
  }
}

/** A VO's name may hold any character. */
function nameOf({ vo, digest }: BlobRef): string {
  return `files/vo-${encodeURIComponent(vo).replaceAll('.', '%2E')}/${digest}`
}

async function putContent(
  session: Session,
  name: string,
  content: Content,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  const parts = inParts(checkedPieces(content, pieces))
  if (content.bytes > partBytes) return putInParts(session, name, parts)
  const all: Buffer[] = []
  for await (const part of parts) all.push(part)
  return putObject(session, name, Buffer.concat(all))
}

/** Of `partBytes` each but for the last. Copies: a sender may use its memory again. */
async function* inParts(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  let part = Buffer.allocUnsafe(partBytes)
  let used = 0
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const some = piece.subarray(at, at + partBytes - used)
      part.set(some, used)
      used += some.length
      at += some.length
      if (used < partBytes) continue
      yield part
      part = Buffer.allocUnsafe(partBytes)
      used = 0
    }
  }
  if (used > 0) yield part.subarray(0, used)
}

async function eachOf<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += removalsAtOnce) {
    await Promise.all(items.slice(at, at + removalsAtOnce).map(act))
  }
}
