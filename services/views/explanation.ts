/** An explanation of a job for every edge: its data, flat for each place, with the texts that are made of them. */

import { bytesText, durationText } from '../../core/kernel/quantities.ts'
import { counted } from '../../core/kernel/text.ts'
import { requirementFields } from '../../core/language/fields.ts'
import { ruleText } from '../../core/language/rule.ts'
import { causeText } from '../../core/plan/cause-text.ts'
import type { ClassDifference, Explained, Finding, Place, PlaceExplanation, PlaceNote } from '../jobs/explanation.ts'
import type { Blocked } from '../jobs/ports.ts'

export type ExplanationView = Pick<Explained, 'finding'> & {
  /** One readable line. */
  readonly summary: string
  /** `rule`: as in the rules of the places. */
  readonly classDifferences: readonly { readonly rule: string; readonly own: number; readonly ofClass: number }[]
  /** `reason`: one readable line. */
  readonly blocked: readonly (Blocked & { readonly reason: string })[]
  readonly places: readonly PlaceView[]
}

export type PlaceView = Pick<PlaceExplanation, 'fits' | 'rules'> & {
  /** vm vm-... (Active, CLOUD/FLAVOR, REF), or offering CLOUD/FLAVOR/IMAGE. */
  readonly place: string
  /** What else is to be known about it; empty: nothing. */
  readonly note: string
  readonly noteKind?: PlaceNote['kind']
  /** Absent for an offering. */
  readonly vmId?: string
  readonly cloud: string
  readonly flavor: string
  readonly image: string
}

export function explanationView(explained: Explained): ExplanationView {
  const { finding, classDifferences, blocked, places } = explained
  return {
    summary: summaryText(explained),
    finding,
    classDifferences: classDifferences.map(({ requirement, ...sizes }) => ({ rule: ruleOf(requirement), ...sizes })),
    blocked: blocked.map((one) => ({ ...one, reason: causeText(one.cause) })),
    places: places.map(placeView),
  }
}

function placeView({ place, fits, rules, note }: PlaceExplanation): PlaceView {
  const { cloud, flavor, image } = place
  const vmId = place.kind === 'vm' ? place.vmId : undefined
  return { place: placeText(place), fits, rules, note: noteText(note), noteKind: note?.kind, vmId, cloud, flavor, image }
}

export function summaryText({ jobId, state, finding, classDifferences, blocked }: Omit<Explained, 'places'>): string {
  const first = `job ${jobId} ${findingText(finding, state)}`
  return [first, classText(classDifferences), blockedClouds(blocked)].filter((text) => text !== '').join('; ')
}

function findingText(finding: Finding, state: Explained['state']): string {
  switch (finding.kind) {
    case 'forgotten':
      return `is ${state}: its specification is not stored any more`
    case 'never-started':
      return `is ${state}: it never started`
    case 'runs':
      return `is ${state}: attempt ${finding.attempt} runs on ${finding.vmId} with ${counted(finding.cores, 'core')}`
    case 'ran':
      return `is ${state}: attempt ${finding.attempt} ran last on ${finding.vmId} with ${counted(finding.cores, 'core')}`
    case 'held':
      return `is Held: ${finding.why}${finding.waitsFor ? `; it also waits for ${counted(finding.waitsFor, 'job')}` : ''}`
    case 'blocked':
      return `is Blocked: it waits for ${awaitedText(finding)}`
    case 'no-place':
      return `waits: no cloud is configured and no VM exists; ${aheadText(finding)}`
    case 'no-fit': {
      const closest = `${placeText(finding.closest)} (${finding.broken.map(ruleText).join('; ')})`
      return `cannot run: no VM or offering satisfies its requirements; closest: ${closest}`
    }
    case 'waits-for-turn': {
      const { vmsWithRoom } = finding
      const have = vmsWithRoom === 1 ? 'has' : 'have'
      return `waits for its turn: ${counted(vmsWithRoom, 'VM')} ${have} room for it; ${aheadText(finding)}`
    }
    case 'waits-for-reserved': {
      const { vmId, reservedMs, freeCores, cores } = finding
      const kept = `VM ${vmId} keeps its room for this task queue since ${new Date(reservedMs).toISOString()}`
      return `waits for room: ${kept}, and ${freeCores} of ${counted(cores, 'core')} are free; ${aheadText(finding)}`
    }
    case 'waits-for-room': {
      const { busyVms, comingVms } = finding
      return `waits for room: VMs that suit it: ${busyVms} up and busy, ${comingVms} coming; ${aheadText(finding)}`
    }
  }
}

function awaitedText({ waitsFor, first }: Extract<Finding, { kind: 'blocked' }>): string {
  const jobs = first.map(({ job, when, state }) => `job ${job} (when ${when}, is ${state ?? 'not stored any more'})`)
  const more = waitsFor - first.length
  return [...jobs, ...(more > 0 ? [`${more} more`] : [])].join(', ')
}

function aheadText({ jobsAhead, hasMoreAhead }: Extract<Finding, { jobsAhead: number }>): string {
  const jobs = jobsAhead === 0 ? 'no job' : counted(jobsAhead, 'job')
  return `${hasMoreAhead ? `more than ${jobs}` : jobs} before it in its task queue`
}

/** Differences that look the same in print are left out. */
function classText(differences: readonly ClassDifference[]): string {
  const texts = differences.flatMap(({ requirement, own, ofClass }) => {
    const show = requirement === 'memoryBytes' || requirement === 'diskBytes' ? bytesText : durationText
    return show(own) === show(ofClass) ? [] : [`${ruleOf(requirement)} ${show(own)} as ${show(ofClass)}`]
  })
  return texts.length === 0 ? '' : `it queues with similar jobs: ${texts.join(', ')}`
}

function ruleOf(requirement: ClassDifference['requirement']): string {
  if (requirement === 'wallMs') return 'wall time'
  return requirement === 'cpuWorkMs' ? 'CPU work' : requirementFields[requirement].name
}

/** How many clouds the summary names. */
const maxBlockedClouds = 5

function blockedClouds(blocked: readonly Blocked[]): string {
  if (blocked.length === 0) return ''
  const clouds = blocked.slice(0, maxBlockedClouds).map((one) => `${one.cloud} (${blockedText(one)})`)
  const more = blocked.length > maxBlockedClouds ? ` and ${blocked.length - maxBlockedClouds} more` : ''
  return `the last plan makes no VM for it on ${clouds.join(', ')}${more}`
}

function blockedText({ cause }: Blocked): string {
  return `${cause.why}: ${causeText(cause)}`
}

export function placeText(place: Place): string {
  const { cloud, flavor } = place
  switch (place.kind) {
    case 'vm': {
      const { vmId, state, ref } = place
      return `vm ${vmId} (${state}, ${cloud}/${flavor}${ref === '' ? '' : `, ${ref}`})`
    }
    case 'offering':
      return `offering ${cloud}/${flavor}/${place.image}`
  }
}

export function noteText(note: PlaceNote | undefined): string {
  switch (note?.kind) {
    case undefined:
      return ''
    case 'busy':
      return 'busy: it fits when running jobs have ended'
    case 'reserved': {
      const { sinceMs, freeCores, cores } = note
      const since = new Date(sinceMs).toISOString()
      return `keeps its room for this task queue since ${since}; ${freeCores} of ${counted(cores, 'core')} are free`
    }
    case 'reserved-for-others':
      return 'keeps its room for another task queue'
    case 'blocked':
      return `blocked by the plan: ${note.by.map(blockedText).join('; ')}`
    case 'whole-vm':
      return 'the whole VM, as it was when the job was matched'
  }
}
