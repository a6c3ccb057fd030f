/**
 * Claims, what names content, and output files, over MongoDB: what port core/ports/sandbox-store.ts says.
 *
 * A claim and the sums that follow from it change in one transaction, and all claims of one content meet in its document, so
 * that of two transactions on it one is repeated. Which jobs name content stands in the pages of their descriptions: it is
 * there before the submission is, and goes with the page. A page of descriptions that no job belongs to, since its process
 * died or its key was known, is removed when it is found here.
 */

import type { JobId } from '../../../../core/kernel/ids.ts'
import type { JobSpec } from '../../../../core/model/job.ts'
import type { Owner } from '../../../../core/model/owner.ts'
import type { BlobRef } from '../../../../core/ports/blobs.ts'
import type { ClaimOutcome, SandboxStore } from '../../../../core/ports/sandbox-store.ts'
import { type ClaimDocument, type Database, guarded, inTransaction } from './database.ts'

/** Content that is to be removed, in one answer. */
const maxRemovals = 1000
const pagesAtOnce = 1000

/** One text per owner: names of VOs, groups and owners may hold any character. */
export function ownerKey({ vo, group, owner }: Owner): string {
  return JSON.stringify([vo, group, owner])
}

/** What a page of descriptions names, for `SpecsDocument.in`. Absent where it names nothing. */
export function namedIn(owner: Owner, specs: readonly Pick<JobSpec, 'inputFiles'>[]): { readonly in?: string[] } {
  const digests = new Set(specs.flatMap(({ inputFiles }) => inputFiles.map(({ digest }) => digest)))
  return digests.size === 0 ? {} : { in: [...digests].map((digest) => claimId(ownerKey(owner), digest)) }
}

function claimId(owner: string, digest: string): string {
  return `${digest} ${owner}`
}

function blobId({ vo, digest }: BlobRef): string {
  return `${digest} ${vo}`
}

export function openSandbox(database: Database): SandboxStore {
  return { ...openClaims(database), ...openClaimEnd(database), ...openOutputs(database) }
}

function openClaims(database: Database): Pick<SandboxStore, 'claim' | 'settleClaim' | 'renewClaims'> {
  const { claims, claimUse, claimedBlobs } = database
  return {
    async claim(owner, { digest, bytes }, maxOwnerBytes, nowMs) {
      const key = ownerKey(owner)
      const _id = claimId(key, digest)
      return inTransaction(database, 'claiming a file', async (session): Promise<ClaimOutcome> => {
        const known = await claims.findOneAndUpdate({ _id }, { $max: { at: nowMs } }, { session })
        if (known) return { ok: true, isWhole: known.whole }
        const blob = { vo: owner.vo, digest }
        const now = await claimedBlobs.findOne({ _id: blobId(blob) }, { session })
        if (now?.removing) return { ok: false, why: 'removing' }
        const use = await claimUse.findOne({ _id: key }, { session })
        const usedBytes = use?.bytes ?? 0
        if (usedBytes + bytes > maxOwnerBytes) return { ok: false, why: 'quota', usedBytes }
        await claimUse.updateOne({ _id: key }, { $inc: { bytes } }, { session, upsert: true })
        const counted = { $inc: { n: 1 }, $setOnInsert: blob }
        await claimedBlobs.updateOne({ _id: blobId(blob) }, counted, { session, upsert: true })
        await claims.insertOne({ _id, owner: key, vo: owner.vo, digest, bytes, at: nowMs, whole: false }, { session })
        return { ok: true, isWhole: false }
      })
    },
    async settleClaim(owner, digest, nowMs) {
      const filter = { _id: claimId(ownerKey(owner), digest) }
      const { matchedCount } = await guarded('claiming a file', () =>
        claims.updateOne(filter, { $set: { whole: true }, $max: { at: nowMs } }),
      )
      return matchedCount === 1
    },
    async renewClaims(owner, digests, nowMs) {
      const key = ownerKey(owner)
      const ids = digests.map((digest) => claimId(key, digest))
      return guarded('renewing claims', async () => {
        // Only what the write met counts: what was read before it might have ended.
        await claims.updateMany({ _id: { $in: ids }, whole: true }, { $max: { at: nowMs } })
        const found = await claims.find({ _id: { $in: ids }, whole: true, at: { $gte: nowMs } }).toArray()
        return found.map(({ digest, bytes }) => ({ digest, bytes }))
      })
    },
  }
}

