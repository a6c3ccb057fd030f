/**
 * Taking jobs in: all of a submission or none, without a transaction. First the descriptions, which no process reads yet;
 * then the submission's own document, which is the commit; then its pages, which follow from both and can be made by
 * anybody. A process that dies in between leaves nothing, or a submission that the store's keeper completes.
 *
 * Submissions that arrive together share the four round trips.
 */

import { specOfText } from '../../../../core/model/earlier-job.ts'
import type { Clock } from '../../../../core/kernel/clock.ts'
import type { ClassId, JobId } from '../../../../core/kernel/ids.ts'
import { nowhere } from '../../../../core/model/job-filter.ts'
import type { DependencyStore, JobStore, Submission, SubmitOutcome } from '../../../../core/ports/store.ts'
import type { Requirements } from '../../../../core/model/requirements.ts'
import type { QuotaRefusal } from '../../../../core/model/quota.ts'
import type { Random } from '../../../../core/kernel/random.ts'
import { needsOf } from '../../../../core/language/requirement-class.ts'
import { awaitedBy, submittedJob } from '../../../../core/model/submitted-job.ts'
import { submissionKey } from '../../../../core/model/submission-key.ts'
import { type Database, duplicatesOf, guarded, type SubmissionDocument } from './database.ts'
import { awaitOthers } from './dependants.ts'
import { inGroups } from './group.ts'
import type { KnownQueues } from './known-queues.ts'
import { type KeptJob, keptJob } from './job-text.ts'
import { newPage, type NewPage, pageJobs, pageOf } from './page.ts'
import type { Quotas, Reserved } from './quota.ts'
import type { PageCache } from './page-cache.ts'
import { namedIn } from './sandbox.ts'
import type { SpecCache } from './specs.ts'

export type SubmitOptions = {
  readonly database: Database
  readonly cache: PageCache
  readonly specs: SpecCache
  readonly queues: KnownQueues
  readonly quotas: Quotas
  readonly clock: Clock
  readonly random: Random
  readonly change: JobStore['change']
  readonly dependants: DependencyStore['dependants']
}

type Call = { readonly submission: Submission; readonly nowMs: number }
type Prepared = Made & { readonly call: Call }
/** `awaited`: the jobs that its jobs wait for. */
type Made = {
  readonly document: SubmissionDocument
  readonly texts: readonly string[]
  readonly awaited: ReadonlySet<JobId>
}

const maxJobs = 20_000
/** Of one turn of a kind of documents: bounds what one message to the server holds. */
const maxDocuments = 500

export function openSubmit(options: SubmitOptions): (submission: Submission, nowMs: number) => Promise<SubmitOutcome> {
  const { database, clock } = options
  let closing: string[] = []

  /** That all pages are there is noted when there is time: until then it is only looked after once more. */
  function close(ids: readonly string[]): void {
    closing.push(...ids)
    if (closing.length > ids.length) return
    clock.after(100, () => {
      const done = closing
      closing = []
      database.submissions
        .updateMany({ _id: { $in: done } }, { $unset: { open: '' } }, { writeConcern: { w: 1 } })
        .catch(() => undefined)
    })
  }

  async function run(calls: readonly Call[]): Promise<SubmitOutcome[]> {
    // The same key twice in one group: the second is asked again when the first has its answer.
    const keys = calls.map(keyOf)
    const now = calls.filter((_, at) => keys[at] === undefined || keys.indexOf(keys[at]) === at)
    const answers = new Map<Call, SubmitOutcome>()
    await submitAll(options, close, now, answers)
    for (const call of calls) if (!answers.has(call)) await submitAll(options, close, [call], answers)
    return calls.map((call) => answers.get(call) as SubmitOutcome)
  }

  const group = inGroups<Call, SubmitOutcome>(run, {
    maxWeight: maxJobs,
    weigh: ({ submission }) => submission.jobs.length,
    soon: (then) => clock.soon(then),
  })
  return (submission, nowMs) => group.ask({ submission, nowMs })
}

type Close = (ids: readonly string[]) => void

/** Each call has its answer then. What does not fit its quota is refused before anything of it is kept. */
async function submitAll(
  options: SubmitOptions,
  close: Close,
  calls: readonly Call[],
  answers: Map<Call, SubmitOutcome>,
): Promise<void> {
  const reserved = new Map<Call, Reserved>()
  for (const call of calls) reserved.set(call, await options.quotas.reserve(call.submission))
  const isVoid = (call: Call): boolean => {
    const answer = answers.get(call)
    return !answer?.ok || answer.repeated
  }
  try {
    const full = calls.filter((call) => reserved.get(call)?.refusal)
    for (const call of full) answers.set(call, await refused(options, call, reserved.get(call)?.refusal))
    await submitFitting(
      options,
      close,
      calls.filter((call) => !full.includes(call)),
      answers,
    )
  } finally {
    for (const [call, one] of reserved) options.quotas.done(one, isVoid(call))
  }
}

