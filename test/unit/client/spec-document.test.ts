/** What was submitted, as a document: `submit` makes the same job of it, and no terminal acts on it. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { jobDocument, readJobDocument } from '../../../client/job-document.ts'
import { exactBytes, exactDuration, parseBytes, parseDuration } from '../../../core/kernel/quantities.ts'
import { visibleLines } from '../../../core/kernel/text.ts'
import { jobLimits } from '../../../core/kernel/limits.ts'
import { checkSpec } from '../../../core/language/check.ts'
import { writeJob } from '../../../core/language/document.ts'
import type { JobSpec } from '../../../core/model/job.ts'
import { rawSpecOf } from '../../../proto/codec/specs.ts'
import { anyMarkedSpec } from '../../support/any-spec.ts'
import { sampleRequirements, sampleSpec } from '../../../sim/samples.ts'

/** Of the document, as the service has it after a submission. */
function submitted(document: string): readonly (JobSpec | undefined)[] {
  return readJobDocument(document).jobs.map((spec) => checkSpec(rawSpecOf(spec), 'job', []))
}

it('is read back as the same job, as YAML and as JSON', () => {
  fc.assert(
    fc.property(anyMarkedSpec, (job) => {
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
