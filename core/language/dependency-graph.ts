/**
 * The dependencies of all jobs of one submission together: names and positions become distances between its jobs, and what
 * can never work is refused: an unknown name, a job that waits for itself, a circle. Linear in jobs and dependencies, and
 * without recursion: a chain may be as long as a submission.
 *
 * Whether a job that is named by its id exists is not asked here.
 */

import { jobLimits } from '../kernel/limits.ts'
import type { Dependency } from '../model/dependency.ts'
import { nearest } from '../kernel/violations.ts'
import type { Refuse } from './field-types.ts'

type Waiting = { readonly name: string; readonly after?: readonly Dependency[] }

/** The jobs that a refusal of a circle names. */
const maxShown = 20

/**
 * The same jobs with what a store keeps: ids, and distances within the submission. `pathOf`: how the way in names a job's
 * field. The answer is good only where nothing was refused; it is the list itself where no job waits for another.
 */
export function resolveDependencies<Job extends Waiting>(
  jobs: readonly Job[],
  pathOf: (index: number) => string,
  refuse: Refuse,
): readonly Job[] {
  if (!jobs.some(({ after }) => after && after.length > 0)) return jobs
  let count = 0
  let isWrong = false
  const noted: Refuse = (...refused) => {
    isWrong = true
    refuse(...refused)
  }
  const namesOf = indexesByName(jobs)
  const edges: (readonly number[])[] = []
  const resolved: Job[] = []
  for (const [at, job] of jobs.entries()) {
    const found = resolveOne(at, job.after ?? [], { namesOf, jobs: jobs.length, path: pathOf(at), refuse: noted })
    count += found.length
    if (count > jobLimits.dependenciesPerCall) {
      const accepted = `at most ${jobLimits.dependenciesPerCall} in all jobs of a submission, each job of a name counted`
      refuse(pathOf(at), `${count} dependencies up to here`, 'too many', accepted)
      return jobs
    }
    edges.push(found.flatMap((one) => ('offset' in one ? [at + one.offset] : [])))
    resolved.push(found.length > 0 ? { ...job, after: found } : job)
  }
  if (isWrong) return jobs
  const cycle = findCycle(edges)
  if (cycle)
    refuse(pathOf(cycle[0] ?? 0), shownCycle(cycle, jobs), 'a circle: none of these jobs could ever start', 'no circle')
  return resolved
}

type Place = {
  readonly namesOf: ReadonlyMap<string, readonly number[]>
  readonly jobs: number
  readonly path: string
  readonly refuse: Refuse
}

function resolveOne(
  at: number,
  after: readonly Dependency[],
  { namesOf, jobs, path, refuse }: Place,
): readonly Dependency[] {
  const found: Dependency[] = []
  const seen = new Set<string>()
  const add = (one: Dependency, value: unknown, field: string): void => {
    const key = 'job' in one ? `${one.job}` : 'offset' in one ? `+${one.offset}` : ''
    if (seen.has(key)) refuse(field, value, 'waits for the same job twice', 'each job once')
    seen.add(key)
    found.push(one)
  }
  for (const [place, one] of after.entries()) {
    const field = `${path}[${place}]`
    if ('job' in one) {
      add(one, one.job, field)
      continue
    }
    if ('offset' in one) throw new Error('assertion failed: no caller names a job by its distance')
    const { when } = one
    const [value, indexes] = 'index' in one ? [one.index, [one.index]] : [one.name, namesOf.get(one.name)]
    if (!indexes) {
      const meant = nearest(String(value), [...namesOf.keys()].slice(0, maxCandidates))
      const accepted = meant === undefined ? 'the name of a job of the same submission' : `${meant}, perhaps`
      refuse(field, value, 'no job of this submission has this name', accepted)
    } else if (indexes.some((index) => index >= jobs)) {
      refuse(field, value, 'no job of this submission has this position', `a whole number from 0 to ${jobs - 1}`)
    } else if (indexes.includes(at)) refuse(field, value, 'waits for itself', 'other jobs')
    else if (indexes.length > jobLimits.dependencies - found.length) {
      refuse(field, value, `stands for ${indexes.length} jobs`, `at most ${jobLimits.dependencies} dependencies per job`)
    } else for (const index of indexes) add({ offset: index - at, when }, value, field)
  }
  return found
}

/** Names that a wrong one is compared with. */
const maxCandidates = 100

function indexesByName(jobs: readonly Waiting[]): ReadonlyMap<string, readonly number[]> {
  const known = new Map<string, number[]>()
  for (const [at, { name }] of jobs.entries()) {
    const indexes = known.get(name)
    if (indexes) indexes.push(at)
    else known.set(name, [at])
  }
  return known
}

/** `edges[i]`: the jobs that job i waits for. A circle in its order, each waiting for the next; undefined: there is none. */
export function findCycle(edges: readonly (readonly number[])[]): readonly number[] | undefined {
  // Jobs whose dependencies are all taken away are taken away, until none is left or all that are left wait in circles.
  const open = edges.map((on) => on.length)
  const dependants: number[][] = edges.map(() => [])
  for (const [at, on] of edges.entries()) for (const index of on) dependants[index]?.push(at)
  const free = open.flatMap((count, at) => (count === 0 ? [at] : []))
  for (let next = free.pop(); next !== undefined; next = free.pop()) {
    for (const at of dependants[next] ?? []) {
      open[at] = (open[at] ?? 0) - 1
      if (open[at] === 0) free.push(at)
    }
  }
  const start = open.findIndex((count) => count > 0)
  if (start < 0) return undefined
  // Each job that is left waits for one that is left: the way from any of them runs into a circle.
  const places = new Map<number, number>()
  const way: number[] = []
  let at = start
  while (!places.has(at)) {
    places.set(at, way.length)
    way.push(at)
    at = edges[at]?.find((index) => (open[index] ?? 0) > 0) ?? start
  }
  return way.slice(places.get(at))
}

function shownCycle(cycle: readonly number[], jobs: readonly Waiting[]): string {
  const shown = cycle.slice(0, maxShown).map((at) => `jobs[${at}] (${jobs[at]?.name})`)
  const rest = cycle.length > maxShown ? [`${cycle.length - maxShown} more`] : []
  return [...shown, ...rest, `jobs[${cycle[0]}]`].join(' -> ')
}
