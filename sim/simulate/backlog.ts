/**
 * The waiting jobs of a simulation by task queue, in the order in which a store gives them: by age. Stands for the store
 * where the waiting index reads on, and where the plan counts what waits.
 */

import type { ClassId, JobId } from '../../core/kernel/ids.ts'
import type { QueueCount, TaskQueue, WaitingJob } from '../../core/model/task-queue.ts'

export type Backlog = {
  add(queue: TaskQueue, job: WaitingJob): void
  remove(queue: TaskQueue, id: JobId): void
  next(classId: ClassId, limit: number): readonly WaitingJob[]
  /** Of the task queues with waiting jobs. */
  counts(): readonly QueueCount[]
  size(): number
}

/** `jobs` before `head` have left. Claims take the oldest, so most removals move the head alone. */
type Line = { readonly queue: TaskQueue; jobs: WaitingJob[]; head: number }

export function openBacklog(): Backlog {
  const lines = new Map<ClassId, Line>()
  let size = 0

  function lineOf(queue: TaskQueue): Line {
    const known = lines.get(queue.id)
    if (known) return known
    const made: Line = { queue, jobs: [], head: 0 }
    lines.set(queue.id, made)
    return made
  }

  return {
    add(queue, job) {
      const line = lineOf(queue)
      line.jobs.splice(placeOf(line, job.id), 0, job)
      size += 1
    },
    remove(queue, id) {
      const line = lineOf(queue)
      const at = placeOf(line, id)
      if (line.jobs[at]?.id !== id) throw new Error(`assertion failed: job ${id} does not wait`)
      if (at === line.head) line.head += 1
      else line.jobs.splice(at, 1)
      size -= 1
      if (line.head === line.jobs.length) lines.delete(queue.id)
      else if (line.head > 1024 && 2 * line.head > line.jobs.length) {
        line.jobs = line.jobs.slice(line.head)
        line.head = 0
      }
    },
    next(classId, limit) {
      const line = lines.get(classId)
      return line ? line.jobs.slice(line.head, line.head + limit) : []
    },
    counts() {
      return [...lines.values()].flatMap(({ queue, jobs, head }) => {
        const first = jobs[head]
        if (!first) return []
        const { priority: topPriority, submittedMs: oldestMs, needs } = first
        return [{ queue, waiting: jobs.length - head, topPriority, oldestMs, needs }]
      })
    },
    size: () => size,
  }
}

/** Where the job stands, or belongs. */
function placeOf({ jobs, head }: Line, id: JobId): number {
  const last = jobs.at(-1)
  if (head === jobs.length || (last && last.id < id)) return jobs.length
  let low = head
  let high = jobs.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((jobs[middle]?.id ?? Infinity) < id) low = middle + 1
    else high = middle
  }
  return low
}
