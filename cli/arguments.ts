/**
 * How arguments and options of the command line are read: numbers of jobs, bounded numbers, options that may be repeated.
 * What is wrong is refused with the values that are accepted.
 */

import { Argument, InvalidArgumentError } from 'commander'

function readJobId(text: string): number {
  const id = /^\d{1,15}$/.test(text) ? Number(text) : 0
  if (id > 0) return id
  throw new InvalidArgumentError('accepted: the number of a job, 1 or more')
}

export function jobArgument(): Argument {
  return new Argument('<job>', 'number of a job').argParser(readJobId)
}

export function jobsArgument(): Argument {
  const reader = (text: string, before: readonly number[] | undefined) => [...(before ?? []), readJobId(text)]
  return new Argument('<jobs...>', 'numbers of jobs').argParser(reader)
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
