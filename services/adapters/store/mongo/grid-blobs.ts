/**
 * Content of sandbox files in GridFS's format: chunks, and a file document that makes them visible, written last.
 *
 * The chunks of each put stand under an id of their own, so puts at one time never mix, and what a crash leaves is never
 * read: an arrival names it before its first chunk is written, and the sweep removes what old arrivals name. A file document
 * has the VO and the digest as its id and names the chunks. All writes wait for a majority's journals.
 */

import { type Collection, type Db, MongoError, MongoServerError, ObjectId, ReadConcern } from 'mongodb'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { outputChunkBytes } from '../../../../core/kernel/limits.ts'
import type { BlobRef, Blobs } from '../../../../core/ports/blobs.ts'
import { checkedPieces } from '../../sandbox/kit/checked-pieces.ts'
import { inChunks } from './grid-chunks.ts'
import { guarded } from './database.ts'

type FileDocument = { _id: BlobRef; length: number; chunkSize: number; uploadDate: Date; filename: string; chunks: ObjectId }
type ChunkDocument = { _id: ObjectId; files_id: ObjectId; n: number; data: Buffer }

type Grid = {
  readonly files: Collection<FileDocument>
  readonly chunks: Collection<ChunkDocument>
  /** Puts that are not over. */
  readonly arriving: Collection<{ _id: ObjectId }>
}

const chunkBytes = 255 * 1024
const writtenWithinMs = 10_000
const retryAfterMs = 2000
const arrivalsAtOnce = 100
const removedAtOnce = 200

export function gridBlobs(shared: Db): Blobs {
  const db = shared.client.db(shared.databaseName, {
    readPreference: 'primary',
    readConcern: new ReadConcern('majority'),
    writeConcern: { w: 'majority', journal: true, wtimeoutMS: writtenWithinMs },
  })
  const grid: Grid = {
    files: db.collection('sandboxFiles.files'),
    chunks: db.collection('sandboxFiles.chunks'),
    arriving: db.collection('sandboxFiles.arriving'),
  }
  const { files, chunks } = grid
  let index: Promise<unknown> | undefined

  async function indexed(): Promise<void> {
    index ??= Promise.all([chunks.createIndex({ files_id: 1, n: 1 }, { unique: true }), files.createIndex({ chunks: 1 })])
    await index.catch((error: unknown) => {
      index = undefined
      throw error
    })
  }

  return {
    async put(vo, content, pieces) {
      await guarded('keeping a file', indexed)
      await keep(grid, vo, content, pieces)
    },
    has: async (blob) =>
      (await guarded('reading a file', () => files.findOne({ _id: idOf(blob) }, { projection: { _id: 1 } }))) !== null,
    async read(blob, offset) {
      const file = await guarded('reading a file', () => files.findOne({ _id: idOf(blob) }))
      return file ? inPieces(grid, file, offset) : undefined
    },
    async remove(blobs) {
      for (let at = 0; at < blobs.length; at += removedAtOnce) {
        const ids = blobs.slice(at, at + removedAtOnce).map(idOf)
        await guarded('removing files', () => removeFiles(grid, ids))
      }
    },
    async sweep(beganBeforeMs) {
      await guarded('removing what puts left', () => removeArrivals(grid, beganBeforeMs))
    },
  }
}

async function keep(
  grid: Grid,
  vo: string,
  content: Parameters<Blobs['put']>[1],
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { chunks, arriving } = grid
  const id = new ObjectId()
  await guarded('keeping a file', () => arriving.insertOne({ _id: id }))
  let n = 0
  for await (const data of inChunks(checkedPieces(content, pieces), chunkBytes)) {
    const chunk = { _id: new ObjectId(), files_id: id, n, data }
    await guarded('keeping a file', () => chunks.insertOne(chunk))
    n += 1
  }
  await guarded('keeping a file', () => show(grid, { vo, digest: content.digest }, content.bytes, id))
  // Only where its chunks are those that are read: with two puts at one time, the others go in the sweep.
  await removeShown(grid, id).catch(onlyMongo)
}

