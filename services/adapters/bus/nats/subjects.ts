/**
 * What an installation's things are called in NATS. Every subject begins with `pilotage.<installation>`, so that
 * installations may share one NATS and an operator may grant each its own part; the stream is called after it too.
 */

import { PilotageError, shown } from '../../../../core/kernel/errors.ts'
import type { Fact } from '../../../../core/model/fact-shapes.ts'
import type { HintKind } from '../../../../core/ports/bus.ts'

/** What NATS takes in a subject, in the name of a stream and in that of a consumer. */
const token = /^[A-Za-z0-9_-]{1,64}$/

/** Throws `invalid-argument` for what cannot be a name in NATS. */
export function checkToken(path: string, value: string): void {
  if (token.test(value)) return
  const violation = { path, value: shown(value), rule: 'not a name for NATS', accepted: 'up to 64 letters, digits, _ and -' }
  throw new PilotageError('invalid-argument', `${path} cannot be a name in NATS`, { violations: [violation] })
}

export function hintSubject(installation: string, kind: HintKind): string {
  return `pilotage.${installation}.hint.${kind}`
}

/** By what it is about: `...fact.job`, `...fact.vm`, `...fact.cloud`, `...fact.image`, `...fact.submission`. */
export function factSubject(installation: string, { subject }: Pick<Fact, 'subject'>): string {
  return `pilotage.${installation}.fact.${subject.slice(0, subject.indexOf(':'))}`
}

export function allFacts(installation: string): string {
  return `pilotage.${installation}.fact.*`
}

export function streamName(installation: string): string {
  return `${installation}-facts`
}

/** The same fact has the same id for ever: a reader that gets one twice knows it by this. */
export function factId(installation: string, { seq }: Pick<Fact, 'seq'>): string {
  return `${installation}:${seq}`
}
