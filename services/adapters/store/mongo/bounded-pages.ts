/**
 * Pages in the order of a list by change, by the changes of those of their jobs alone that can pass: the server looks at the
 * counts of each page (list-summary.ts). For lists of jobs that lie in pages whose other jobs changed since: in the index,
 * which knows the bounds of all jobs of a page together, such pages come long before their turn.
 */

import type { AggregationCursor, Document } from 'mongodb'
import { jobStates } from '../../../../core/model/job.ts'
import type { JobQuery } from '../../../../core/ports/store.ts'
import type { Database } from './database.ts'

/** `bound`: no job of it that passes comes before this time of change in the list. */
export type BoundedPage = { readonly _id: number; readonly last: number; readonly bound: number }

/** The first of them: bounds what the server sorts. */
export const maxBoundedPages = 20_000

/** Undefined: the filter says nothing that the counts know of some jobs of a page. */
export function boundedPages(
  { pages }: Pick<Database, 'pages'>,
  query: JobQuery,
  filter: Record<string, unknown>,
  batchSize: number,
): AggregationCursor<BoundedPage> | undefined {
  const { states, site, cloud, changedFromMs, changedToMs, order, after } = query
  const isSaid = [states, site, cloud, changedFromMs, changedToMs].some((value) => value !== undefined)
  if (order?.by !== 'change' || !isSaid) return undefined
  const { isDescending } = order
  const field = (at: number): Document => ({ $arrayElemAt: ['$$this', at] })
  // Of entries that an earlier version wrote, the bounds of the page.
  const first = { $ifNull: [field(4), '$c0'] }
  const last = { $ifNull: [field(5), '$c1'] }
  const tests: Document[] = [
    ...(states === undefined ? [] : [{ $in: [field(0), states.map((state) => jobStates.indexOf(state))] }]),
    ...(site === undefined ? [] : [{ $eq: [field(1), site] }]),
    ...(cloud === undefined ? [] : [{ $eq: [field(2), cloud] }]),
    ...(changedFromMs === undefined ? [] : [{ $gte: [last, changedFromMs] }]),
    ...(changedToMs === undefined ? [] : [{ $lt: [first, changedToMs] }]),
    ...(after === undefined ? [] : [isDescending ? { $lte: [first, after.changedMs] } : { $gte: [last, after.changedMs] }]),
  ]
  const passing = { $filter: { input: '$ct', cond: { $and: tests } } }
  // No job that passes is outside of the times that are asked for.
  const from = changedFromMs === undefined ? first : { $max: [first, changedFromMs] }
  const to = changedToMs === undefined ? last : { $min: [last, changedToMs - 1] }
  const bounds = { $map: { input: passing, as: 'this', in: isDescending ? to : from } }
  const direction = isDescending ? -1 : 1
  return pages.aggregate<BoundedPage>(
    [
      { $match: filter },
      { $project: { last: 1, bound: { [isDescending ? '$max' : '$min']: bounds } } },
      { $match: { bound: { $ne: null } } },
      { $sort: { bound: direction, _id: direction } },
      { $limit: maxBoundedPages },
    ],
    { batchSize },
  )
}
