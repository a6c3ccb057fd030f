/**
 * How arguments and options of the command line are read: numbers of jobs, bounded numbers, options that may be repeated.
 * What is wrong is refused with the values that are accepted.
 */

import { Argument, InvalidArgumentError } from 'commander'

/** What one command acts on: ten calls to the service. */
const maxJobs = 100_000

function readJobId(text: string): number {
  const id = /^\d{1,15}$/.test(text) ? Number(text) : 0
  if (id > 0) return id
  throw new InvalidArgumentError('accepted: the number of a job, 1 or more')
}

export function jobArgument(): Argument {
  return new Argument('<job>', 'number of a job').argParser(readJobId)
}

/** Numbers and ranges (`1-5`), each job once, in the order in which they are named first. */
export function jobsArgument(): Argument {
  const reader = (text: string, before: readonly number[] = []): readonly number[] => {
    const ids = [...new Set([...before, ...readJobRange(text)])]
    if (ids.length <= maxJobs) return ids
    throw new InvalidArgumentError(`accepted: ${maxJobs} jobs at most`)
  }
  return new Argument('<jobs...>', 'numbers of jobs, and ranges such as 1-5').argParser(reader)
}

function readJobRange(text: string): readonly number[] {
  const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(text) ?? []
  if (first === undefined || last === undefined) return [readJobId(text)]
  const [from, to] = [readJobId(first), readJobId(last)]
  if (to < from)
    throw new InvalidArgumentError(`accepted: a range from the smaller number to the larger one, as ${to}-${from}`)
  if (to - from >= maxJobs) throw new InvalidArgumentError(`accepted: ranges of ${maxJobs} jobs at most`)
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

/** A number in a range, whole unless said otherwise. */
export function numberBetween(min: number, max: number, isWhole = true): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}(\.\d{1,6})?$/.test(text) ? Number(text) : NaN
    if (value >= min && value <= max && (!isWhole || Number.isInteger(value))) return value
    throw new InvalidArgumentError(`accepted: ${isWhole ? 'a whole number' : 'a number'} from ${min} to ${max}`)
  }
}

/** Collects the values of an option that may be given several times. */
export function repeated(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}