function openClaimEnd(database: Database): Pick<SandboxStore, 'endClaims' | 'blobsRemoved'> {
  const { claims, claimUse, claimedBlobs } = database

  async function endOne({ _id, owner, vo, digest, bytes, at }: ClaimDocument): Promise<void> {
    await inTransaction(database, 'ending a claim', async (session) => {
      // As it was seen: one that was renewed since stays.
      const { deletedCount } = await claims.deleteOne({ _id, at }, { session })
      if (deletedCount === 0) return
      await claimUse.updateOne({ _id: owner }, { $inc: { bytes: -bytes } }, { session })
      const blob = { _id: blobId({ vo, digest }) }
      const left = await claimedBlobs.findOneAndUpdate(blob, { $inc: { n: -1 } }, { session, returnDocument: 'after' })
      if (left && left.n <= 0) await claimedBlobs.updateOne(blob, { $set: { removing: true } }, { session })
    })
  }

  return {
    async endClaims(notRenewedSinceMs, limit, nowMs) {
      const old = await guarded('reading old claims', () =>
        claims
          .find({ at: { $lt: notRenewedSinceMs } })
          .sort({ at: 1 })
          .limit(limit)
          .toArray(),
      )
      for (const claim of old) {
        if (await isNamed(database, claim)) {
          await guarded('renewing claims', () => claims.updateOne({ _id: claim._id }, { $max: { at: nowMs } }))
        } else await endOne(claim)
      }
      const unused = await guarded('reading unused files', () =>
        claimedBlobs.find({ removing: true }).limit(maxRemovals).toArray(),
      )
      return unused.map(({ vo, digest }) => ({ vo, digest }))
    },
    async blobsRemoved(blobs) {
      await guarded('noting what is removed', () =>
        claimedBlobs.deleteMany({ _id: { $in: blobs.map(blobId) }, removing: true }),
      )
    },
  }
}

function openOutputs({ outputs }: Database): Pick<SandboxStore, 'keepOutputFile' | 'outputFiles'> {
  return {
    async keepOutputFile({ jobId, attempt }, owner, { path, digest, bytes, executable }) {
      const claim = claimId(ownerKey(owner), digest)
      const file = { digest, bytes, executable, claim }
      await guarded('keeping an output file', () =>
        outputs.updateOne({ _id: { job: jobId, attempt, path } }, { $set: file }, { upsert: true }),
      )
    },
    async outputFiles({ jobId, attempt }) {
      const from = { job: jobId, attempt, path: '' }
      const to = { job: jobId, attempt: attempt + 1, path: '' }
      const found = await guarded('reading output files', () =>
        outputs
          .find({ _id: { $gte: from, $lt: to } })
          .sort({ _id: 1 })
          .toArray(),
      )
      return found.map(({ _id: { path }, digest, bytes, executable }) => ({ path, digest, bytes, executable }))
    },
  }
}

/** Whether a kept job names it, or a submission that is under way. */
async function isNamed(database: Database, { _id, at }: ClaimDocument): Promise<boolean> {
  const { claims, specs, outputs, pages, submissions } = database
  return guarded('reading what names a file', async () => {
    if (await outputs.findOne({ claim: _id }, { projection: { _id: 1 } })) return true
    const named = await specs
      .find({ in: _id }, { projection: { _id: 1 } })
      .limit(pagesAtOnce)
      .toArray()
    const firsts = named.map((page) => page._id)
    if (await pages.findOne({ _id: { $in: firsts } }, { projection: { _id: 1 } })) return true
    for (const first of firsts) {
      // Committed, and its pages are made by the next process that looks after it.
      const [submission] = await submissions
        .find({ first: { $lte: first } })
        .sort({ first: -1 })
        .limit(1)
        .toArray()
      if (submission?.open && first < submission.first + submission.n) return true
    }
    // A submission renews its claims before it writes descriptions: with the claim as it was seen, none of these is of one
    // that is under way, and no job belongs to them.
    const isAsSeen = await claims.findOne({ _id, at }, { projection: { _id: 1 } })
    if (!isAsSeen) return true
    if (firsts.length > 0) await specs.deleteMany({ _id: { $in: firsts }, in: _id })
    return firsts.length === pagesAtOnce
  })
}

/** With their jobs. */
export async function forgetOutputs({ outputs }: Database, ids: readonly JobId[]): Promise<void> {
  if (ids.length === 0) return
  const spans = ids.map((job) => ({ _id: { $gte: { job }, $lt: { job: job + 1 } } as never }))
  await guarded('forgetting output files', () => outputs.deleteMany({ $or: spans }))
}
