/**
 * The judges of the engines scenario. They read the store's own facts, the stream's, the payloads' files and what every
 * process has said, and ask of all of them together whether anything was lost, done twice, or held by two.
 *
 * lost     an acknowledged job that is not Done at the end, or Done without having run.
 * doubled  a job that no submission got, that ended twice, or whose payload ended twice though no attempt was lost.
 * twice    a job that was matched again while a lease lived, or an attempt that was started on two VMs.
 */

import type { Fact } from '../../core/model/fact-shapes.ts'
import type { Store } from '../../core/ports/store.ts'
import type { Life } from './engines-plant.ts'
import { type Run, readBook } from './kill-work.ts'
import { type Outcome, promised } from './scenario.ts'

export type Submitted = { readonly jobIds: readonly number[]; readonly book: string }

const endStates = new Set(['Done', 'Failed', 'Killed'])
const maxShown = 5

export async function readFactsOf(store: Store): Promise<readonly Fact[]> {
  const facts: Fact[] = []
  for (;;) {
    const more = await store.facts(facts.at(-1)?.seq ?? 0, 2000)
    if (more.length === 0) return facts
    for (const fact of more) facts.push(fact)
  }
}

export function auditWork(submitted: readonly Submitted[], facts: readonly Fact[]): Outcome {
  const stories = storiesOf(facts)
  const runs = new Map<number, Run[]>()
  for (const { book } of submitted)
    for (const run of readBook(book)) runs.set(run.jobId, [...(runs.get(run.jobId) ?? []), run])
  const known = new Set(submitted.flatMap(({ jobIds }) => jobIds))
  const lost: number[] = []
  const doubled: number[] = [...stories.keys(), ...runs.keys()].filter((id) => !known.has(id))
  const twice: number[] = []
  let reruns = 0
  for (const id of known) {
    const story = stories.get(id) ?? []
    const ran = runs.get(id) ?? []
    const ends = story.filter(({ kind }) => endStates.has(kind))
    if (story.at(-1)?.kind !== 'Done' || !ran.some(({ what }) => what === 'end')) lost.push(id)
    const attempts = new Set(ran.map(({ attempt }) => attempt)).size
    if (ends.length > 1) doubled.push(id)
    reruns += Math.max(0, attempts - 1)
    if (wasHeldTwice(story) || startedTwice(ran)) twice.push(id)
  }
  return {
    figures: { lost: lost.length, doubled: doubled.length, twice: twice.length, reruns },
    shortfalls: [
      ...promised(known.size === submitted.reduce((sum, { jobIds }) => sum + jobIds.length, 0), 'two jobs have one id'),
      ...promised(lost.length === 0, `lost: ${some(lost, stories)}`),
      ...promised(doubled.length === 0, `doubled: ${some(doubled, stories)}`),
      ...promised(twice.length === 0, `held twice: ${some(twice, stories)}`),
    ],
  }
}

function storiesOf(facts: readonly Fact[]): ReadonlyMap<number, readonly Fact[]> {
  const stories = new Map<number, Fact[]>()
  for (const fact of facts) {
    if (!fact.subject.startsWith('job:')) continue
    const id = Number(fact.subject.slice(4))
    const story = stories.get(id)
    if (story) story.push(fact)
    else stories.set(id, [fact])
  }
  return stories
}

/** Matched, and matched once more before anything ended the first. */
function wasHeldTwice(story: readonly Fact[]): boolean {
  let isHeld = false
  for (const { kind } of story) {
    if (kind === 'Matched' && isHeld) return true
    if (kind === 'Matched') isHeld = true
    else if (kind === 'Waiting' || endStates.has(kind)) isHeld = false
  }
  return false
}

function startedTwice(runs: readonly Run[]): boolean {
  const starts = runs.filter(({ what }) => what === 'start').map(({ attempt }) => attempt)
  return new Set(starts).size !== starts.length
}

function some(ids: readonly number[], stories: ReadonlyMap<number, readonly Fact[]>): string {
  const shown = ids.slice(0, maxShown).map((id) => `${id} (${(stories.get(id) ?? []).map(({ kind }) => kind).join(' ')})`)
  return `${ids.length}: ${shown.join('; ')}`
}

type Belief = { readonly by: string; readonly role: string; readonly fromMs: number; readonly toMs: number }

/** When each process took itself for the holder of a cloud: no two of these times may meet. */
export function auditHolders(lives: readonly Life[], facts: readonly Fact[]): Outcome {
  const beliefs = lives.flatMap(beliefsOf).toSorted((a, b) => a.fromMs - b.fromMs)
  const meeting = beliefs.flatMap((one, at) =>
    beliefs
      .slice(at + 1)
      .filter((other) => other.role === one.role && other.by !== one.by && other.fromMs < one.toMs)
      .map((other) => `${one.role}: ${one.by} until ${one.toMs}, ${other.by} from ${other.fromMs}`),
  )
  const fences = facts.filter(({ kind }) => kind === 'role taken').map(({ data }) => Number(data.fence))
  const isRising = fences.every((fence, at) => at === 0 || fence > (fences[at - 1] ?? 0))
  return {
    figures: { takeovers: fences.length },
    shortfalls: [
      ...promised(meeting.length === 0, `a cloud was held by two at once: ${meeting.slice(0, maxShown).join('; ')}`),
      ...promised(isRising, `the fences of a cloud do not rise: ${fences.join(' ')}`),
      ...promised(fences.length > 0, 'no process ever held the cloud'),
    ],
  }
}

type Turn = { readonly time: number; readonly role?: string; readonly turn?: string; readonly fence?: number }

function beliefsOf({ name, text, endedMs }: Life, life: number): readonly Belief[] {
  const beliefs: Belief[] = []
  const open = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (!line.includes('"role":"cloud:')) continue
    const { time, role = '', turn } = JSON.parse(line) as Turn
    const fromMs = open.get(role)
    if (turn === 'taken' || turn === 'sure') open.set(role, fromMs ?? time)
    else if (fromMs !== undefined) {
      beliefs.push({ by: `${name} (life ${life})`, role, fromMs, toMs: time })
      open.delete(role)
    }
  }
  for (const [role, fromMs] of open) beliefs.push({ by: `${name} (life ${life})`, role, fromMs, toMs: endedMs })
  return beliefs
}

/** Every fact of the store stands on the stream, by its number. */
export function auditStream(facts: readonly Fact[], streamed: ReadonlySet<number>): Outcome {
  const missing = facts.filter(({ seq }) => !streamed.has(seq))
  return {
    figures: { facts: facts.length, unstreamed: missing.length },
    shortfalls: promised(
      missing.length === 0,
      `facts that are not on the stream: ${missing
        .slice(0, maxShown)
        .map(({ seq }) => seq)
        .join(' ')}`,
    ),
  }
}
