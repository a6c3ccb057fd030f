/**
 * What the suite says at its end: what was reached and should not have been, what an expectation has wrong, and one line.
 */

import type { Reach } from './attack.ts'
import { type Expectation, expectations } from './expected.ts'

/** One attack on one kind, as far as a report needs it. */
export type Result = {
  readonly name: string
  /** Why it was not tried. */
  readonly notRun?: string
  readonly reaches: readonly Reach[]
}

export type ReportOptions = {
  readonly seconds: number
  /** A tool that is absent fails. */
  readonly requiresAll: boolean
  /** Only some attacks were asked for: nothing is said of the others. */
  readonly isPart: boolean
}

type Verdict = {
  readonly count: 'held' | 'allowed' | 'reached' | 'not-run'
  readonly notes: string[]
  readonly wrong: string[]
}

const nothing: Expectation = { whats: {}, reach: [], either: [] }

export function report(
  tried: ReadonlyMap<string, readonly Result[]>,
  { seconds, requiresAll, isPart }: ReportOptions,
  expected: Readonly<Record<string, Expectation>> = expectations,
): { readonly lines: readonly string[]; readonly wrong: readonly string[]; readonly tried: number; readonly ok: boolean } {
  const verdicts: Verdict[] = []
  const strangers: string[] = []
  for (const [kind, results] of tried) {
    const expectation = expected[kind] ?? nothing
    for (const result of results) verdicts.push(verdictOn(kind, result, expectation, requiresAll))
    const names = new Set(results.map(({ name }) => name))
    if (isPart) continue
    for (const name of [...expectation.reach, ...expectation.either, ...Object.keys(expectation.absent ?? {})]) {
      if (!names.has(name)) strangers.push(`test/hostile/expected.ts names ${name} under ${kind}, which is no attack`)
    }
  }
  const count = (what: Verdict['count']): string => `${what}=${verdicts.filter((one) => one.count === what).length}`
  const wrong = [...verdicts.flatMap((one) => one.wrong), ...strangers]
  const counts = (['held', 'allowed', 'reached', 'not-run'] as const).map(count).join(' ')
  const head = `hostile: kinds=${[...tried.keys()].join(',')} attacks=${verdicts.length} ${counts}`
  const line = `${head} wrong=${wrong.length} seconds=${seconds} result=${wrong.length === 0 ? 'ok' : 'NOT-OK'}`
  return {
    lines: [...verdicts.flatMap((one) => one.notes), ...wrong.map((text) => `error: ${text}`), line],
    wrong,
    tried: verdicts.filter((one) => one.count !== 'not-run').length,
    ok: wrong.length === 0,
  }
}

function verdictOn(kind: string, { name, notRun, reaches }: Result, expected: Expectation, requiresAll: boolean): Verdict {
  const whyAbsent = expected.absent?.[name]
  if (whyAbsent !== undefined) {
    const text = `${kind} ${name} has no meaning there: ${whyAbsent}`
    const untrue = `${name} was tried under ${kind}, although test/hostile/expected.ts lists it as absent`
    return { count: 'not-run', notes: [text], wrong: notRun === undefined ? [untrue] : [] }
  }
  if (notRun !== undefined) {
    const text = `${kind} ${name} was not run: ${notRun}`
    return { count: 'not-run', notes: [text], wrong: requiresAll ? [text] : [] }
  }
  const whats = [...new Set(reaches.map((reach) => reach.what))]
  const strange = whats.filter((what) => !(what in expected.whats))
  const isKnown = expected.reach.includes(name) || expected.either.includes(name)
  const passes = `let through by ${kind}: ${name}: ${whats.join(', ')}`
  if (strange.length > 0 && !isKnown) {
    const lines = strange.map((what) => {
      const evidence = reaches.find((reach) => reach.what === what)?.evidence ?? ''
      return `reached under ${kind}: ${name}: ${what}: ${shownEvidence(evidence)}`
    })
    return { count: 'reached', notes: [], wrong: lines }
  }
  if (strange.length === 0 && expected.reach.includes(name)) {
    const text = `no longer reached under ${kind}: ${name}; take it out of test/hostile/expected.ts`
    return { count: 'held', notes: [], wrong: [text] }
  }
  return whats.length > 0 ? { count: 'allowed', notes: [passes], wrong: [] } : { count: 'held', notes: [], wrong: [] }
}

/** A canary in a log would be found by the next search of the machine. */
export function shownEvidence(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/(cn4ry-[a-z-]+[.]\w{4})\w{12}/g, '$1...')
}
