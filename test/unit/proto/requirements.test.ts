/** Requirements over the wire: the client, the service and the pilot read the same of them. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkSpec, type RawSpec } from '../../../core/language/check.ts'
import { readJob, writeJob } from '../../../core/language/document.ts'
import { normalised, requirementsKey } from '../../../core/language/normal-form.ts'
import type { Violation } from '../../../core/kernel/errors.ts'
import { gatherViolations } from '../../../core/kernel/violations.ts'
import { foundTraitsOf, foundTraitsToWire } from '../../../proto/codec/requirements.ts'
import { rawSpecOf, rawSpecToWire, specOfWire, specToWire } from '../../../proto/codec/specs.ts'
import { JobSpec, Traits } from '../../../proto/gen/pilotage/v1/job.ts'
import { anyFound } from '../../support/any-requirements.ts'
import { anySpec } from '../../support/any-spec.ts'

const overWire = (wire: JobSpec): JobSpec => JobSpec.decode(JobSpec.encode(wire).finish())

function checked(raw: RawSpec): unknown {
  const violations: Violation[] = []
  const spec = checkSpec(raw, 'job', violations)
  return violations.length > 0 ? violations : spec
}

it('a pilot reads what the service checked', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const atPilot = specOfWire(overWire(specToWire(spec)))
      expect(atPilot).toEqual(spec)
      expect(requirementsKey(atPilot.requirements)).toBe(requirementsKey(spec.requirements))
    }),
  )
})

it('the service checks what the client checked, and finds the same', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const document = writeJob(spec)
      const raw = readJob(JSON.parse(JSON.stringify(document)), '', gatherViolations())
      const atClient = checked(raw)
      const atService = checked(rawSpecOf(overWire(rawSpecToWire(raw))))
      expect(atService).toEqual(atClient)
      expect(atService).toEqual(spec)
      // The same text: the digest of a submission is made of it.
      expect(JSON.stringify(atService)).toBe(JSON.stringify(atClient))
    }),
  )
})

it('a task queue that is stored has the key of the one that was submitted', () => {
  fc.assert(
    fc.property(anySpec, ({ requirements }) => {
      const stored = JSON.parse(JSON.stringify(normalised(requirements)))
      expect(requirementsKey(stored)).toBe(requirementsKey(requirements))
    }),
  )
})

describe('what a pilot found', () => {
  it('comes over as it was', () => {
    fc.assert(
      fc.property(anyFound, ({ containers, ...others }) => {
        const found = containers ? { ...others, containers: [...containers].sort() } : others
        const back = foundTraitsOf(Traits.decode(Traits.encode(foundTraitsToWire(found)).finish()))
        expect({ ...back, ...(back.containers ? { containers: [...back.containers].sort() } : {}) }).toEqual(found)
      }),
    )
  })

  it.each<[string, Partial<Traits>]>([
    ['a level that there is not', { level: 5 }],
    ['a power without a number', { power: Number.NaN }],
    ['a power below nothing', { power: -1 }],
    ['a version with letters', { glibc: '2.34-ubuntu', osVersion: 'rolling', gpuDriver: 'new' }],
    ['a name with a control', { os: 'a\u001b[2J' }],
    ['an architecture of another version', { architecture: 'riscv64' }],
    ['a runtime of another version', { containers: ['jail'] }],
  ])('is not %s', (_, traits) => {
    expect(foundTraitsOf(Traits.fromPartial(traits))).toEqual({})
  })
})

it('a job that asks for nothing new has the text that it always had', () => {
  const spec = checked({ executable: '/bin/true' })
  expect(JSON.stringify(spec)).toContain(
    '"requirements":{"cores":{"min":1,"max":1},"memoryBytes":2147483648,"diskBytes":2147483648,"wallMs":86400000,' +
      '"platforms":[],"sites":{"allowed":[],"banned":[]},"clouds":{"allowed":[],"banned":[]},"tags":[]},',
  )
})
