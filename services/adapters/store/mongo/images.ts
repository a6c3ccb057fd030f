/**
 * Images: one small document each, changed in a transaction with the fact that explains it. They are few and change seldom,
 * so that what a transaction costs does not matter; of two at one time the server lets one through, and the other looks
 * again.
 */

import { type ClientSession, MongoError } from 'mongodb'
import { type Clock, sleep } from '../../../../core/kernel/clock.ts'
import { applyToImage } from '../../../../core/model/apply.ts'
import { type Image, type ImageEvent, imageNameOf } from '../../../../core/model/image.ts'
import type { ImageOutcome, ImageStore } from '../../../../core/ports/store.ts'
import { jitter, type Random } from '../../../../core/kernel/random.ts'
import { type Database, guarded, type ImageDocument, isDuplicate } from './database.ts'
import { emittedFactDocuments } from './emitted-facts.ts'

type ImagesOptions = { readonly database: Database; readonly clock: Clock; readonly random: Random }

const settleWithinMs = 20_000
const againMs = 20

export function openImages({ database, clock, random }: ImagesOptions): ImageStore {
  const { client, images } = database

  async function change(event: ImageEvent, nowMs: number): Promise<ImageOutcome> {
    const endMs = clock.monotonicMs() + settleWithinMs
    for (;;) {
      const session = client.startSession()
      try {
        return await tried(database, session, event, nowMs, random)
      } catch (error) {
        if (!isAgain(error) || clock.monotonicMs() > endMs) throw error
      } finally {
        await session.endSession()
      }
      await sleep(clock, jitter(againMs, random))
    }
  }

  return {
    async images(names) {
      const filter = names ? { _id: { $in: [...names] } } : {}
      const found = await guarded('reading images', () => images.find(filter).sort({ _id: 1 }).toArray())
      return found.map(imageOf)
    },
    changeImage: (event, nowMs) => guarded('changing an image', () => change(event, nowMs)),
  }
}

async function tried(
  { images, emittedFacts, meta }: Database,
  session: ClientSession,
  event: ImageEvent,
  nowMs: number,
  random: Random,
): Promise<ImageOutcome> {
  session.startTransaction()
  const _id = imageNameOf(event)
  const found = await images.findOne({ _id }, { session })
  const known = await images.countDocuments({ _id: { $gt: '' } }, { session })
  const { outcome, changed, fact } = applyToImage(found ? imageOf(found) : undefined, event, known, nowMs)
  if (!changed) {
    await session.abortTransaction()
    return outcome
  }
  if (found) {
    await images.updateOne({ _id }, { $set: { doc: JSON.stringify(changed) } }, { session })
  } else {
    // Two new ones at one time meet here: what was counted holds.
    await meta.updateOne({ _id: 'images' }, { $inc: { last: 1 } }, { session, upsert: true })
    await images.insertOne({ _id, doc: JSON.stringify(changed) }, { session })
  }
  if (fact) await emittedFacts.insertMany(emittedFactDocuments([fact], nowMs, random), { session })
  await session.commitTransaction()
  return outcome
}

/** What may have been written all the same is found by the next try: then there is nothing to change any more. */
function isAgain(error: unknown): boolean {
  if (!(error instanceof MongoError)) return false
  const isUnsure = error.hasErrorLabel('TransientTransactionError') || error.hasErrorLabel('UnknownTransactionCommitResult')
  return isUnsure || isDuplicate(error)
}

export function imageOf({ doc }: ImageDocument): Image {
  return JSON.parse(doc) as Image
}
