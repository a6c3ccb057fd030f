/**
 * What payloads wrote, in GridFS's format: chunks, and a file document that makes them an output. Beside the store because
 * it is the same database; it knows nothing of jobs but their numbers.
 *
 * Each keeping writes under an id of its own, in a later round than all that is there; the latest round that has a file is
 * the output. So the file document, written last, replaces an output whole, and what a crash leaves is never read. It is
 * found by the job that stands first in its id, and removed by the next keeping of that output or with its job. All writes
 * wait for a majority's journals.
 */

import { type Collection, type Db, MaxKey, MongoError, ObjectId, ReadConcern } from 'mongodb'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { AttemptRef, JobId } from '../../../../core/kernel/ids.ts'
import { outputChunkBytes } from '../../../../core/kernel/limits.ts'
import type { OutputName } from '../../../../core/model/live-output.ts'
import type { Sandbox } from '../../../../core/ports/sandbox.ts'
import { guarded } from './database.ts'
import { inChunks } from './grid-chunks.ts'

/** The order of the fields is the order of the ids. `by`: of two that keep in one round, the later one by this is read. */
type FileId = AttemptRef & { readonly name: OutputName; readonly round: number; readonly by: ObjectId }

type FileDocument = { _id: FileId; length: number; chunkSize: number; uploadDate: Date; filename: string }
type ChunkDocument = { _id: ObjectId; files_id: FileId; n: number; data: Buffer }

type Grid = { readonly files: Collection<FileDocument>; readonly chunks: Collection<ChunkDocument> }
/** From one id up to another; both may be only the beginning of one. */
type Span = { readonly $gte: FileId; readonly $lt: FileId }

/** GridFS's own size. The largest output is five of them. */
const chunkBytes = 255 * 1024
const writtenWithinMs = 10_000
/** Spans of jobs in one statement. */
const maxSpans = 200
const retryAfterMs = 2000
/** A primary that was just elected may show a majority's view of before; what it has itself lacks nothing that was kept. */
const asItIs = { readConcern: { level: 'local' } } as const

/** `shared` may be opened with any concerns: this asks for its own. */
export function gridSandbox(shared: Db): Sandbox {
  const db = shared.client.db(shared.databaseName, {
    readPreference: 'primary',
    readConcern: new ReadConcern('majority'),
    writeConcern: { w: 'majority', journal: true, wtimeoutMS: writtenWithinMs },
  })
  const grid: Grid = { files: db.collection('sandbox.files'), chunks: db.collection('sandbox.chunks') }
  let index: Promise<unknown> | undefined

  async function indexed(): Promise<void> {
    index ??= grid.chunks.createIndex({ files_id: 1, n: 1 }, { unique: true })
    await index.catch((error: unknown) => {
      index = undefined
      throw error
    })
  }

  return {
    async keep(attempt, name, pieces) {
      const { last, id } = await guarded('keeping an output', async () => {
        await indexed()
        const before = await lastRound(grid, attempt, name)
        const { jobId, attempt: number } = attempt
        return { last: before, id: { jobId, attempt: number, name, round: before + 1, by: new ObjectId() } }
      })
      const length = await write(grid, id, pieces)
      // A primary that did not know that it was none may have given us an old round. The member that took this write knows.
      const latest = await guarded('keeping an output', () => lastFile(grid, attempt, name))
      if (!latest?.by.equals(id.by))
        throw new PilotageError('unavailable', `${textOf(id)} was kept by another process in between`, { retryAfterMs })
      // What is left standing here goes with the next keeping, or with its job.
      if (last > 0) await remove(grid, [{ ...spanOf(attempt, name), $lt: id }]).catch(onlyMongo)
      return length
    },
    async read(attempt, name) {
      const file = await guarded('reading an output', () =>
        grid.files.findOne({ _id: spanOf(attempt, name) }, { sort: { _id: -1 } }),
      )
      return file ? inPieces(grid, file) : undefined
    },
    async forget(jobIds) {
      await guarded('forgetting outputs', async () => {
        await indexed()
        const spans = spansOfJobs(jobIds)
        for (let at = 0; at < spans.length; at += maxSpans) {
          const some = spans.slice(at, at + maxSpans)
          // The driver repeats no statement that removes many: here it is safe.
          await remove(grid, some).catch((error: unknown) => {
            onlyMongo(error)
            return remove(grid, some)
          })
        }
      })
    },
  }
}

