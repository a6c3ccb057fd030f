/**
 * How many jobs wait, are held or are blocked, by owner and by VO, and in how many task queues: kept in step with every
 * change, so that a quota is asked without a look at jobs.
 */

import type { Owner } from '../../../../core/model/owner.ts'
import type { WaitingUse } from '../../../../core/model/quota.ts'

export type OpenJobs = {
  /** The number of jobs of the task queue that wait or are held changes by `by`, which may be negative. */
  moved(owner: Owner, queue: string, by: number): void
  useOf(owner: Owner): WaitingUse
  useOfVo(vo: string): WaitingUse
  /** Whether a job of it waits or is held. */
  has(queue: string): boolean
}

type Use = { jobs: number; taskQueues: number }

export function openJobs(): OpenJobs {
  const queues = new Map<string, number>()
  const owners = new Map<string, Use>()
  const vos = new Map<string, Use>()

  function add(uses: Map<string, Use>, key: string, jobs: number, taskQueues: number): void {
    const use = uses.get(key) ?? { jobs: 0, taskQueues: 0 }
    use.jobs += jobs
    use.taskQueues += taskQueues
    if (use.jobs === 0) uses.delete(key)
    else uses.set(key, use)
  }

  const copy = (use: Use | undefined): WaitingUse => ({ jobs: use?.jobs ?? 0, taskQueues: use?.taskQueues ?? 0 })

  return {
    moved(owner, queue, by) {
      const before = queues.get(queue) ?? 0
      const after = before + by
      if (after === 0) queues.delete(queue)
      else queues.set(queue, after)
      const taskQueues = Number(after > 0) - Number(before > 0)
      add(owners, keyOf(owner), by, taskQueues)
      add(vos, owner.vo, by, taskQueues)
    },
    useOf: (owner) => copy(owners.get(keyOf(owner))),
    useOfVo: (vo) => copy(vos.get(vo)),
    has: (queue) => queues.has(queue),
  }
}

function keyOf({ vo, group, owner }: Owner): string {
  return JSON.stringify([vo, group, owner])
}