/** The arrival of chunks that are read is over. */
async function removeShown({ files, arriving }: Grid, id: ObjectId): Promise<boolean> {
  const isShown = (await files.findOne({ chunks: id }, { projection: { _id: 1 } })) !== null
  if (isShown) await arriving.deleteOne({ _id: id })
  return isShown
}

/** Chunks stand with the arrivals first, so that a crash after the removal of the files leaves them to the sweep. */
async function removeFiles(grid: Grid, ids: readonly BlobRef[]): Promise<void> {
  const { files, arriving } = grid
  const found = await files.find({ _id: { $in: [...ids] } }, { projection: { chunks: 1 } }).toArray()
  for (const { chunks: _id } of found) await arriving.updateOne({ _id }, { $setOnInsert: { _id } }, { upsert: true })
  await files.deleteMany({ _id: { $in: [...ids] } })
  for (const { chunks } of found) await removeChunks(grid, chunks)
}

async function removeArrivals(grid: Grid, beganBeforeMs: number): Promise<void> {
  const before = ObjectId.createFromTime(Math.floor(beganBeforeMs / 1000))
  const old = await grid.arriving
    .find({ _id: { $lt: before } })
    .limit(arrivalsAtOnce)
    .toArray()
  for (const { _id } of old) if (!(await removeShown(grid, _id))) await removeChunks(grid, _id)
}

/** The order of the fields is a part of an id. */
function idOf({ vo, digest }: BlobRef): BlobRef {
  return { vo, digest }
}

/** Visible from here on. Chunks that were shown before are left to the sweep. */
async function show({ files, arriving }: Grid, blob: BlobRef, length: number, chunks: ObjectId): Promise<void> {
  const filename = `${blob.vo}/${blob.digest}`
  const document = { length, chunkSize: chunkBytes, uploadDate: chunks.getTimestamp(), filename, chunks }
  const before = await files
    .findOneAndUpdate({ _id: idOf(blob) }, { $set: document }, { upsert: true, returnDocument: 'before' })
    .catch((error: unknown) => {
      // Another put of the same content was first, by a moment: its chunks are as good.
      if (error instanceof MongoServerError && error.code === 11_000) return null
      throw error
    })
  if (before && !before.chunks.equals(chunks))
    await arriving.updateOne({ _id: before.chunks }, { $setOnInsert: { _id: before.chunks } }, { upsert: true })
}

async function removeChunks({ chunks, arriving }: Grid, id: ObjectId): Promise<void> {
  await chunks.deleteMany({ files_id: id })
  await arriving.deleteOne({ _id: id })
}

async function* inPieces(
  { chunks }: Grid,
  { _id, chunks: id, length }: FileDocument,
  offset: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const first = Math.floor(offset / chunkBytes)
  const cursor = chunks.find(
    { files_id: id, n: { $gte: first } },
    { sort: { n: 1 }, projection: { _id: 0, n: 1, data: 1 }, promoteBuffers: true },
  )
  let [at, n] = [first * chunkBytes, first]
  try {
    for (;;) {
      const chunk = await guarded('reading a file', () => cursor.next())
      if (chunk?.n !== n) break
      const data = chunk.data.subarray(Math.max(0, offset - at))
      n += 1
      at += chunk.data.length
      for (let from = 0; from < data.length; from += outputChunkBytes) yield data.subarray(from, from + outputChunkBytes)
    }
  } finally {
    await cursor.close().catch(onlyMongo)
  }
  if (at < length)
    throw new PilotageError('unavailable', `the file ${_id.digest} was removed while it was read`, { retryAfterMs })
}

/** For what another time will do: our own mistakes still come out. */
function onlyMongo(error: unknown): void {
  if (!(error instanceof MongoError)) throw error
}
