/**
 * Why nothing is made for a task queue: one line per cause, with the queues that it blocks.
 *
 * Only explains; decides nothing. An operator, or the explanation of a waiting job, finds every queue with waiting jobs
 * either in a line that makes VMs for it or in one of these.
 */

import type { Block } from './headroom.ts'
import type { Growth } from './growth.ts'
import type { CloudView, FleetView, BlockedLine, BlockedReason } from './fleet.ts'
import type { OpenQueue } from './placement.ts'
import type { ClassId } from '../kernel/ids.ts'
import { ruleOutcomes, type RuleOutcome } from '../language/rules.ts'
import { placeOf, roomOf } from '../model/vm.ts'

/** The closest offering is named for this number of queues; listing outcomes is slow beside applying the rules. */
const maxNamed = 20

type Draft = {
  why: BlockedReason
  cloud?: string
  reason: string
  queues: ClassId[]
  jobs: number
  byVo: Record<string, number>
}

export function blockedLines(queues: readonly OpenQueue[], { blocked }: Growth, view: FleetView): readonly BlockedLine[] {
  const drafts = new Map<string, Draft>()
  const add = ({ why, cloud, reason }: Omit<Block, 'cloud'> & { cloud?: string }, open: OpenQueue, jobs: number): void => {
    const key = JSON.stringify([why, cloud, reason])
    const draft = drafts.get(key) ?? { why, cloud, reason, queues: [], jobs: 0, byVo: {} }
    drafts.set(key, draft)
    draft.queues.push(open.queue.id)
    draft.jobs += jobs
    draft.byVo[open.queue.vo] = (draft.byVo[open.queue.vo] ?? 0) + jobs
  }
  let named = 0
  for (const open of queues) {
    if (open.free > 0) add({ why: 'covered', reason: 'free room on active VMs' }, open, open.free)
    if (open.coming > 0) add({ why: 'covered', reason: 'VMs on their way' }, open, open.coming)
    if (open.soon > 0) add({ why: 'covered', reason: 'running jobs that may end soon' }, open, open.soon)
    if (open.left === 0) continue
    const blocks = blocked.get(open) ?? []
    for (const block of distinct(blocks)) add(block, open, open.left)
    if (blocks.length > 0) continue
    const nearest = named < maxNamed ? nearestText(open, view.clouds) : ''
    named += 1
    add({ why: 'no-fit', reason: nearest === '' ? 'no offering fits' : `no offering fits; ${nearest}` }, open, open.left)
  }
  return [...drafts.values()].map((draft) => ({ kind: 'hold', ...draft }))
}

function distinct(blocks: readonly Block[]): readonly Block[] {
  return [...new Map(blocks.map((block) => [JSON.stringify([block.cloud, block.why, block.reason]), block])).values()]
}

/** The offering that breaks the fewest rules, and which. */
function nearestText({ queue }: OpenQueue, clouds: readonly CloudView[]): string {
  let nearest: { readonly name: string; readonly broken: readonly RuleOutcome[] } | undefined
  for (const { name, offerings, lifeMs, bootMs } of clouds) {
    for (const offering of offerings) {
      const rules = ruleOutcomes(queue, placeOf(offering), roomOf(offering, lifeMs - bootMs))
      const broken = rules.filter(({ holds }) => !holds)
      if (!nearest || broken.length < nearest.broken.length) nearest = { name: `${name}/${offering.flavor}`, broken }
    }
  }
  if (!nearest) return 'there are no offerings'
  const texts = nearest.broken.map(({ rule, wanted, offered }) => `${rule} wanted ${wanted}, offered ${offered}`)
  return `nearest is ${nearest.name}: ${texts.join('; ')}`
}
