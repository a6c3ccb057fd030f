/** The client and the service accept the same texts: what one of them refuses, the other refuses as well. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readJobDocument } from '../../../client/job-document.ts'
import type { Violation } from '../../../core/kernel/errors.ts'
import { checkSpec } from '../../../core/language/check.ts'
import { rawSpecOf } from '../../../proto/codec/specs.ts'
import { JobSpec, Requirements } from '../../../proto/gen/pilotage/v1/job.ts'

function clientTakes(job: object): boolean {
  try {
    readJobDocument(JSON.stringify(job))
    return true
  } catch {
    return false
  }
}

/** As it arrives by the wire, from a caller that checks nothing. */
function serviceRefuses(spec: Partial<JobSpec>): readonly string[] {
  const violations: Violation[] = []
  checkSpec(rawSpecOf(JobSpec.decode(JobSpec.encode(JobSpec.fromPartial(spec)).finish())), 'job', violations)
  return violations.map(({ path }) => path)
}

const character = fc.oneof(
  fc.constantFrom('\u001b', '\u009b', '\u200b', '\u202e', '\u2028', '\ufeff', '\0', '\n', '_', 'A'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
)
const text = fc.string({ unit: character, minLength: 1, maxLength: 6 })

it('for names, programs, arguments and variables', () => {
  fc.assert(
    fc.property(text, (some) => {
      const jobs: readonly Partial<JobSpec>[] = [
        { executable: 'x', name: some },
        { executable: some },
        { executable: 'x', arguments: [some] },
        { executable: 'x', environment: { A: some } },
        { executable: 'x', environment: { [some]: 'a' } },
      ]
      for (const job of jobs) expect(clientTakes(job), JSON.stringify(job)).toBe(serviceRefuses(job).length === 0)
    }),
  )
})

const names = fc.array(fc.oneof(fc.constantFrom('cern', 'ral', 'a b', ''), fc.string({ maxLength: 70 })), { maxLength: 3 })
const amount = (max: number) => fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max }))
const wishes = fc.record(
  {
    cores: fc.record({ min: amount(2000), max: amount(2000) }),
    memoryBytes: amount(2 ** 45),
    diskBytes: amount(2 ** 52),
    wallMs: amount(2 ** 32),
    platforms: names,
    sites: fc.record({ allowed: names, banned: names }),
    clouds: fc.record({ allowed: names, banned: names }),
    tags: names,
  },
  { requiredKeys: [] },
)

/** As a document writes it: nothing is zero or empty, since that is refused there and means "not given" on the wire. */
const written = {
  cores: (value: unknown) => ['cores', value],
  memoryBytes: (value: unknown) => ['memory', `${value}B`],
  diskBytes: (value: unknown) => ['disk', `${value}B`],
  wallMs: (value: unknown) => ['wallTime', `${value}ms`],
  platforms: (value: unknown) => ['platforms', value],
  sites: (value: unknown) => ['sites', value],
  clouds: (value: unknown) => ['clouds', value],
  tags: (value: unknown) => ['tags', value],
} as const

it('for whole jobs, field by field', () => {
  const job = fc.record(
    { priority: fc.integer({ min: 0, max: 12 }), maxAttempts: fc.integer({ min: 1, max: 12 }) },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(job, wishes, (rest, requirements) => {
      const fields = Object.entries(requirements).map(([key, value]) => written[key as keyof typeof written](value))
      const document = { executable: 'x', ...rest, ...Object.fromEntries(fields) }
      const violated = serviceRefuses({ executable: 'x', ...rest, requirements: Requirements.fromPartial(requirements) })
      expect(clientTakes(document), JSON.stringify([document, violated])).toBe(violated.length === 0)
    }),
    { numRuns: 500 },
  )
})

it.each(['__proto__', 'PILOTAGE_JOB_ID', '1A', 'A-B', ''])('for the variable %j, which both refuse', (name) => {
  const environment = Object.fromEntries([[name, 'x']])
  expect(clientTakes({ executable: 'x', environment })).toBe(false)
  expect(serviceRefuses({ executable: 'x', environment })).toEqual([`job.environment.${name}`])
})

it.each(['constructor', 'toString', 'hasOwnProperty'])('for the variable %j, which both take', (name) => {
  const environment = { [name]: 'x' }
  expect(clientTakes({ executable: 'x', environment })).toBe(true)
  expect(serviceRefuses({ executable: 'x', environment })).toEqual([])
})

it('leaves no half character in a name that comes from a long path', () => {
  const violations: Violation[] = []
  const executable = `/${'a'.repeat(127)}🚀`
  const spec = checkSpec(rawSpecOf(JobSpec.fromPartial({ executable })), 'job', violations)
  expect(spec?.name).toBe('a'.repeat(127))
})