async function submitFitting(
  options: SubmitOptions,
  close: Close,
  calls: readonly Call[],
  answers: Map<Call, SubmitOutcome>,
): Promise<void> {
  if (calls.length === 0) return
  const prepared = await prepare(options, calls)
  await Promise.all([
    options.queues.keep(calls.flatMap(({ submission }) => submission.queues)),
    inSlices(prepared.flatMap(specDocuments), (slice) =>
      guarded('keeping descriptions', () => options.database.specs.insertMany(slice, { ordered: false })),
    ),
  ])
  const known = await commit(options.database, prepared)
  const fresh = prepared.filter(({ document }) => !known.has(document._id))
  await makePages(options, fresh)
  for (const one of fresh) await awaitExternal(options, one)
  close(fresh.map(({ document }) => document._id))
  for (const one of prepared) {
    answers.set(one.call, known.has(one.document._id) ? await repeated(options, one) : answerOf(one.document, false))
  }
}

function keyOf({ submission: { owner, idempotency } }: Call): string | undefined {
  return idempotency && submissionKey(owner, idempotency)
}

/** Consecutive ids for each, in the order of arrival. */
async function prepare({ database }: SubmitOptions, calls: readonly Call[]): Promise<readonly Prepared[]> {
  const total = calls.reduce((sum, { submission }) => sum + submission.jobs.length, 0)
  const ids = await guarded('numbering jobs', () =>
    database.meta.findOneAndUpdate({ _id: 'ids' }, { $inc: { last: total } }, { upsert: true, returnDocument: 'after' }),
  )
  let next = Number(ids?.last) - total + 1
  return calls.map((call) => {
    const { owner, jobs, idempotency } = call.submission
    const first = next
    next += jobs.length
    const document: SubmissionDocument = {
      _id: keyOf(call) ?? `#${first}`,
      digest: idempotency?.digest ?? '',
      first,
      n: jobs.length,
      at: call.nowMs,
      vo: owner.vo,
      grp: owner.group,
      own: owner.owner,
      pages: pagesOf(jobs, first),
      open: true,
    }
    const blocked = jobs.filter(({ spec: { after } }) => after && after.length > 0).length
    if (blocked > 0) document.blocked = blocked
    const awaited = awaitedBy(
      jobs.map(({ spec }) => spec),
      first,
    )
    return { document, texts: jobs.map(({ spec }) => JSON.stringify(spec)), awaited, call }
  })
}

/** Runs of jobs of one task queue, priority, job group and job type, cut to size. */
function pagesOf(jobs: Submission['jobs'], first: number): SubmissionDocument['pages'] {
  const pages: SubmissionDocument['pages'] = []
  for (const [at, { classId, spec }] of jobs.entries()) {
    const page = pages.at(-1)
    const before = jobs[at - 1]?.spec
    const isLabelledAlike = before?.jobGroup === spec.jobGroup && before.jobType === spec.jobType
    const isAlike = page?.[2] === classId && page[3] === spec.priority && isLabelledAlike
    const joins = isAlike && first + at - page[0] < pageJobs
    if (joins) page[1] = first + at
    else pages.push([first + at, first + at, classId, spec.priority])
  }
  return pages
}

function specDocuments({ document, texts, call: { submission } }: Prepared) {
  return document.pages.map(([first, last]) => {
    const [from, to] = [first - document.first, last - document.first + 1]
    const specs = submission.jobs.slice(from, to).map(({ spec }) => spec)
    return { _id: first, s: texts.slice(from, to), ...namedIn(submission.owner, specs) }
  })
}

async function inSlices<T>(all: readonly T[], put: (slice: T[]) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < all.length; at += maxDocuments) await put(all.slice(at, at + maxDocuments))
}

/** Those that were known before. */
async function commit({ submissions }: Database, prepared: readonly Prepared[]): Promise<ReadonlySet<string>> {
  const documents = prepared.map(({ document }) => document)
  const known = await guarded('submitting', () =>
    submissions.insertMany(documents, { ordered: false }).then(
      () => [],
      (error: unknown) => duplicatesOf(error),
    ),
  )
  return new Set(known.map((at) => documents[at]?._id ?? ''))
}

async function makePages(
  { database, cache, specs, queues, random }: Omit<SubmitOptions, 'quotas'>,
  prepared: readonly Made[],
) {
  const known = await queues.byIds(prepared.flatMap(({ document }) => document.pages.map((page) => page[2] as ClassId)))
  const name = random.letters(12)
  const documents = prepared.flatMap((made) =>
    made.document.pages.map((page) => {
      const requirements = known.get(page[2] as ClassId)?.requirements
      if (!requirements) throw new Error(`assertion failed: task queue ${page[2]} was kept before its jobs`)
      return newPage(pageFrom(made, page, requirements), name, requirements)
    }),
  )
  await inSlices(documents, (slice) =>
    guarded('keeping jobs', () =>
      database.pages.insertMany(slice, { ordered: false }).catch((error: unknown) => void duplicatesOf(error)),
    ),
  )
  for (const document of documents) if (prepared.length < 1000) cache.put(pageOf(document))
  for (const { document, texts } of prepared) {
    for (const [first, last] of document.pages) {
      specs.put(first as JobId, texts.slice(first - document.first, last - document.first + 1))
    }
  }
}

