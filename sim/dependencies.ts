/**
 * Jobs that wait for others, as users of a run submit them, and what the auditor holds against them: a job never starts
 * before the jobs that it waits for have ended as it asks, and never fails for one that may still do so.
 *
 * Shares no rule with core/model/dependency.ts: it says again, from the outside, what each condition asks for.
 */

import type { JobId } from '../core/kernel/ids.ts'
import type { RawSpec } from '../core/language/check.ts'
import type { Dependency } from '../core/model/dependency.ts'
import type { Dice } from './dice.ts'
import { isHopeless } from './payload.ts'

/** What a job waits for, by the id of the other job. */
export type Awaited = ReadonlyMap<number, Dependency['when']>

const conditions = ['ok', 'ok', 'ended', 'failed'] as const
/** Most jobs wait for no other; a few wait for several. */
const waitingShare = 0.15
const maxAwaited = 3

/** Some jobs wait for jobs before them, or for these that were there before. None waits for one that can never run. */
export function withDependencies(dice: Dice, jobs: readonly RawSpec[], others: readonly JobId[]): readonly RawSpec[] {
  return jobs.map((job, at) => {
    if (!dice.chance(waitingShare)) return job
    const after = new Map<string, Dependency>()
    for (let left = dice.whole(1, maxAwaited); left > 0; left -= 1) {
      const when = dice.pick(conditions)
      const index = dice.whole(0, Math.max(0, at - 1))
      const other = others[dice.whole(0, Math.max(0, others.length - 1))]
      if (other !== undefined && dice.chance(0.3)) after.set(`job ${other}`, { job: other, when })
      else if (at > 0 && !mayNeverRun(jobs[index])) after.set(`index ${index}`, { index, when })
    }
    return after.size === 0 ? job : { ...job, after: [...after.values()] }
  })
}

function mayNeverRun(job: RawSpec | undefined): boolean {
  const { requirements } = job ?? {}
  const { cores, tags, sites, clouds, ...wishes } = requirements ?? {}
  return !cores || !tags || !sites || !clouds || isHopeless({ ...wishes, cores, tags, sites, clouds })
}

/** Of a stored description. */
export function awaitedIn(after: readonly Dependency[] | undefined, id: number): Awaited {
  return new Map(
    (after ?? []).map((one) => {
      if ('job' in one) return [one.job, one.when] as const
      if ('offset' in one) return [id + one.offset, one.when] as const
      throw new Error(`assertion failed: job ${id} is stored with a dependency that names no job`)
    }),
  )
}

/** open: it may still be met. */
export function standingOf(when: Dependency['when'], state: string | undefined): 'met' | 'never' | 'open' {
  const isOver = state === 'Done' || state === 'Failed' || state === 'Killed'
  if (!isOver) return 'open'
  const wanted = { ok: ['Done'], ended: ['Done', 'Failed', 'Killed'], failed: ['Failed', 'Killed'] }[when]
  return wanted.includes(state) ? 'met' : 'never'
}
