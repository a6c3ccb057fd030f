/** Explanations of jobs on the wire, and as a client reads them: data beside the texts that are made of it. */

import type { RuleOutcome } from '../../core/language/rule.ts'
import type { BlockingReason, Cause } from '../../core/plan/cause.ts'
import * as wire from '../gen/pilotage/v1/job.ts'
import type { DependencyCondition } from '../../core/model/dependency.ts'
import type { JobStateName } from '../../core/model/job.ts'
import { blockedCauseEnum, dependencyConditionEnum, findingEnum, jobStateEnum, placeNoteEnum } from './enums.ts'
import { limitOfWire, limitToWire } from './limits.ts'
import { timeMs, timeOf } from './times.ts'

type Explanation = {
  readonly summary: string
  readonly finding: Partial<Omit<wire.Finding, 'kind' | 'reserveTime' | 'awaited'>> & {
    readonly kind: (typeof findingEnum.words)[number]
    readonly reservedMs?: number
    readonly first?: readonly AwaitedJob[]
  }
  readonly classDifferences: readonly wire.ClassDifference[]
  readonly blocked: readonly BlockedCloud[]
  readonly places: readonly (Pick<wire.Explanation, 'place' | 'fits' | 'note' | 'cloud' | 'flavor' | 'image'> & {
    readonly rules: readonly RuleOutcome[]
    readonly noteKind?: (typeof placeNoteEnum.words)[number]
    readonly vmId?: string
  })[]
}

type AwaitedJob = { readonly job: number; readonly when: DependencyCondition; readonly state: JobStateName | undefined }

type BlockedCloud = {
  readonly cloud: string
  readonly cause: Cause & { readonly why: BlockingReason }
  readonly reason: string
}

export function explanationToWire(from: Explanation): wire.ExplainJobResponse {
  const { summary, finding, classDifferences, blocked, places } = from
  const { reservedMs, first = [], ...found } = finding
  const reserveTime = timeOf(reservedMs)
  return {
    summary,
    finding: wire.Finding.fromPartial({
      ...found,
      kind: findingEnum.number(found.kind),
      reserveTime,
      awaited: first.map(awaitedToWire),
    }),
    classDifferences: [...classDifferences],
    blocked: blocked.map(({ cloud, cause, reason }) => {
      return { cloud, cause: blockedCauseEnum.number(cause.why), reason, limit: limitToWire(cause) }
    }),
    places: places.map(({ rules, noteKind, vmId = '', ...place }) => {
      const note = noteKind === undefined ? wire.PlaceNote.UNSPECIFIED : placeNoteEnum.number(noteKind)
      return { ...place, rules: [...rules], noteKind: note, vmId }
    }),
  }
}

function awaitedToWire({ job, when, state }: AwaitedJob): wire.AwaitedJob {
  const known = state === undefined ? wire.JobState.UNSPECIFIED : jobStateEnum.number(state)
  return { jobId: job, when: dependencyConditionEnum.number(when), state: known }
}

function awaitedOfWire({ when, state, jobId }: wire.AwaitedJob) {
  return { jobId, when: dependencyConditionEnum.word(when) ?? '', state: jobStateEnum.word(state) ?? '' }
}

const emptyFinding = wire.Finding.fromPartial({})

/** Empty words for what this version does not know, and for what an older service does not say. */
export function explanationOfWire({ finding = emptyFinding, blocked, places, ...rest }: wire.ExplainJobResponse) {
  const { reserveTime, awaited, ...found } = finding
  return {
    ...rest,
    finding: {
      ...found,
      kind: findingEnum.word(finding.kind) ?? '',
      reservedMs: timeMs(reserveTime),
      awaited: awaited.map(awaitedOfWire),
    },
    blocked: blocked.map(({ cause, limit, ...one }) => {
      return { ...one, cause: blockedCauseEnum.word(cause) ?? '', limit: limitOfWire(limit) }
    }),
    places: places.map(({ noteKind, ...place }) => ({ ...place, noteKind: placeNoteEnum.word(noteKind) ?? '' })),
  }
}