function pageFrom(
  { document: { at, vo, grp, own, first: firstOfAll }, texts, awaited }: Made,
  [first, last, classId, priority]: SubmissionDocument['pages'][number],
  asked: Requirements,
): NewPage {
  const owner = { vo, group: grp, owner: own }
  const jobs = new Map<JobId, KeptJob>()
  const { jobGroup, jobType } = specOfText(texts[first - firstOfAll] ?? '{}', first as JobId)
  for (let id = first; id <= last; id += 1) {
    const spec = specOfText(texts[id - firstOfAll] ?? '{}', id as JobId)
    const fields = {
      ...spec,
      classId: classId as ClassId,
      priority,
      jobGroup,
      jobType,
      needs: needsOf(spec.requirements, asked),
    }
    const job = submittedJob({ ...owner, id: id as JobId }, fields, awaited.has(id as JobId), at)
    jobs.set(job.id, keptJob(job, nowhere, []))
  }
  return { first: first as JobId, owner, classId: classId as ClassId, priority, jobGroup, jobType, jobs }
}

function awaitedIn(texts: readonly string[], first: number): ReadonlySet<JobId> {
  // What was deleted since has left holes.
  const specs = Array.from(texts, (text: string | undefined, at) => specOfText(text ?? '{}', (first + at) as JobId))
  return awaitedBy(specs, first)
}

/**
 * After its pages are there: of a job that ends in between either its end is seen here, or its page says that it is awaited.
 */
async function awaitExternal(options: Omit<SubmitOptions, 'quotas'>, { document, awaited }: Made): Promise<void> {
  const { first, n, at } = document
  const others = [...awaited].filter((id) => id < first || id >= first + n)
  if (others.length > 0) await awaitOthers(options, others, at)
}

/** A key that is known is answered as ever. */
async function refused(options: SubmitOptions, call: Call, refusal: QuotaRefusal | undefined): Promise<SubmitOutcome> {
  const _id = keyOf(call)
  const known = _id === undefined ? null : await options.database.submissions.findOne({ _id }, { projection: { _id: 1 } })
  const digest = call.submission.idempotency?.digest ?? ''
  if (_id !== undefined && known) return repeated(options, { document: { _id, digest } })
  if (!refusal) throw new Error('assertion failed: what is refused has a reason')
  return { ok: false, why: 'quota', refusal }
}

type Known = { readonly document: Pick<SubmissionDocument, '_id' | 'digest'> }

/** The first answer, once all that it promised is there. */
async function repeated(options: SubmitOptions, { document: { _id, digest } }: Known): Promise<SubmitOutcome> {
  const { submissions } = options.database
  const known = await guarded('reading a submission', () => submissions.findOne({ _id }))
  if (!known || known.digest !== digest) return { ok: false, why: 'key-conflict' }
  if (known.open) await complete(options, [known])
  return answerOf(known, true)
}

function answerOf({ first, n, pages }: SubmissionDocument, isRepeated: boolean): SubmitOutcome {
  const parts = pages.map(([id]) => id as JobId)
  return { ok: true, firstId: first as JobId, count: n, repeated: isRepeated, parts }
}

/** Makes the pages of submissions whose process did not get to it. Any number of times, by anybody. */
export async function complete(options: Omit<SubmitOptions, 'quotas'>, open: readonly SubmissionDocument[]): Promise<void> {
  const { database } = options
  for (const document of open) {
    const firsts = document.pages.map(([first]) => first)
    const there = await guarded('reading jobs', () =>
      database.pages.find({ _id: { $in: firsts } }, { projection: { _id: 1 } }).toArray(),
    )
    const has = new Set(there.map(({ _id }) => _id))
    const missing = document.pages.filter(([first]) => !has.has(first))
    // Which of its jobs are awaited stands in the descriptions of all of them.
    const wanted = document.blocked === undefined ? missing.map(([first]) => first) : firsts
    const kept = await guarded('reading descriptions', () => database.specs.find({ _id: { $in: wanted } }).toArray())
    // A page whose descriptions are gone was there, and its jobs were deleted since.
    const described = new Set(kept.map(({ _id }) => _id))
    const pages = missing.filter(([first]) => described.has(first))
    const texts: string[] = []
    for (const { _id, s } of kept) for (const [at, text] of s.entries()) texts[_id + at - document.first] = text
    const awaited = document.blocked === undefined ? new Set<JobId>() : awaitedIn(texts, document.first)
    const made = { document: { ...document, pages }, texts, awaited }
    await makePages(options, [made])
    await awaitExternal(options, made)
    await guarded('closing a submission', () =>
      database.submissions.updateOne({ _id: document._id }, { $unset: { open: '' } }),
    )
  }
}
