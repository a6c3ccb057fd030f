/**
 * What becomes of each mutant: the test files that run its place are run on it, the likeliest and quickest first, until one
 * fails.
 *
 * Of a test file that takes long only the tests that run the place are run. A failure there counts once the same tests have
 * passed without the mutant: tests that depend on others before them, or on time, prove nothing.
 */

import { type Coverage, quickMs, type TestFile } from './cover.ts'
import type { Answer, Host } from './hosts.ts'
import { applied, type Mutant } from './mutants.ts'
import { pointOf } from './points.ts'

export type State = 'killed' | 'timeout' | 'survived' | 'uncovered'

export type Verdict = { readonly mutant: Mutant; readonly state: State; readonly by: string }

type Trial = { readonly test: TestFile; readonly ids?: readonly string[]; readonly costMs: number }

/** Of tests per mutant, by the time that they took when coverage was read. Beyond, it counts as survived. */
const maxTrialsMs = 60_000
/** A loaded machine is slow at times; a mutant that loops is not waited for longer than needed. */
const minLimitMs = 10_000
/** A worker's start, which each test file has. */
const startMs = 300

export function openJudge(
  sources: readonly string[],
  { points, tests }: Coverage,
  textOf: (file: string) => string,
  limitMs = minLimitMs,
): { judge: (host: Host, mutant: Mutant) => Promise<Verdict>; trialsFor: (mutant: Mutant) => readonly Trial[] } {
  const usable = tests.filter(({ isUsable }) => isUsable)
  const kills = new Map<string, number>()
  const steady = new Map<string, boolean>()

  function trialsFor(mutant: Mutant): readonly Trial[] {
    const index = sources.indexOf(mutant.file)
    const point = `${index}:${pointOf(points[index] ?? [], mutant)}`
    const weight = ({ test, costMs }: Trial): number => {
      const known = kills.get(`${mutant.file} ${test.path}`) ?? 0
      return (costMs * closeness(mutant.file, test.path)) / (1 + known)
    }
    const trials = usable.flatMap((test): readonly Trial[] => {
      const which = test.covered.get(point)
      if (which === undefined) return []
      const { only } = test
      const ids = which === 'all' ? only : which.filter((id) => only?.includes(id) !== false)
      if (ids === undefined) return [{ test, costMs: startMs + test.ms }]
      return ids.length === 0 ? [] : [{ test, ids, costMs: startMs + (test.ms * ids.length) / Math.max(1, test.tests) }]
    })
    return trials.toSorted((a, b) => weight(a) - weight(b))
  }

  async function judge(host: Host, mutant: Mutant): Promise<Verdict> {
    const trials = trialsFor(mutant)
    if (trials.length === 0) return { mutant, state: 'uncovered', by: '' }
    const text = textOf(mutant.file)
    let spentMs = 0
    let state: State = 'survived'
    let by = ''
    for (const trial of trials) {
      spentMs += trial.costMs
      if (spentMs > maxTrialsMs && trial !== trials[0]) break
      host.write(mutant.file, applied(text, mutant))
      const answer = await attempt(host, trial)
      host.write(mutant.file, text)
      if (typeof answer !== 'string' && answer.isOk) continue
      if (!(await isSteady(host, trial, answer))) continue
      state = answer === 'timeout' ? 'timeout' : 'killed'
      by = trial.test.path
      break
    }
    if (by !== '') kills.set(`${mutant.file} ${by}`, (kills.get(`${mutant.file} ${by}`) ?? 0) + 1)
    return { mutant, state, by }
  }

  function attempt(host: Host, { test, ids }: Trial): Promise<Answer | 'timeout' | 'died'> {
    return host.run({ test: test.path, ...(ids ? { ids } : {}), isQuick: true }, limitMs + 4 * test.ms)
  }

  /** Whether the tests that failed pass without the mutant. Asked once per test for those that take long. */
  async function isSteady(host: Host, trial: Trial, answer: Answer | string): Promise<boolean> {
    const { test } = trial
    if (answer !== 'died' && (test.ms < quickMs || test.tests === 0)) return true
    const [failed] = typeof answer === 'string' ? [] : answer.failed
    const ids = trial.ids && failed !== undefined ? [failed] : undefined
    const key = `${test.path} ${ids?.[0] ?? ''}`
    // A host that died may have been ended from outside.
    const known = answer === 'died' ? undefined : steady.get(key)
    if (known !== undefined) return known
    const again = await attempt(host, { test, ...(ids ? { ids } : {}), costMs: 0 })
    const isOk = typeof again !== 'string' && again.isOk
    steady.set(key, isOk)
    return isOk
  }

  return { judge, trialsFor }
}

/** Test files named after the source or its folder are tried sooner. */
function closeness(file: string, test: string): number {
  const [name = '', folder = ''] = file.replace(/\.ts$/, '').split('/').toReversed()
  const testName = test.split('/').at(-1) ?? ''
  if (testName.startsWith(`${name}.`)) return 0.2
  return testName.includes(name) || test.includes(`/${folder}/`) || test.includes(`/${file.split('/')[0]}/`) ? 0.5 : 1
}
