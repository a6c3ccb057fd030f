/**
 * The operations of the embedded store on sandboxes: claims, what names them, and output files.
 *
 * Jobs that name content are recorded as ranges of ids, one per content and slice of a submission: a thousand jobs with the
 * same input are one row, and a range counts for as long as one of its jobs is there. So forgetting a job costs nothing
 * here; ranges without jobs are deleted when their claim is looked at.
 */

import type { DatabaseSync } from 'node:sqlite'
import type { AttemptRef } from '../../../../core/kernel/ids.ts'
import type { Owner } from '../../../../core/model/owner.ts'
import type { Content, OutputFile } from '../../../../core/model/sandbox-file.ts'
import type { BlobRef } from '../../../../core/ports/blobs.ts'
import type { ClaimOutcome } from '../../../../core/ports/sandbox-store.ts'
import type { PackedJob } from './job-operations.ts'

export type SandboxOperations = {
  claim(owner: Owner, content: Content, maxOwnerBytes: number, nowMs: number): ClaimOutcome
  settleClaim(owner: Owner, digest: string, nowMs: number): boolean
  renewClaims(owner: Owner, digests: readonly string[], nowMs: number): readonly Content[]
  endClaims(notRenewedSinceMs: number, limit: number, nowMs: number): readonly BlobRef[]
  blobsRemoved(blobs: readonly BlobRef[]): void
  keepOutputFile(attempt: AttemptRef, owner: Owner, file: OutputFile): void
  outputFiles(attempt: AttemptRef): readonly OutputFile[]
}

/** Content that is to be removed, in one answer. */
const maxRemovals = 1000

/** One text per owner: names of VOs, groups and owners may hold any character. */
function keyOf({ vo, group, owner }: Owner): string {
  return JSON.stringify([vo, group, owner])
}

export function sandboxOperations(db: DatabaseSync): SandboxOperations {
  const find = db.prepare('select bytes, whole from sandbox_claims where owner = ? and digest = ?')
  const insert = db.prepare(
    'insert into sandbox_claims (owner, digest, vo, bytes, renewed_ms, whole) values (?, ?, ?, ?, ?, 0)',
  )
  const renew = db.prepare('update sandbox_claims set renewed_ms = max(renewed_ms, ?) where owner = ? and digest = ?')
  const settle = db.prepare('update sandbox_claims set whole = 1, renewed_ms = ? where owner = ? and digest = ?')
  const isRemoving = db.prepare('select 1 from sandbox_removals where vo = ? and digest = ?')
  const used = db.prepare('select bytes from sandbox_use where owner = ?')
  const use = db.prepare(
    'insert into sandbox_use (owner, bytes) values (?, ?) on conflict (owner) do update set bytes = bytes + excluded.bytes',
  )
  const keep = db.prepare(
    'insert or replace into sandbox_outputs (job, attempt, path, digest, bytes, executable) values (?, ?, ?, ?, ?, ?)',
  )
  const outputs = db.prepare(
    'select path, digest, bytes, executable from sandbox_outputs where job = ? and attempt = ? order by path',
  )
  const name = nameWriter(db)
  const ending = claimEnd(db, (owner, bytes) => use.run(owner, bytes))

  return {
    claim(owner, { digest, bytes }, maxOwnerBytes, nowMs) {
      const key = keyOf(owner)
      const known = find.get(key, digest)
      if (known) {
        renew.run(nowMs, key, digest)
        return { ok: true, isWhole: known.whole === 1 }
      }
      if (isRemoving.get(owner.vo, digest)) return { ok: false, why: 'removing' }
      const usedBytes = Number(used.get(key)?.bytes ?? 0)
      if (usedBytes + bytes > maxOwnerBytes) return { ok: false, why: 'quota', usedBytes }
      insert.run(key, digest, owner.vo, bytes, nowMs)
      use.run(key, bytes)
      return { ok: true, isWhole: false }
    },
    settleClaim: (owner, digest, nowMs) => Number(settle.run(nowMs, keyOf(owner), digest).changes) === 1,
    renewClaims(owner, digests, nowMs) {
      const key = keyOf(owner)
      return digests.flatMap((digest) => {
        const known = find.get(key, digest)
        if (known?.whole !== 1) return []
        renew.run(nowMs, key, digest)
        return [{ digest, bytes: Number(known.bytes) }]
      })
    },
    endClaims: ending.end,
    blobsRemoved: ending.removed,
    keepOutputFile({ jobId, attempt }, owner, { path, digest, bytes, executable }) {
      name(keyOf(owner), digest, jobId, jobId)
      keep.run(jobId, attempt, path, digest, bytes, executable ? 1 : 0)
    },
    outputFiles: ({ jobId, attempt }) =>
      outputs.all(jobId, attempt).map(({ path, digest, bytes, executable }) => ({
        path: String(path),
        digest: String(digest),
        bytes: Number(bytes),
        executable: executable === 1,
      })),
  }
}

