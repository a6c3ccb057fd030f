import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import { jobLimits } from '../../../core/kernel/limits.ts'
import { findCycle, resolveDependencies } from '../../../core/language/dependency-graph.ts'
import type { Dependency } from '../../../core/model/dependency.ts'

const clock = systemClock()

type Job = { readonly name: string; readonly after?: readonly Dependency[] }

const name = (of: string): Dependency => ({ name: of, when: 'ok' })
const index = (of: number): Dependency => ({ index: of, when: 'ended' })
const id = (of: number): Dependency => ({ job: of as JobId, when: 'failed' })
const job = (of: string, ...after: readonly Dependency[]): Job => ({ name: of, after })

function resolve(...jobs: readonly Job[]) {
  const refusals: string[] = []
  const resolved = resolveDependencies(
    jobs,
    (at) => `jobs[${at}].after`,
    (path, value, rule) => void refusals.push(`${path}: ${String(value)}: ${rule}`),
  )
  return { resolved: resolved.map(({ after }) => after), refusals }
}

describe('names and positions', () => {
  it('become distances, a name one for each job that has it, and ids stay', () => {
    const { resolved, refusals } = resolve(job('a'), job('b', index(0), id(7)), job('a'), job('c', name('a'), name('b')))
    expect(refusals).toEqual([])
    expect(resolved[1]).toEqual([
      { offset: -1, when: 'ended' },
      { job: 7, when: 'failed' },
    ])
    expect(resolved[3]).toEqual([
      { offset: -3, when: 'ok' },
      { offset: -1, when: 'ok' },
      { offset: -2, when: 'ok' },
    ])
  })

  it('may name jobs that come later, and leave a list without dependencies as it is', () => {
    expect(resolve(job('a', name('b')), job('b')).resolved[0]).toEqual([{ offset: 1, when: 'ok' }])
    const jobs = [job('a'), { name: 'b' }]
    expect(resolveDependencies(jobs, String, () => undefined)).toBe(jobs)
  })

  it.each<[string, readonly Job[], string]>([
    [
      'an unknown name',
      [job('prepare'), job('b', name('prepar'))],
      'jobs[1].after[0]: prepar: no job of this submission has this name',
    ],
    ['a position beyond', [job('a', index(1))], 'jobs[0].after[0]: 1: no job of this submission has this position'],
    ['itself by name', [job('a', name('a'))], 'jobs[0].after[0]: a: waits for itself'],
    ['itself by position', [job('x'), job('a', index(1))], 'jobs[1].after[0]: 1: waits for itself'],
    ['itself among others of its name', [job('a'), job('a', name('a'))], 'jobs[1].after[0]: a: waits for itself'],
    ['the same twice', [job('a'), job('b', name('a'), index(0))], 'jobs[1].after[1]: 0: waits for the same job twice'],
    ['the same id twice', [job('b', id(5), id(5))], 'jobs[0].after[1]: 5: waits for the same job twice'],
    [
      'a circle of two',
      [job('a', name('b')), job('b', name('a'))],
      'jobs[0].after: jobs[0] (a) -> jobs[1] (b) -> jobs[0]: a circle: none of these jobs could ever start',
    ],
  ])('are refused for %s', (_, jobs, refusal) => {
    expect(resolve(...jobs).refusals).toEqual([refusal])
  })

  it('are bounded for a job and for all of them, before they are spread out', () => {
    const many = Array.from({ length: jobLimits.dependencies + 1 }, () => job('many'))
    expect(resolve(...many, job('b', name('many'))).refusals).toEqual([`jobs[1001].after[0]: many: stands for 1001 jobs`])
    const half = Array.from({ length: 1000 }, () => job('half'))
    const waiting = Array.from({ length: 101 }, () => job('b', name('half')))
    expect(resolve(...half, ...waiting).refusals).toEqual(['jobs[1100].after: 101000 dependencies up to here: too many'])
    expect(resolve(...half, ...waiting.slice(1)).refusals).toEqual([])
  })
})

/** By a depth-first look from each job, without any care for time. */
function isInCircle(edges: readonly (readonly number[])[]): boolean {
  const reaches = (from: number, to: number, seen: ReadonlySet<number>): boolean =>
    (edges[from] ?? []).some((on) => on === to || (!seen.has(on) && reaches(on, to, new Set([...seen, on]))))
  return edges.some((_, at) => reaches(at, at, new Set([at])))
}

const anyGraph = fc
  .integer({ min: 1, max: 7 })
  .chain((size) =>
    fc.array(fc.uniqueArray(fc.nat({ max: size - 1 }), { maxLength: 3 }), { minLength: size, maxLength: size }),
  )

describe('circles', () => {
  it('are found exactly where there are any, and each job of one waits for the next', () => {
    let circles = 0
    fc.assert(
      fc.property(anyGraph, (edges) => {
        const cycle = findCycle(edges)
        expect(cycle !== undefined).toBe(isInCircle(edges))
        if (!cycle) return
        circles += 1
        expect(new Set(cycle).size).toBe(cycle.length)
        for (const [at, from] of cycle.entries()) expect(edges[from]).toContain(cycle[(at + 1) % cycle.length])
      }),
    )
    expect(circles).toBeGreaterThan(0)
  })

  it('of ten thousand jobs are found without a deep stack, and shown in short', () => {
    const size = 10_000
    const ring = Array.from({ length: size }, (_, at) => job(`j${at}`, index((at + 1) % size)))
    const [refusal = ''] = resolve(...ring).refusals
    expect(refusal).toContain('-> jobs[19] (j19) -> 9980 more -> jobs[0]')
    const chain = ring.map((one, at) => (at === size - 1 ? job('end') : one))
    expect(resolve(...chain).refusals).toEqual([])
  })

  it('are searched in time linear in what there is', () => {
    const size = 10_000
    const wide = Array.from({ length: size }, (_, at) => (at < 10 ? [] : Array.from({ length: 10 }, (__, on) => on)))
    const begin = clock.monotonicMs()
    expect(findCycle(wide)).toBeUndefined()
    expect(clock.monotonicMs() - begin).toBeLessThan(2000)
  })
})
