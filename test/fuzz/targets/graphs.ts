/**
 * Dependencies within a submission, as a document writes them, and output files and their patterns.
 *
 * A graph that is accepted has no circle, as a walk by hand finds it. A path of a sandbox stays below its directory. A
 * pattern matches what a regular expression of the same meaning matches.
 */

import { posix } from 'node:path'
import { gatherViolations } from '../../../core/kernel/violations.ts'
import { resolveDependencies } from '../../../core/language/dependency-graph.ts'
import { dependencies } from '../../../core/language/dependency-field.ts'
import { isOutput, outputPatternProblem } from '../../../core/language/output-patterns.ts'
import { clashingPaths, sandboxPathProblem } from '../../../core/model/sandbox-file.ts'
import type { Refuse } from '../../../core/language/field-types.ts'
import type { Chance } from '../chance.ts'
import { type FuzzTarget, property } from '../target.ts'

type Line = { readonly name: string; readonly after: unknown }

function linesIn(input: string): readonly Line[] {
  try {
    const value = JSON.parse(input) as unknown
    if (!Array.isArray(value)) return []
    return value.map((one) => ({ name: String((one as Line | null)?.name ?? ''), after: (one as Line | null)?.after ?? [] }))
  } catch {
    return []
  }
}

function anyGraph(chance: Chance): string {
  const count = 1 + chance.below(chance.is(0.05) ? 300 : 12)
  const isForward = chance.is(0.5)
  const other = (at: number): unknown => {
    const index = isForward ? chance.below(Math.max(1, at)) : chance.below(count + 1)
    const when = chance.pick(['ok', 'ended', 'failed', 'never'])
    return chance.pick([`job-${index}`, { index, when }, 1 + chance.below(50), { job: 7, when: 'ended' }])
  }
  const jobs = Array.from({ length: count }, (_, at) => ({
    name: chance.is(0.9) ? `job-${at}` : 'same',
    after: at === 0 && isForward ? [] : chance.some(4, () => other(at)),
  }))
  return JSON.stringify(jobs)
}

const field = dependencies()

const graph: FuzzTarget = {
  name: 'graph',
  maxBytes: 32 * 1024,
  seeds: [
    '[{"name":"a","after":[]},{"name":"b","after":["a"]}]',
    '[{"name":"a","after":["b"]},{"name":"b","after":[{"index":0}]}]',
  ],
  words: ['"after":', '{"index":0,"when":"ok"}', '"job-1"', '"when":"failed"'],
  make: anyGraph,
  run(input) {
    const lines = linesIn(input)
    if (lines.length === 0) return 0
    const wrong = gatherViolations()
    const refuse: Refuse = (...refused) => wrong.add(...refused)
    const jobs = lines.map(({ name, after }, at) => {
      const path = `jobs[${at}].after`
      return { name, after: field.check(field.read(after, path, refuse) ?? [], path, refuse) }
    })
    const resolved = resolveDependencies(jobs, (at) => `jobs[${at}].after`, refuse)
    wrong.settle('reading a graph')
    for (const start of resolved.keys()) property(!isReached(resolved, start), `job ${start} does not wait for itself`)
    return resolved.length
  },
}

/** Whether a job waits for itself, by whatever way. */
function isReached(jobs: readonly { readonly after?: readonly object[] }[], start: number): boolean {
  const seen = new Set<number>()
  const open = [start]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const one of jobs[at]?.after ?? []) {
      if (!('offset' in one)) continue
      const next = at + Number(one.offset)
      if (next === start) return true
      if (!seen.has(next)) open.push(next)
      seen.add(next)
    }
  }
  return false
}

const names = ['a', 'b.txt', '..', '.', '', 'out-*', '**', '?', 'é', 'a\\b', ' ']
const anyPath = (chance: Chance): string => [chance.pick(names), ...chance.some(4, () => chance.pick(names))].join('/')

const paths: FuzzTarget = {
  name: 'sandbox-path',
  maxBytes: 8 * 1024,
  seeds: ['a/b\nc', 'out/**/*.root\nout/a/b.root', '../a\n/etc/passwd'],
  words: ['../', '/..', './', '//', '\\', '**', '*', '\u0000'],
  make: (chance) => [anyPath(chance), ...chance.some(5, () => anyPath(chance))].join('\n'),
  run(input) {
    const [first = '', ...others] = input.split('\n')
    const good = [first, ...others].filter((path) => sandboxPathProblem(path) === undefined)
    for (const path of good) {
      const place = posix.join('/sandbox', path)
      property(place.startsWith('/sandbox/') && place === `/sandbox/${path}`, `${JSON.stringify(path)} stays where it is`)
    }
    const clash = clashingPaths(good)
    if (clash) property(clash[1] === clash[0] || clash[1].startsWith(`${clash[0]}/`), 'paths that clash do so')
    if (outputPatternProblem(first) !== undefined) return good.length > 0 ? 1 : 0
    for (const path of good) property(isOutput([first], path) === expected(first, path), `${first} of ${path}`)
    return 1
  },
}

const maxStars = 5

/** The same meaning by a regular expression that goes back: only for patterns of few stars, or it never ends. */
function expected(pattern: string, path: string): boolean {
  const stars = pattern.match(/\*+/g)?.length ?? 0
  if (stars > maxStars || pattern.length + path.length > 60) return isOutput([pattern], path)
  const parts = pattern.replace(/\/$/, '').split('/')
  const whole = parts.at(-1) === '**' ? [...parts, '*'] : parts
  const text = whole.map((name, at) => {
    if (name === '**') return '(?:[^/]+/)*'
    const own = name
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replace(/\*+/g, '[^/]*')
      .replaceAll('?', '[^/]')
    return at < whole.length - 1 ? `${own}/` : own
  })
  return new RegExp(`^${text.join('')}(?:/|$)`, 'su').test(path)
}

export const graphTargets: readonly FuzzTarget[] = [graph, paths]
