/**
 * Survivors that were judged equivalent: no test can notice them, because nothing differs that a caller could see.
 *
 * An entry names its mutants by the code and not by the line, which moves. One that matches none is reported: the code has
 * changed and the judgement with it.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Mutant } from './mutants.ts'

export type Equivalent = {
  readonly file: string
  /** The line of code, without the space around it. */
  readonly code: string
  readonly was: string
  readonly becomes: string
  readonly why: string
}

export function readEquivalents(): readonly Equivalent[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'equivalents.json'), 'utf8')) as readonly Equivalent[]
}

export function isMatch(entry: Equivalent, mutant: Mutant): boolean {
  const keys = ['file', 'code', 'was', 'becomes'] as const
  return keys.every((key) => entry[key] === mutant[key])
}

/** Entries of which the code is gone, and entries without a reason. */
export function entryFaults(
  entries: readonly Equivalent[],
  mutantsOf: (file: string) => readonly Mutant[],
): readonly string[] {
  return entries.flatMap((entry) => {
    const name = `${entry.file}: ${entry.code} (${entry.was} -> ${entry.becomes})`
    if (entry.why.trim() === '') return [`equivalent without a reason: ${name}`]
    return mutantsOf(entry.file).some((mutant) => isMatch(entry, mutant)) ? [] : [`equivalent that is no mutant: ${name}`]
  })
}
