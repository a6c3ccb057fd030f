/**
 * What waits, read for a plan: all task queues, a slice at a time, so that what users ask of the store in this time waits
 * for one slice at most. A plan needs no single moment: a task queue that changes while others are read is seen by the next
 * plan.
 */

import { queuesPerSlice } from '../../core/kernel/limits.ts'
import type { JobStore } from '../../core/ports/store.ts'
import type { QueueCount } from '../../core/model/task-queue.ts'

export async function readQueues(store: Pick<JobStore, 'queues'>): Promise<readonly QueueCount[]> {
  const all: QueueCount[] = []
  for (let after = ''; ; ) {
    const slice = await store.queues({ after, limit: queuesPerSlice })
    all.push(...slice)
    const last = slice.at(-1)
    if (slice.length < queuesPerSlice || !last) return all
    after = last.queue.id
  }
}
