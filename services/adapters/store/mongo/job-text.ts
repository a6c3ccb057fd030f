/**
 * How jobs lie in the document of their page: one field with the jobs, one line of JSON per job, and one field with their
 * stories, both deflated. A list reads only the first field, and of each line only its head until the head passes.
 *
 * Pure. What an earlier version wrote is read as well: one line with all jobs, and each story in the text of its job.
 */

import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { Binary } from 'mongodb'
import type { JobId } from '../../../../core/kernel/ids.ts'
import { earlierCounts } from '../../../../core/model/earlier-job.ts'
import type { FactData, NewFact } from '../../../../core/model/fact-shapes.ts'
import { isWithin, type JobCursor, type JobFilter, type LeasePlace, passes } from '../../../../core/model/job-filter.ts'
import type { Job, Phase } from '../../../../core/model/job.ts'
import type { Needs } from '../../../../core/model/requirements.ts'
import { type PlacedJob, placeOf } from './list-summary.ts'

/** A fact in the story of a job or VM: the version that it came with, and what it says. */
export type StoryEntry = readonly [version: number, atMs: number, kind: string, data: FactData]
export type Story = readonly StoryEntry[]

/** The last of them are kept: a job can be held and released for ever. */
const maxStoryEntries = 100

export type KeptJob = PlacedJob & {
  readonly story: Story
  /** The job as it lies in its page, without its story; and the story. */
  readonly text: string
  readonly storyText: string
}

type JobText = [
  id: number,
  name: string,
  maxAttempts: number,
  submittedMs: number,
  changedMs: number,
  attempt: number,
  site: string,
  phase: Phase,
  /** Not empty: an earlier version wrote it. */
  story: Story,
  needs?: Needs | null,
  /** Absent: as `earlierCounts` says. */
  losses?: readonly [machineLosses: number, max: number] | null,
  /** Absent: that of its page. */
  priority?: number,
  cloud?: string,
  /** Absent: no job waits for it. */
  awaited?: number,
  reschedules?: number,
]

/** What all jobs of a page have in common. */
export type AlikeFields = Pick<Job, 'vo' | 'group' | 'owner' | 'classId' | 'priority' | 'jobGroup' | 'jobType'>

function listedOf(text: JobText, alike: AlikeFields): PlacedJob {
  const [id, name, maxAttempts, submittedMs, changedMs, attempt, site, phase, , needs, losses, ...later] = text
  const [priority = alike.priority, cloud = '', awaited, reschedules] = later
  const counts = losses ? { machineLosses: losses[0], maxMachineLosses: losses[1] } : earlierCounts(maxAttempts)
  const kept = { ...alike, id: id as JobId, name, priority, maxAttempts, ...counts, submittedMs, changedMs, attempt, phase }
  const counted = reschedules === undefined ? kept : { ...kept, reschedules }
  const job = { ...counted, ...(needs ? { needs } : {}), ...(awaited ? { awaited } : {}) }
  return { job, place: { site, cloud } }
}

/** With its texts, which are made once and lie in every later version of the page. */
export function keptJob(job: Job, place: LeasePlace, story: Story): KeptJob {
  const { site, cloud } = place
  const { id, name, priority, maxAttempts, submittedMs, changedMs, attempt, phase, needs, awaited, reschedules } = job
  const text: JobText = [id, name, maxAttempts, submittedMs, changedMs, attempt, site, phase, []]
  const { machineLosses, maxMachineLosses } = job
  const known = earlierCounts(maxAttempts)
  const hasKnown = machineLosses === known.machineLosses && maxMachineLosses === known.maxMachineLosses
  text.push(needs ?? null, hasKnown ? null : [machineLosses, maxMachineLosses], priority)
  if (cloud !== '' || awaited !== undefined || reschedules !== undefined) text.push(cloud)
  if (awaited !== undefined || reschedules !== undefined) text.push(awaited ?? 0)
  if (reschedules !== undefined) text.push(reschedules)
  return { job, place, story, text: JSON.stringify(text), storyText: storyTextOf(id, story) }
}

function storyTextOf(id: JobId, story: Story): string {
  return story.length === 0 ? '' : JSON.stringify([id, story])
}

export function withFact(story: Story, version: number, atMs: number, { kind, data }: NewFact): Story {
  const entry: StoryEntry = [version, atMs, kind, data]
  return story.length < maxStoryEntries ? [...story, entry] : [...story.slice(1 - maxStoryEntries), entry]
}

/** All jobs of a page: a tenth of their size, and the server's work goes by size. */
export function packedJobs(jobs: Iterable<KeptJob>): Binary {
  return packedLines(Array.from(jobs, ({ text }) => text))
}

