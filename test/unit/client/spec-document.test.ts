/** What was submitted, as a document: `submit` makes the same job of it, and no terminal acts on it. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { jobDocument, readJobDocument } from '../../../client/job-document.ts'
import { exactBytes, exactDuration, parseBytes, parseDuration } from '../../../core/kernel/quantities.ts'
import { isName, isProgramText, visibleLines } from '../../../core/kernel/text.ts'
import { jobLimits } from '../../../core/kernel/limits.ts'
import { checkSpec } from '../../../core/language/check.ts'
import { writeJob } from '../../../core/language/document.ts'
import type { JobSpec } from '../../../core/model/job.ts'
import { rawSpecOf } from '../../../proto/codec/specs.ts'
import { sampleRequirements, sampleSpec } from '../../../sim/samples.ts'

/** Of the document, as the service has it after a submission. */
function submitted(document: string): readonly (JobSpec | undefined)[] {
  return readJobDocument(document).map((spec) => checkSpec(rawSpecOf(spec), 'job', []))
}

const special = fc.constantFrom(
  '\n',
  '\t',
  '"',
  "'",
  ': ',
  '#',
  '- ',
  '*a',
  '&a',
  '!!x',
  'null',
  '1e3',
  '\u001b[2J',
  '\u202e',
  '\u2028',
  '🚀',
  'é',
)
const programText = fc
  .string({ unit: fc.oneof(special, fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })), maxLength: 12 })
  .filter(isProgramText)
const name = fc.stringMatching(/^[A-Za-z0-9._:/+-]{1,8}$/).filter(isName)
const variable = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,6}$/).filter((text) => !text.startsWith('PILOTAGE_'))
const names = fc.uniqueArray(name, { maxLength: 3 })
const allowed = fc
  .record({ allowed: names, banned: names })
  .filter((one) => one.allowed.every((each) => !one.banned.includes(each)))
const cores = fc
  .tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 0, max: 64 }))
  .map(([min, more]) => ({ min, max: min + more }))

const spec: fc.Arbitrary<JobSpec> = fc.record({
  name: fc.constantFrom('x', 'a name', '7', 'true', '- x', 'é🚀'),
  executable: fc.constantFrom('/bin/true', 'true', '1', '/opt/a b: c #'),
  arguments: fc.array(programText, { maxLength: 4 }),
  environment: fc.dictionary(variable, programText, { maxKeys: 3 }),
  requirements: fc.record({
    cores,
    memoryBytes: fc.integer({ min: jobLimits.minMemoryBytes, max: jobLimits.memoryBytes }),
    diskBytes: fc.integer({ min: 1, max: jobLimits.diskBytes }),
    wallMs: fc.integer({ min: jobLimits.minWallMs, max: jobLimits.wallMs }),
    platforms: names,
    sites: allowed,
    clouds: allowed,
    tags: names,
  }),
  priority: fc.integer({ min: 0, max: 9 }),
  maxAttempts: fc.integer({ min: 1, max: 10 }),
  maxMachineLosses: fc.integer({ min: 1, max: 100 }),
})

it('is read back as the same job, as YAML and as JSON', () => {
  fc.assert(
    fc.property(spec, (job) => {
      const yaml = jobDocument(job)
      expect(submitted(yaml)).toEqual([job])
      expect(submitted(JSON.stringify(writeJob(job)))).toEqual([job])
      expect(visibleLines(yaml)).toBe(yaml)
    }),
    { numRuns: 1000 },
  )
})

it('is short where little was asked for, and leaves out what is empty', () => {
  const job = sampleSpec({
    name: 'one',
    executable: 'echo',
    arguments: ['a\nb'],
    environment: {},
    requirements: sampleRequirements({ cores: { min: 1, max: 4 }, memoryBytes: 1536 * 1024 ** 2, wallMs: 5_400_000 }),
  })
  expect(jobDocument({ ...job, requirements: { ...job.requirements, diskBytes: 1_000_000_001 } })).toBe(`name: one
executable: echo
arguments:
  - "a\\nb"
priority: 0
maxAttempts: ${job.maxAttempts}
maxMachineLosses: ${job.maxMachineLosses}
cores:
  min: 1
  max: 4
memory: 1536MiB
disk: 1000000001B
wallTime: 90min
`)
})

it.each([1, 1023, 1024, 1536, 2 ** 40, 2 ** 50, 2 ** 50 - 1, 1_000_000_000_000_001])(
  'writes %d bytes and milliseconds exactly',
  (value) => {
    expect(parseBytes(exactBytes(value))).toBe(value)
    expect(parseDuration(exactDuration(Math.min(value, jobLimits.wallMs)))).toBe(Math.min(value, jobLimits.wallMs))
  },
)
