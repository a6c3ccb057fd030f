/**
 * The values of single fields, as a document gives them, and the class of the requirements that they become: the class of a
 * class is the class, it asks for no less than the job, and what it rounds up is all that differs.
 */

import type { Violation } from '../../../core/kernel/errors.ts'
import { gatherViolations } from '../../../core/kernel/violations.ts'
import { checkSpec } from '../../../core/language/check.ts'
import { readJob, writeJob } from '../../../core/language/document.ts'
import { fieldNames } from '../../../core/language/fields.ts'
import { normalised, requirementsKey } from '../../../core/language/normal-form.ts'
import { exactly, needsOf, noSizes, requirementClass } from '../../../core/language/requirement-class.ts'
import { anyValue, rightValue } from '../jobs-by-chance.ts'
import { type FuzzTarget, property } from '../target.ts'

/** A line of JSON per field: its name and its value. */
const fields: FuzzTarget = {
  name: 'fields',
  maxBytes: 16 * 1024,
  seeds: [
    '["memory","2GiB"]',
    '["cores",{"min":1,"max":4}]',
    '["wallTime","1h30m"]',
    '["sites",{"allowed":["a"],"banned":[]}]',
  ],
  words: fieldNames.map((name) => `["${name}",`),
  make: (chance) => {
    const name = chance.pick(fieldNames)
    return JSON.stringify([name, chance.is(0.6) ? rightValue(name, chance) : anyValue(chance, 4)])
  },
  run(input) {
    const [name, value] = pairIn(input)
    const wrong = gatherViolations()
    const raw = readJob({ executable: 'a', [name]: value }, 'job', wrong)
    wrong.settle('reading a field')
    const violations: Violation[] = []
    const spec = checkSpec(raw, 'job', violations)
    property(spec !== undefined, `what a document gives passes the check of the wire: ${JSON.stringify(violations)}`)
    if (!spec) return 0
    const again = checkSpec(readJob(writeJob(spec), 'job', wrong), 'job', violations)
    property(JSON.stringify(again) === JSON.stringify(spec), 'a job that is written is read as the same job')
    const normal = normalised(spec.requirements)
    property(JSON.stringify(normalised(normal)) === JSON.stringify(normal), 'the normal form of a normal form is itself')
    property(
      requirementsKey(normal) === requirementsKey(spec.requirements),
      'a normal form has the key of what it is made of',
    )
    const exact = spec.requirements
    const classed = requirementClass(exact, noSizes)
    property(
      JSON.stringify(requirementClass(classed, noSizes)) === JSON.stringify(classed),
      'the class of a class is the class',
    )
    property(
      classed.memoryBytes >= exact.memoryBytes && classed.diskBytes >= exact.diskBytes && classed.wallMs >= exact.wallMs,
      'a class asks for no less than its job',
    )
    const needs = needsOf(exact, classed)
    property(JSON.stringify(exactly(classed, needs)) === JSON.stringify(exact), 'a class and the needs of a job are the job')
    return 1
  },
}

function pairIn(input: string): readonly [string, unknown] {
  try {
    const pair = JSON.parse(input) as unknown
    if (Array.isArray(pair)) return [String(pair[0]), pair[1]]
  } catch {
    // No JSON: as a text for each of them.
  }
  return [fieldNames[input.length % fieldNames.length] ?? '', input]
}

export const fieldTargets: readonly FuzzTarget[] = [fields]