/** The latest round of what stands there, files and unfinished ones alike; 0 for nothing. */
async function lastRound(grid: Grid, attempt: AttemptRef, name: OutputName): Promise<number> {
  const [file, chunk] = await Promise.all([
    lastFile(grid, attempt, name),
    grid.chunks.findOne(
      { files_id: spanOf(attempt, name) },
      { sort: { files_id: -1 }, projection: { _id: 0, files_id: 1 }, ...asItIs },
    ),
  ])
  return Math.max(file?.round ?? 0, chunk?.files_id.round ?? 0)
}

async function lastFile({ files }: Grid, attempt: AttemptRef, name: OutputName): Promise<FileId | undefined> {
  const file = await files.findOne({ _id: spanOf(attempt, name) }, { sort: { _id: -1 }, projection: { _id: 1 }, ...asItIs })
  return file?._id
}

async function write({ files, chunks }: Grid, id: FileId, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  let [length, n] = [0, 0]
  try {
    for await (const data of inChunks(pieces, chunkBytes)) {
      const chunk = { _id: new ObjectId(), files_id: id, n, data }
      await guarded('keeping an output', () => chunks.insertOne(chunk))
      length += data.length
      n += 1
    }
  } catch (error) {
    // Its file is not there and will not be. With servers in trouble its chunks wait for the next keeping.
    const isTrouble = error instanceof PilotageError && error.code === 'unavailable'
    if (!isTrouble) await chunks.deleteMany({ files_id: id }).catch(onlyMongo)
    throw error
  }
  const filename = `${id.jobId}/${id.attempt}.${id.name}`
  const file = { _id: id, length, chunkSize: chunkBytes, uploadDate: id.by.getTimestamp(), filename }
  // Where the answer is lost it may stand there or appear there yet, so the chunks stay.
  await guarded('keeping an output', () => files.insertOne(file))
  return length
}

async function* inPieces({ chunks }: Grid, { _id, length }: FileDocument): AsyncGenerator<Uint8Array> {
  const cursor = chunks.find(
    { files_id: _id },
    { sort: { n: 1 }, projection: { _id: 0, n: 1, data: 1 }, promoteBuffers: true },
  )
  let [bytes, n] = [0, 0]
  try {
    for (;;) {
      const chunk = await guarded('reading an output', () => cursor.next())
      if (chunk?.n !== n) break
      n += 1
      bytes += chunk.data.length
      for (let at = 0; at < chunk.data.length; at += outputChunkBytes) yield chunk.data.subarray(at, at + outputChunkBytes)
    }
  } finally {
    await cursor.close().catch(onlyMongo)
  }
  // Never a shorter one as if it were whole.
  if (bytes !== length) {
    throw new PilotageError('unavailable', `${textOf(_id)} was replaced or forgotten while it was read`, { retryAfterMs })
  }
}

async function remove(grid: Grid, spans: readonly Span[]): Promise<void> {
  // Files first: what is there is whole.
  await grid.files.deleteMany({ $or: spans.map((span) => ({ _id: span })) })
  await grid.chunks.deleteMany({ $or: spans.map((span) => ({ files_id: span })) })
}

/** All rounds of one output. */
function spanOf({ jobId, attempt }: AttemptRef, name: OutputName): Span {
  return spanFrom({ jobId, attempt, name }, { jobId, attempt, name, round: new MaxKey() })
}

/** Everything of these jobs. They mostly follow each other. */
function spansOfJobs(jobIds: readonly JobId[]): readonly Span[] {
  const sorted = [...new Set<number>(jobIds)].sort((a, b) => a - b)
  const firsts = sorted.filter((id, at) => sorted[at - 1] !== id - 1)
  const lasts = sorted.filter((id, at) => sorted[at + 1] !== id + 1)
  return firsts.map((first, at) => spanFrom({ jobId: first }, { jobId: (lasts[at] ?? first) + 1 }))
}

function textOf({ jobId, attempt, name }: FileId): string {
  return `${name} of ${jobId}.${attempt}`
}

function spanFrom($gte: object, $lt: object): Span {
  return { $gte: $gte as FileId, $lt: $lt as FileId }
}

/** For what another time will do: our own mistakes still come out. */
function onlyMongo(error: unknown): void {
  if (!(error instanceof MongoError)) throw error
}
