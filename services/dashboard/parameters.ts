/** What a request may ask with: one JSON schema a parameter, shared by pages and JSON routes. Unknown ones are refused. */

import { type JobStateName, jobStates } from '../../core/model/job.ts'
import { jobLimits, page } from '../../core/kernel/limits.ts'

const name = { type: 'string', maxLength: jobLimits.nameInListLength } as const
const positive = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER } as const
const natural = { ...positive, minimum: 0 } as const
/** A form sends its empty fields too: nothing chosen. */
const state = { type: 'string', enum: ['', ...jobStates] } as const

const only = <Properties>(properties: Properties) => ({ type: 'object', additionalProperties: false, properties }) as const

export const jobIdParams = only({ id: positive })
export type JobIdParams = { id: number }

export const vmIdParams = only({ id: { type: 'string', maxLength: 20 } as const })
export type VmIdParams = { id: string }

export const limitQuery = only({ limit: { ...positive, maximum: page.max, default: page.default } })
export type LimitQuery = { limit: number }

export const vmsQuery = only({
  ended: { type: 'boolean', default: false } as const,
  limit: { ...positive, maximum: page.max, default: page.default },
})
export type VmsQuery = { ended: boolean; limit: number }

export const vmsPageQuery = only({
  ended: { type: 'string', enum: ['', '1'], default: '' } as const,
  skip: { ...natural, maximum: 100_000, default: 0 },
})
export type VmsPageQuery = { ended: string; skip: number }

export const factsQuery = only({
  after: { ...natural, minimum: -1, default: -1 },
  limit: { ...positive, maximum: page.max, default: page.default },
})
export type FactsQuery = { after: number; limit: number }

export const eventsQuery = only({ after: natural })
export type EventsQuery = { after?: number }

export const jobsQuery = only({
  state,
  vo: name,
  owner: name,
  before: positive,
  limit: { ...positive, maximum: page.max, default: page.default },
})
export type JobsQuery = { state?: JobStateName | ''; vo?: string; owner?: string; before?: number; limit: number }

export const jobsPageQuery = only({ state, vo: name, owner: name, before: positive })
export type JobsPageQuery = Omit<JobsQuery, 'limit'>
