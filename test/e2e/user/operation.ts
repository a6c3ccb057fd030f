/**
 * One operation of the user scenario: what it needs, how it is typed, and what each caller is answered. Whether a refusal is
 * the right one is said here, and not read from the table of actions that the service itself decides by.
 */

import type { Action } from '../../../core/access/actions.ts'
import type { jobStates } from '../../../core/model/job.ts'
import type { Ran } from '../../support/run-command.ts'
import type { Caller, CallerName } from './callers.ts'
import type { Workshop } from './workshop.ts'

export type Answer = 'ok' | 'forbidden' | 'not-found'

/** By how far the operation reaches. */
export const expectations = {
  /** The owner and operators; members of the VO may know of the job. */
  owner: { self: 'ok', other: 'forbidden', stranger: 'not-found', operator: 'ok' },
  /** Everyone of the VO, and operators. */
  vo: { self: 'ok', other: 'ok', stranger: 'not-found', operator: 'ok' },
  /** Each for what is theirs. */
  own: { self: 'ok', other: 'ok', stranger: 'ok', operator: 'ok' },
  /** The owner and operators: a filter selects nothing of others. */
  selected: { self: 'ok', other: 'not-found', stranger: 'not-found', operator: 'ok' },
  operators: { self: 'forbidden', other: 'forbidden', stranger: 'forbidden', operator: 'ok' },
  admins: { self: 'forbidden', operator: 'forbidden', admin: 'ok' },
} as const satisfies Readonly<Record<string, Partial<Record<CallerName, Answer>>>>

export type Operation = {
  readonly name: string
  readonly actions: readonly Action[]
  readonly reach: keyof typeof expectations
  /** Calls it once, with something made for this call, and says what came of it. */
  attempt(workshop: Workshop, caller: Caller): Promise<Attempted>
}

/** `wrong`: what an allowed call should have shown and did not; empty: nothing. */
export type Attempted = { readonly answer: Answer | `exit ${string}`; readonly wrong: string }

/** The answer of a command, as its exit code and its words have it. */
export function answerOf({ code, out, err }: Ran): Attempted['answer'] {
  if (code === 0) return 'ok'
  const said = `${out}\n${err}`
  if (/\[forbidden\]|\bforbidden\b/.test(said)) return 'forbidden'
  if (/\[not-found\]|not-found|: not found/.test(said)) return 'not-found'
  return `exit ${code}`
}

/** A command that shows something: what is allowed must show it. */
export function showing(
  argv: (workshop: Workshop) => Promise<readonly string[]> | readonly string[],
  shown: RegExp | ((workshop: Workshop) => RegExp),
): Operation['attempt'] {
  return async (workshop, caller) => {
    const line = await argv(workshop)
    const ran = await caller.run(line)
    const answer = answerOf(ran)
    const wanted = shown instanceof RegExp ? shown : shown(workshop)
    const isWrong = answer === 'ok' && !wanted.test(`${ran.out}${ran.err}`)
    return { answer, wrong: isWrong ? `${line.join(' ')} did not show ${wanted}: ${ran.out.slice(0, 300)}` : '' }
  }
}

/** A listing that shows the job to those who may see it, and is empty of it for others. */
export function listing(argv: readonly string[]): Operation['attempt'] {
  return async (workshop, caller) => {
    const { code, out, err } = await caller.run([...argv, '--json'])
    if (code !== 0) return { answer: answerOf({ code, out, err }), wrong: err }
    const isThere = new RegExp(`"jobId":${workshop.jobs.waiting}[,}]`).test(out)
    return { answer: isThere ? 'ok' : 'not-found', wrong: '' }
  }
}

/** Steers all jobs of a group of `self`, made for this call; whom it does not reach changes none of them. */
export function steeringGroup(
  words: readonly string[],
  made: 'waiting' | 'held' | 'done',
  after: (typeof jobStates)[number] | 'gone',
): Operation['attempt'] {
  return async ({ make, becomes, stateOf }, caller) => {
    groups += 1
    const jobGroup = `bulk-${groups}`
    const jobIds = [await make(made, { jobGroup }), await make(made, { jobGroup })]
    const line = [...words, '--job-group', jobGroup, '--vo', 'lhcb', '--owner', 'ada', '--yes']
    const ran = await caller.run(line)
    const isNone = / 0 of 0 jobs/.test(`${ran.out}${ran.err}`)
    const answer = isNone ? 'not-found' : answerOf(ran)
    const wanted = answer === 'ok' ? after : stateOf[made]
    const areThere = (await Promise.all(jobIds.map((id) => becomes(id, wanted)))).every(Boolean)
    return {
      answer,
      wrong: areThere ? '' : `${line.join(' ')} by ${caller.name} left jobs not ${wanted}: ${ran.out}${ran.err}`,
    }
  }
}

let groups = 0

/** Steers a job that was made for this call; `after`: its state then, where the caller may. */
export function steering(
  words: readonly string[],
  made: 'waiting' | 'held' | 'running' | 'done',
  after: (typeof jobStates)[number] | 'gone',
): Operation['attempt'] {
  return async (workshop, caller) => {
    const jobId = await workshop.make(made)
    const answer = answerOf(await caller.run([...words, String(jobId)]))
    const wanted = answer === 'ok' ? after : workshop.stateOf[made]
    const isThere = await workshop.becomes(jobId, wanted)
    return {
      answer,
      wrong: isThere ? '' : `job ${jobId} did not become ${wanted} after ${words.join(' ')} by ${caller.name}`,
    }
  }
}
