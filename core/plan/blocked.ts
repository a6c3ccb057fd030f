/**
 * Why nothing is made for a task queue: one line per cause, with the queues that it blocks.
 *
 * Only explains; decides nothing. An operator, or the explanation of a waiting job, finds every queue with waiting jobs
 * either in a line that makes VMs for it or in one of these.
 */

import type { Cause, ClosestOffering } from './cause.ts'
import type { Growth } from './growth.ts'
import type { Block } from './headroom.ts'
import type { CloudView, FleetView, BlockedLine } from './fleet.ts'
import type { OpenQueue } from './placement.ts'
import type { ClassId } from '../kernel/ids.ts'
import { byCloseness, ruleOutcomes } from '../language/rules.ts'
import { offeredBy, offeredRoom } from '../model/cloud.ts'
import { placeOf } from '../model/vm-place.ts'

/** The closest offering is named for this number of queues; listing outcomes is slow beside applying the rules. */
const maxNamed = 20

type Draft = {
  cloud?: string
  cause: Cause
  queues: ClassId[]
  jobs: number
  byVo: Record<string, number>
}

export function blockedLines(queues: readonly OpenQueue[], { blocked }: Growth, view: FleetView): readonly BlockedLine[] {
  const drafts = new Map<string, Draft>()
  const add = (cause: Cause, open: OpenQueue, jobs: number, cloud?: string): void => {
    const key = JSON.stringify([cloud, cause])
    const draft = drafts.get(key) ?? { cloud, cause, queues: [], jobs: 0, byVo: {} }
    drafts.set(key, draft)
    draft.queues.push(open.queue.id)
    draft.jobs += jobs
    draft.byVo[open.queue.vo] = (draft.byVo[open.queue.vo] ?? 0) + jobs
  }
  let named = 0
  for (const open of queues) {
    if (open.free > 0) add({ why: 'covered', by: 'free' }, open, open.free)
    if (open.coming > 0) add({ why: 'covered', by: 'coming' }, open, open.coming)
    if (open.soon > 0) add({ why: 'covered', by: 'soon' }, open, open.soon)
    if (open.left === 0) continue
    const blocks = blocked.get(open) ?? []
    for (const { cause, cloud } of distinct(blocks)) add(cause, open, open.left, cloud)
    if (blocks.length > 0) continue
    const closest = named < maxNamed ? closestOffering(open, view.clouds) : undefined
    named += 1
    add({ why: 'no-fit', closest }, open, open.left)
  }
  return [...drafts.values()].map((draft) => ({ kind: 'hold', ...draft }))
}

function distinct(blocks: readonly Block[]): readonly Block[] {
  return [...new Map(blocks.map((block) => [JSON.stringify([block.cloud, block.cause]), block])).values()]
}

function closestOffering({ queue }: OpenQueue, clouds: readonly CloudView[]): ClosestOffering | undefined {
  let closest: ClosestOffering | undefined
  for (const { name, offerings, lifeMs, bootMs } of clouds) {
    for (const offering of offerings) {
      const rules = ruleOutcomes(queue, placeOf(offering), offeredRoom(offeredBy(offering, { lifeMs, bootMs })))
      const broken = rules.filter(({ holds }) => !holds)
      if (!closest || byCloseness(broken, closest.broken) < 0) closest = { cloud: name, flavor: offering.flavor, broken }
    }
  }
  return closest
}
