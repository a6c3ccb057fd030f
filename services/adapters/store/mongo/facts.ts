/**
 * Facts and notes. Facts of jobs and VMs lie in their own documents, written with the change that they explain; all others
 * lie in a collection of their own. The order of all of them is made by the collector.
 */

import { type Clock, sleep } from '../../../../core/kernel/clock.ts'
import { type Fact, type FactData, newFact, type NewFact, type Subject } from '../../../../core/model/fact-shapes.ts'
import type { JobId } from '../../../../core/kernel/ids.ts'
import type { FactStore } from '../../../../core/ports/store.ts'
import type { Random } from '../../../../core/kernel/random.ts'
import { type Database, type FactsDocument, guarded, type SubmissionDocument } from './database.ts'
import { emittedFactDocuments } from './emitted-facts.ts'
import { openNotes } from './notes.ts'
import { type Story, type StoryEntry, unpacked } from './job-text.ts'
import type { PageCache } from './page-cache.ts'

/** How long a reader waits until the collector has seen what this process wrote. Another process may just take the role. */
const caughtUpWithinMs = 2000
const lookEveryMs = 10

export function submissionFact({ first, n, at, vo, grp, own }: SubmissionDocument): NewFact & { readonly atMs: number } {
  const data = { vo, group: grp, owner: own, firstId: first, count: n }
  return { ...newFact('submission', `submission:${first}`, 'Submitted', data), atMs: at }
}

export function openFacts(database: Database, cache: PageCache, clock: Clock, random: Random): FactStore {
  const { emittedFacts, vms, facts, submissions } = database

  async function storyOf(subject: Subject): Promise<Story> {
    const [kind, id = ''] = subject.split(':', 2)
    if (kind === 'job') {
      const page = (await cache.ofJobs([Number(id) as JobId])).get(Number(id) as JobId)
      const [read] = page ? await cache.read([page.first]) : []
      return read?.jobs.get(Number(id) as JobId)?.story ?? []
    }
    const vm = await guarded('reading a VM', () => vms.findOne({ _id: id }, { projection: { story: 1 } }))
    return (vm?.story ?? []).map((text) => JSON.parse(text) as StoryEntry)
  }

  async function emittedFactsOf(subject: Subject, limit: number): Promise<readonly Fact[]> {
    const found = await guarded('reading facts', () => emittedFacts.find({ subject }).sort({ n: -1 }).limit(limit).toArray())
    return found
      .reverse()
      .map(({ n, at, kind, data }) => ({ seq: n, atMs: at, subject, kind, data: JSON.parse(data) as FactData }))
  }

  return {
    async emit(news, nowMs) {
      if (news.length === 0) return
      await guarded('writing facts', () => emittedFacts.insertMany(emittedFactDocuments(news, nowMs, random)))
    },
    async history(subject, limit) {
      if (subject.startsWith('submission:')) {
        const first = Number(subject.slice('submission:'.length))
        const known = await guarded('reading a submission', () => submissions.findOne({ first }))
        return known ? [{ seq: 1, ...submissionFact(known) }] : []
      }
      if (!subject.startsWith('job:') && !subject.startsWith('vm:')) return emittedFactsOf(subject, limit)
      const story = (await storyOf(subject)).map(([, atMs, kind, data]) => ({ atMs, subject, kind, data }))
      // Alarms of a VM explain no change of it, and lie beside its story.
      const beside = subject.startsWith('vm:') ? await emittedFactsOf(subject, limit) : []
      return merged(story, beside)
        .slice(-limit)
        .map(({ atMs, kind, data }, at) => ({ seq: at + 1, atMs, subject, kind, data }))
    },
    async facts(afterSeq, limit) {
      await caughtUp(database, clock)
      if (afterSeq < 0) {
        const last: Fact[] = []
        for await (const document of facts.find({}, { sort: { _id: -1 }, batchSize: 4 })) {
          last.unshift(...factsIn(document))
          if (last.length >= limit) break
        }
        return last.slice(-limit)
      }
      const from = await guarded('reading facts', () =>
        facts.findOne({ _id: { $lte: afterSeq + 1 } }, { sort: { _id: -1 }, projection: { _id: 1 } }),
      )
      const found: Fact[] = []
      for await (const document of facts.find({ _id: { $gte: from?._id ?? 0 } }, { sort: { _id: 1 }, batchSize: 4 })) {
        found.push(...factsIn(document).filter(({ seq }) => seq > afterSeq))
        if (found.length >= limit) break
      }
      return found.slice(0, limit)
    },
    ...openNotes(database, random),
  }
}

type UnnumberedFact = Omit<Fact, 'seq'>

/**
 * By time, and each of the two in its own order: several processes write at once, and their times are not quite in order.
 */
function merged(story: readonly UnnumberedFact[], beside: readonly UnnumberedFact[]): readonly UnnumberedFact[] {
  const all: UnnumberedFact[] = []
  let at = 0
  for (const fact of beside) {
    while (at < story.length && (story[at]?.atMs ?? 0) <= fact.atMs) all.push(story[at++] as UnnumberedFact)
    all.push(fact)
  }
  return [...all, ...story.slice(at)]
}

function factsIn({ facts }: FactsDocument): Fact[] {
  return unpacked(facts) as Fact[]
}

/** Resolves when the collector has seen everything that this process wrote, at the latest after `caughtUpWithinMs`. */
export async function caughtUp({ facts, lastFactWrite }: Database, clock: Clock): Promise<void> {
  const wanted = lastFactWrite()
  const endMs = clock.monotonicMs() + caughtUpWithinMs
  while (wanted && clock.monotonicMs() < endMs) {
    const last = await guarded('reading facts', () => facts.findOne({}, { sort: { _id: -1 }, projection: { time: 1 } }))
    if (last?.time.greaterThanOrEqual(wanted)) return
    await sleep(clock, lookEveryMs)
  }
}