export function packedStories(jobs: Iterable<KeptJob>): Binary {
  return packedLines(Array.from(jobs, ({ storyText }) => storyText).filter((text) => text !== ''))
}

export function packed(json: string): Binary {
  return new Binary(deflateRawSync(json, { level: 1 }))
}

export function unpacked(binary: Binary): unknown {
  return JSON.parse(inflated(binary))
}

/** Jobs are packed to an eighth or more, and a full page has some 60 KB: most are inflated in one piece. */
const expandedTimes = 8
const [minChunkBytes, maxChunkBytes] = [1024, 64 * 1024]

function inflated({ buffer }: Binary): string {
  const chunkSize = Math.max(minChunkBytes, Math.min(maxChunkBytes, expandedTimes * buffer.length))
  return inflateRawSync(buffer, { chunkSize }).toString()
}

/** JSON as a whole, so that every version can read it. No line of JSON holds a line break. */
function packedLines(texts: readonly string[]): Binary {
  return packed(texts.length === 0 ? '[]' : `[\n${texts.join(',\n')}\n]`)
}

/** The JSON texts of a packed list, and whether an earlier version wrote it: as one line. */
function textsIn(list: Binary): { readonly texts: readonly string[]; readonly isEarlier: boolean } {
  const json = inflated(list)
  if (json.startsWith('[\n')) return { texts: json.slice(2, -2).split(',\n'), isEarlier: false }
  const all = JSON.parse(json) as unknown[]
  return { texts: all.map((one) => JSON.stringify(one)), isEarlier: all.length > 0 }
}

const noStory = { story: [], storyText: '' }

/** The jobs of a page with their stories, and whether an earlier version wrote them: with the stories among the jobs. */
export function keptIn(jobs: Binary, stories: Binary | undefined, alike: AlikeFields) {
  const apart = new Map<number, { readonly story: Story; readonly storyText: string }>()
  for (const storyText of stories ? textsIn(stories).texts : []) {
    const [id, story] = JSON.parse(storyText) as [id: number, story: Story]
    apart.set(id, { story, storyText })
  }
  const { texts, isEarlier } = textsIn(jobs)
  const kept = texts.map((line): KeptJob => {
    const text = JSON.parse(line) as JobText
    const [id, , , , , , , , within] = text
    const known = apart.get(id) ?? noStory
    const listed = listedOf(text, alike)
    if (within.length === 0) return { ...listed, ...known, text: line }
    // A process of an earlier version may have written after one of this version: what it added comes later.
    return keptJob(listed.job, listed.place, [...known.story, ...within])
  })
  return { kept, isEarlier }
}

/** Id, name, times of submission and change, site and state: what a list can decide by before it parses a whole line. */
const head = /^\[(\d+),("(?:[^"\\]|\\.)*"),\d+,(\d+),(\d+),\d+,("(?:[^"\\]|\\.)*"),\{"state":"(\w+)"/

/**
 * Jobs of a page that pass the filter and that are wanted by their id and time of change, each with its place as a filter
 * means it. Where the head of a line says that its job is none of them, the line is not parsed: most are not.
 */
export function listedIn(
  jobs: Binary,
  alike: AlikeFields,
  filter: JobFilter,
  isWanted: (cursor: JobCursor) => boolean,
): readonly PlacedJob[] {
  const mayBeListed = headTest(filter, isWanted)
  return textsIn(jobs)
    .texts.filter(mayBeListed)
    .map((line) => listedOf(JSON.parse(line) as JobText, alike))
    .map((listed) => ({ ...listed, place: placeOf(listed) }))
    .filter(({ job, place }) => passes(job, place, filter) && isWanted(job))
}

function headTest(filter: JobFilter, isWanted: (cursor: JobCursor) => boolean): (line: string) => boolean {
  const { name, site, states, submittedFromMs, submittedToMs, changedFromMs, changedToMs } = filter
  const nameText = name === undefined ? undefined : JSON.stringify(name)
  // A job without a lease is nowhere, whatever its text says.
  const siteText = site ? JSON.stringify(site) : undefined
  const wantedStates: ReadonlySet<string> | undefined = states && new Set(states)
  return (line) => {
    const found = head.exec(line)
    // The state is not the first field of its phase: the whole line decides.
    if (!found) return true
    const [, id, ownName, submitted, changed, ownSite, state = ''] = found
    if (wantedStates && !wantedStates.has(state)) return false
    if (nameText !== undefined && nameText !== ownName) return false
    if (siteText !== undefined && siteText !== ownSite) return false
    const changedMs = Number(changed)
    if (!isWithin(changedMs, changedFromMs, changedToMs)) return false
    if (!isWithin(Number(submitted), submittedFromMs, submittedToMs)) return false
    return isWanted({ id: Number(id) as JobId, changedMs })
  }
}
