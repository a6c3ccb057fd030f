/**
 * Live output for many processes: one document an output, with who reads it, and one for each piece that came. Beside
 * the store because it is the same database; it knows nothing of jobs but their numbers.
 *
 * Writes wait for no majority: what an election loses is asked for again. Times of interests are the processes' own; they
 * may differ by seconds, an interest is longer. An output that was removed and is read again has pieces of its own.
 */

import { type Collection, type Db, ObjectId, ReadConcern } from 'mongodb'
import type { JobId, VmId } from '../../../../core/kernel/ids.ts'
import { jobLimits, liveOutputLimits, outputBytes } from '../../../../core/kernel/limits.ts'
import { type Interest, outputKey, type OutputName, sliceOf, tooManyReaders } from '../../../../core/model/live-output.ts'
import type { LiveOutput } from '../../../../core/ports/live-output.ts'
import { guarded, isDuplicate } from './database.ts'

type OutputDocument = {
  _id: string
  jobId: number
  attempt: number
  name: OutputName
  vmId: string
  untilMs: number
  /** Whose pieces are this output's. */
  life: ObjectId
  bytes: number
  isCaughtUp: boolean
}

/** `_id.at`: where the piece begins. `came`: what a process left when it ended goes by its age. */
type PieceDocument = { _id: { life: ObjectId; at: number }; data: Buffer; came: Date }

type Live = { readonly outputs: Collection<OutputDocument>; readonly pieces: Collection<PieceDocument> }

/** Pieces may be as short as a byte: what is beyond is read by the next call. */
const piecesAtOnce = 256
const nothing = new Uint8Array()

export function mongoLiveOutput(shared: Db): LiveOutput {
  const db = shared.client.db(shared.databaseName, {
    readPreference: 'primary',
    readConcern: new ReadConcern('local'),
    writeConcern: { w: 1 },
  })
  const live: Live = { outputs: db.collection('live.outputs'), pieces: db.collection('live.pieces') }
  const { outputs } = live
  let index: Promise<unknown> | undefined

  return {
    want: (interest, nowMs) =>
      guarded('asking for an output', async () => {
        // Longer than any payload runs.
        index ??= live.pieces.createIndex({ came: 1 }, { expireAfterSeconds: 2 * (jobLimits.wallMs / 1000) })
        await index.catch(() => {
          index = undefined
        })
        const { untilMs, vmId, jobId, attempt, name } = interest
        const _id = outputKey(interest)
        const renewed = await outputs.updateOne(
          { _id, untilMs: { $gte: overMs(nowMs) } },
          { $max: { untilMs }, $set: { vmId } },
        )
        if (renewed.matchedCount > 0) return
        await removeOld(live, nowMs)
        if ((await outputs.countDocuments({}, { limit: liveOutputLimits.inAll })) >= liveOutputLimits.inAll)
          throw tooManyReaders()
        const made = { _id, jobId, attempt, name, vmId, untilMs, life: new ObjectId(), bytes: 0, isCaughtUp: false }
        await outputs.insertOne(made).catch((error: unknown) => {
          if (!isDuplicate(error)) throw error
        })
      }),
    wanted: (nowMs) =>
      guarded('reading which outputs are read', async () => {
        const found = await outputs
          .find()
          .limit(2 * liveOutputLimits.inAll)
          .toArray()
        if (found.some(({ untilMs }) => untilMs < overMs(nowMs))) await removeOld(live, nowMs)
        return found.filter(({ untilMs }) => untilMs > nowMs).map(interestOf)
      }),
    append: (output, offset, data, isCaughtUp, nowMs) =>
      guarded('keeping a live output', async () => {
        const _id = outputKey(output)
        const known = await outputs.findOne({ _id })
        if (!known || known.untilMs <= nowMs) return { bytes: 0, isWanted: false }
        if (offset !== known.bytes) return { bytes: known.bytes, isWanted: true }
        const { life } = known
        const head = data.slice(0, outputBytes - offset)
        const piece = await firstPiece(live, { life, at: offset }, head, nowMs)
        const bytes = offset + piece.length
        const isAll = isCaughtUp && piece.length === head.length
        const counted = { $set: { bytes, isCaughtUp: isAll } }
        const now = await outputs.findOneAndUpdate({ _id, life, bytes: offset }, counted, { returnDocument: 'after' })
        return { bytes: now?.bytes ?? (await outputs.findOne({ _id }))?.bytes ?? 0, isWanted: true }
      }),
    read: (output, offset) =>
      guarded('reading a live output', async () => {
        const known = await outputs.findOne({ _id: outputKey(output) })
        if (!known || known.bytes <= offset) return { data: nothing, isCaughtUp: known?.isCaughtUp ?? false }
        const data = await piecesFrom(live, known.life, offset)
        // What was counted, and no more: a piece may stand there whose writer has not counted it yet.
        return { data: data.subarray(0, known.bytes - offset), isCaughtUp: known.isCaughtUp }
      }),
  }
}

/** What no user has read since is removed. */
function overMs(nowMs: number): number {
  return nowMs - liveOutputLimits.keepMs
}

async function removeOld({ outputs, pieces }: Live, nowMs: number): Promise<void> {
  const over = await outputs.find({ untilMs: { $lt: overMs(nowMs) } }, { projection: { life: 1 } }).toArray()
  for (const { _id, life } of over) {
    const { deletedCount } = await outputs.deleteOne({ _id, life, untilMs: { $lt: overMs(nowMs) } })
    if (deletedCount > 0) await pieces.deleteMany({ _id: { $gte: { life, at: 0 }, $lte: { life, at: outputBytes } } })
  }
}

/** Of two pieces that begin at one place the first stays: both are of the same output. */
async function firstPiece(
  { pieces }: Live,
  _id: PieceDocument['_id'],
  data: Uint8Array,
  nowMs: number,
): Promise<Uint8Array> {
  if (data.length === 0) return data
  try {
    await pieces.insertOne({ _id, data: Buffer.from(data), came: new Date(nowMs) })
    return data
  } catch (error) {
    if (!isDuplicate(error)) throw error
    const there = await pieces.findOne({ _id }, { promoteBuffers: true })
    return there?.data ?? nothing
  }
}

async function piecesFrom({ pieces }: Live, life: ObjectId, offset: number): Promise<Uint8Array> {
  const before = { _id: { $gte: { life, at: 0 }, $lte: { life, at: offset } } }
  const first = await pieces.findOne(before, { sort: { _id: -1 }, projection: { _id: 1 } })
  if (!first) return nothing
  const { at } = first._id
  const found = await pieces
    .find({ _id: { $gte: { life, at }, $lte: { life, at: outputBytes } } }, { promoteBuffers: true, sort: { _id: 1 } })
    .limit(piecesAtOnce)
    .toArray()
  const data = found.map((one) => one.data)
  return sliceOf(data, offset - at)
}

function interestOf({ jobId, attempt, name, vmId, untilMs }: OutputDocument): Interest {
  return { jobId: jobId as JobId, attempt, name, vmId: vmId as VmId, untilMs }
}
