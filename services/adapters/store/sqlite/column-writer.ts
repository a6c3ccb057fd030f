/**
 * Keeps the columns (columns.ts) in step with the rows: all rows when the store opens, and after each commit those that it
 * changed. What is rolled back never gets there.
 */

import type { DatabaseSync } from 'node:sqlite'
import { hashOf, longHashOf } from '../../../../core/kernel/text-hash.ts'
import type { JobId, VmId } from '../../../../core/kernel/ids.ts'
import type { Job } from '../../../../core/model/job.ts'
import { type Chunk, chunkJobs, chunkOf, type ColumnNews, type Columns, newChunk, newColumns } from './columns.ts'
import type { QueueTable } from './queues.ts'
import { stateCode } from './rows.ts'

export type ColumnWriter = {
  readonly columns: Columns
  /** Every row as it is in the database. */
  load(db: DatabaseSync): void
  vmKnown(id: VmId, site: string, cloud: string): void
  changed(job: Job): void
  removed(id: JobId): void
  /** What changed since the last commit is durable. */
  committed(queues: QueueTable): void
  /** It was rolled back. */
  discarded(): void
}

type Hashes = { readonly site: number; readonly cloud: number }
type Row = Hashes & {
  readonly id: number
  readonly state: number
  readonly owner: number
  readonly name: string
  readonly jobGroup: string
  readonly jobType: string
  readonly submittedMs: number
  readonly changedMs: number
}

const nowhere: Hashes = { site: 0, cloud: 0 }

type Publish = (news: ColumnNews) => void

/** `publish`: for a reader in another thread. */
export function columnWriter(publish: Publish = () => {}): ColumnWriter {
  const columns = newColumns()
  const rows = rowWriter(columns, publish)
  const places = new Map<string, Hashes>()
  let pending = new Map<JobId, Job | undefined>()
  const placeOf = (vmId: string | null | undefined): Hashes => places.get(vmId ?? '') ?? nowhere

  function known(word: string): number {
    const hash = hashOf(word)
    if (columns.words.has(hash)) return hash
    columns.words.set(hash, word)
    publish({ hash, word })
    return hash
  }

  return {
    columns,
    load(db) {
      const all = db.prepare(
        'select id, state, owner_ref, name, job_group, job_type, submitted_ms, changed_ms, vm_id from jobs order by id',
      )
      for (const row of all.iterate()) {
        rows.put({
          id: Number(row.id),
          state: Number(row.state),
          owner: Number(row.owner_ref),
          name: String(row.name),
          jobGroup: String(row.job_group),
          jobType: String(row.job_type),
          submittedMs: Number(row.submitted_ms),
          changedMs: Number(row.changed_ms),
          ...placeOf(row.vm_id as string | null),
        })
      }
    },
    vmKnown: (id, site, cloud) => void places.set(id, { site: known(site), cloud: known(cloud) }),
    changed: (job) => void pending.set(job.id, job),
    removed: (id) => void pending.set(id, undefined),
    committed(queues) {
      if (pending.size === 0) return
      for (const [id, job] of pending) {
        if (!job) rows.remove(id)
        else rows.put(rowOf(job, queues, placeOf('lease' in job.phase ? job.phase.lease?.vmId : undefined)))
      }
      pending = new Map()
    },
    discarded() {
      pending = new Map()
    },
  }
}

/** Writes rows into their chunks, makes chunks, and drops those whose jobs are gone. */
function rowWriter({ chunks }: Columns, publish: Publish) {
  const jobsIn = new Map<number, number>()
  const hashOfLabel = labelCache()

  function chunkFor(id: number): Chunk {
    const number = chunkOf(id)
    const known = chunks.get(number)
    if (known) return known
    // It stayed while it was the newest.
    if (jobsIn.get(number - 1) === 0) drop(number - 1)
    const made = newChunk(number)
    chunks.set(number, made)
    publish({ chunk: number, buffer: made.buffer })
    return made
  }

  function drop(number: number): void {
    chunks.delete(number)
    jobsIn.delete(number)
    publish({ dropped: number })
  }

  return {
    put(row: Row): void {
      const chunk = chunkFor(row.id)
      const at = row.id % chunkJobs
      if (chunk.state[at] === 0) {
        jobsIn.set(chunk.number, (jobsIn.get(chunk.number) ?? 0) + 1)
        chunk.owner[at] = row.owner
        chunk.name[at] = hashOfLabel(row.name)
        chunk.jobGroup[at] = hashOfLabel(row.jobGroup)
        chunk.jobType[at] = hashOfLabel(row.jobType)
        chunk.submitted[at] = row.submittedMs
      }
      chunk.site[at] = row.site
      chunk.cloud[at] = row.cloud
      chunk.changed[at] = row.changedMs
      chunk.state[at] = row.state + 1
    },
    remove(id: JobId): void {
      const number = chunkOf(id)
      const chunk = chunks.get(number)
      if (!chunk || chunk.state[id % chunkJobs] === 0) return
      chunk.state[id % chunkJobs] = 0
      const left = (jobsIn.get(number) ?? 1) - 1
      jobsIn.set(number, left)
      // Later jobs lie in the newest chunk as well.
      if (left === 0 && chunks.has(number + 1)) drop(number)
    },
  }
}

function rowOf(job: Job, queues: QueueTable, place: Hashes): Row {
  const owner = queues.byId(job.classId)?.ownerRef
  if (owner === undefined) throw new Error(`assertion failed: job ${job.id} names no known task queue`)
  const { id, name, jobGroup, jobType, submittedMs, changedMs } = job
  return { id, state: stateCode[job.phase.state], owner, name, jobGroup, jobType, submittedMs, changedMs, ...place }
}

const maxRemembered = 10_000

/** Jobs that come together often have the same texts. */
function labelCache(): (text: string) => number {
  const known = new Map<string, number>()
  return (text) => {
    const hash = known.get(text) ?? longHashOf(text)
    if (known.size >= maxRemembered) known.clear()
    known.set(text, hash)
    return hash
  }
}
