/** The invariants of ARCHITECTURE.md section 5, by name, and the first of them that was seen broken in a run. */

import type { About, Trace } from './trace.ts'

export const invariants = {
  jobKept: '1 an acknowledged job is never lost',
  oneLease: '2 at most one live lease a job',
  oneAttempt: '2 an attempt number is given once and started once',
  oldReport: '2 a report from an old attempt never changes the job',
  onePayload: '2 two payloads of one job never run at once',
  leaseInView: '2 a pilot stops its payload before its lease ends',
  endFinal: '3 an end is final, and reported once',
  moves: '3 every state moves',
  early: 'a job starts after the jobs that it waits for have ended as it asks, and fails for none that still may',
  vmRecord: '4 no VM without an intent, no intent without an end, deletes are confirmed',
  leaked: '4 no machine is left that no live record stands for',
  doubled: '4 no second machine for one VM by our own asking, and none that stays',
  limits: '5 limits are never exceeded',
  quota: '5 no machine is requested beyond the quota that the cloud reported',
  image: '5 no machine is made from an image that may not be used',
  busyVm: '6 a busy VM is never stopped by scale-down, and a stopping one is given nothing',
  sameKey: '7 the same key gets the first answer',
  charged: '9 usage is charged exactly once per attempt',
  accounted: '9 each attempt and each VM has one usage record, and the sums are those of the records',
  counts: '8 what the store counts is what it has',
  useless: 'no more useless VMs per offering and hour than the breaker lets through',
  unfit: 'no VM that says that it is of no use is given jobs for long',
  held: 'no resource is held by what has ended',
  noBug: '8 nothing is swallowed: no assertion failed, no step threw',
} as const

export type Invariant = keyof typeof invariants

export type Violation = {
  readonly invariant: Invariant
  readonly about: About
  readonly what: string
  readonly story: readonly string[]
}

export type Violations = {
  /** Only the first is kept: what follows it may follow from it. */
  report(invariant: Invariant, about: About, what: string): void
  /** Reports unless it holds. */
  check(holds: boolean, invariant: Invariant, about: About, what: () => string): void
  first(): Violation | undefined
}

const storyLines = 30

export function openViolations(trace: Trace): Violations {
  let first: Violation | undefined
  const report = (invariant: Invariant, about: About, what: string): void => {
    trace.note(about, `VIOLATION of ${invariants[invariant]}: ${what}`)
    first ??= { invariant, about, what, story: trace.story(about, storyLines) }
  }
  return {
    report,
    check(holds, invariant, about, what) {
      if (!holds) report(invariant, about, what())
    },
    first: () => first,
  }
}
