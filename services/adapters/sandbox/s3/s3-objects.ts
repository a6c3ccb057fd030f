/** Objects of a bucket: written whole, read in pieces, removed by what their names begin with. */

import type { Readable } from 'node:stream'
import { outputChunkBytes } from '../../../../core/kernel/limits.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { isAbsent, isBeyond, type Session } from './session.ts'

/** What S3 takes as the least of a part but the last; a file of 1 GiB has 128. */
export const partBytes = 8 * 1024 * 1024

export async function putObject({ sdk, at, call }: Session, name: string, body: Buffer): Promise<void> {
  await call('keeping a file', (client, abortSignal) =>
    client.send(new sdk.PutObjectCommand({ ...at(name), Body: body, ContentLength: body.length }), { abortSignal }),
  )
}

/** Visible when it resolves. Throws what the parts throw: then nothing of them is there. */
export async function putInParts(session: Session, name: string, parts: AsyncIterable<Buffer>): Promise<void> {
  const { sdk, at, call } = session
  const where = at(name)
  const { UploadId } = await call('keeping a file', (client, abortSignal) =>
    client.send(new sdk.CreateMultipartUploadCommand(where), { abortSignal }),
  )
  try {
    const done: { PartNumber: number; ETag: string | undefined }[] = []
    for await (const body of parts) {
      const PartNumber = done.length + 1
      const part = { ...where, UploadId, PartNumber, Body: body, ContentLength: body.length }
      const { ETag } = await call('keeping a file', (client, abortSignal) =>
        client.send(new sdk.UploadPartCommand(part), { abortSignal }),
      )
      done.push({ PartNumber, ETag })
    }
    await call('keeping a file', (client, abortSignal) =>
      client.send(new sdk.CompleteMultipartUploadCommand({ ...where, UploadId, MultipartUpload: { Parts: done } }), {
        abortSignal,
      }),
    )
  } catch (error) {
    // What this leaves, the sweep removes.
    await call('dropping a file', (client, abortSignal) =>
      client.send(new sdk.AbortMultipartUploadCommand({ ...where, UploadId }), { abortSignal }),
    ).catch(() => undefined)
    throw error
  }
}

/** Undefined where it is not there. */
export async function readObject(
  { sdk, at, call }: Session,
  name: string,
  offset: number,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const range = offset === 0 ? {} : { Range: `bytes=${offset}-` }
  try {
    const { Body } = await call('reading a file', (client) =>
      client.send(new sdk.GetObjectCommand({ ...at(name), ...range })),
    )
    return inPieces(Body as Readable)
  } catch (error) {
    if (isAbsent(error)) return undefined
    if (isBeyond(error)) return nothing()
    throw error
  }
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}

async function* inPieces(body: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const data of body as AsyncIterable<Buffer>) {
      for (let at = 0; at < data.length; at += outputChunkBytes) yield data.subarray(at, at + outputChunkBytes)
    }
  } catch (cause) {
    throw new PilotageError('unavailable', 'reading a file: the object store broke off', { retryAfterMs: 2000, cause })
  } finally {
    body.destroy()
  }
}

/** Idempotent. */
export async function removeObject({ sdk, at, call }: Session, name: string): Promise<void> {
  await call('removing a file', (client, abortSignal) =>
    client.send(new sdk.DeleteObjectCommand(at(name)), { abortSignal }),
  ).catch((error: unknown) => (isAbsent(error) ? undefined : Promise.reject(error)))
}

/** All of them, as the bucket lists them now. */
export async function removeBelow({ sdk, bucket, prefix, call }: Session, begin: string): Promise<void> {
  for (;;) {
    const { Contents = [], IsTruncated } = await call('listing files', (client, abortSignal) =>
      client.send(new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: `${prefix}${begin}` }), { abortSignal }),
    )
    for (const { Key } of Contents) {
      await call('removing a file', (client, abortSignal) =>
        client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key }), { abortSignal }),
      )
    }
    if (!IsTruncated) return
  }
}
