import { expect, it } from 'vitest'
import type { Violation } from '../../../core/kernel/errors.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { checkSpec } from '../../../core/language/check.ts'
import { withJobId } from '../../../core/language/job-id-mark.ts'
import { serviceMessageToWire } from '../../../proto/codec/pilot.ts'
import { alice, sampleSpec } from '../../../sim/samples.ts'

const spec = sampleSpec({
  arguments: ['%j', 'a%j-%j', '%J', '50%', '$&'],
  environment: { ID: 'x%jy', OTHER: '%' },
  name: '%j',
  jobIdMark: '%j',
})

it('becomes the id in every argument and value, nowhere else, and is gone then', () => {
  expect(withJobId(spec, 17 as JobId)).toEqual(
    sampleSpec({ arguments: ['17', 'a17-17', '%J', '50%', '$&'], environment: { ID: 'x17y', OTHER: '%' }, name: '%j' }),
  )
})

it('is replaced only where the job names one', () => {
  const { jobIdMark: _, ...plain } = spec
  expect(withJobId(plain, 17 as JobId)).toEqual(plain)
})

it('never reaches a pilot, and nor does what the job waited for', () => {
  const assignment = { jobId: 17 as JobId, attempt: 1, cores: 1, leaseMs: 1, vo: alice.vo, owner: alice.owner }
  const waited = { ...spec, after: [{ job: 3 as JobId, when: 'ok' as const }] }
  const message = serviceMessageToWire({
    acks: [],
    assignments: [{ ...assignment, spec: waited }],
    commands: [],
  })
  expect(message.assignments[0]?.spec).toMatchObject({
    arguments: ['17', 'a17-17', '%J', '50%', '$&'],
    jobIdMark: '',
    after: [],
  })
})

it.each([
  ['%', 'too short'],
  ['x'.repeat(17), 'not a mark'],
  ['a\n', 'not a mark'],
])('is refused as %j', (jobIdMark, rule) => {
  const violations: Violation[] = []
  checkSpec({ executable: 'x', jobIdMark }, 'jobs[0]', violations)
  expect(violations).toMatchObject([{ path: 'jobs[0].job_id_mark', rule }])
})