type EndOperations = {
  end: SandboxOperations['endClaims']
  removed: SandboxOperations['blobsRemoved']
}

function claimEnd(db: DatabaseSync, use: (owner: string, bytes: number) => void): EndOperations {
  const old = db.prepare(
    'select owner, digest, vo, bytes from sandbox_claims where renewed_ms < ? order by renewed_ms limit ?',
  )
  const ranges = db.prepare('select first_job, last_job from sandbox_names where owner = ? and digest = ?')
  const hasJob = db.prepare('select 1 from jobs where id between ? and ? limit 1')
  const removeRange = db.prepare('delete from sandbox_names where owner = ? and digest = ? and first_job = ?')
  const renew = db.prepare('update sandbox_claims set renewed_ms = ? where owner = ? and digest = ?')
  const remove = db.prepare('delete from sandbox_claims where owner = ? and digest = ?')
  const claimed = db.prepare('select 1 from sandbox_claims where vo = ? and digest = ? limit 1')
  const toRemove = db.prepare('insert or ignore into sandbox_removals (vo, digest) values (?, ?)')
  const removals = db.prepare('select vo, digest from sandbox_removals limit ?')
  const removed = db.prepare('delete from sandbox_removals where vo = ? and digest = ?')

  function isNamed(owner: string, digest: string): boolean {
    for (const { first_job: first, last_job: last } of ranges.all(owner, digest)) {
      if (hasJob.get(Number(first), Number(last))) return true
      removeRange.run(owner, digest, Number(first))
    }
    return false
  }

  return {
    end(notRenewedSinceMs, limit, nowMs) {
      for (const row of old.all(notRenewedSinceMs, limit)) {
        const [owner, digest, vo] = [String(row.owner), String(row.digest), String(row.vo)]
        if (isNamed(owner, digest)) {
          renew.run(nowMs, owner, digest)
          continue
        }
        remove.run(owner, digest)
        use(owner, -Number(row.bytes))
        if (!claimed.get(vo, digest)) toRemove.run(vo, digest)
      }
      return removals.all(maxRemovals).map(({ vo, digest }) => ({ vo: String(vo), digest: String(digest) }))
    },
    removed(blobs) {
      for (const { vo, digest } of blobs) removed.run(vo, digest)
    },
  }
}

type NameWriter = (owner: string, digest: string, firstJob: number, lastJob: number) => void

function nameWriter(db: DatabaseSync): NameWriter {
  const insert = db.prepare(
    `insert into sandbox_names (owner, digest, first_job, last_job) values (?, ?, ?, ?)
     on conflict (owner, digest, first_job) do update set last_job = max(last_job, excluded.last_job)`,
  )
  return (owner, digest, firstJob, lastJob) => void insert.run(owner, digest, firstJob, lastJob)
}

/** Records what jobs with consecutive ids name, in the transaction that brings their descriptions. */
export function inputWriter(
  db: DatabaseSync,
): (owner: Owner, firstId: number, jobs: readonly Pick<PackedJob, 'inputs'>[]) => void {
  const name = nameWriter(db)
  return (owner, firstId, jobs) => {
    const spans = new Map<string, { first: number; last: number }>()
    for (const [at, { inputs = [] }] of jobs.entries()) {
      for (const digest of inputs) {
        const span = spans.get(digest)
        if (span) span.last = firstId + at
        else spans.set(digest, { first: firstId + at, last: firstId + at })
      }
    }
    const key = keyOf(owner)
    for (const [digest, { first, last }] of spans) name(key, digest, first, last)
  }
}
