/** Bytes that are no UTF-8 in a field of text: they are refused by the field's path, and no text that is UTF-8 changes. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Violation } from '../../../core/kernel/errors.ts'
import { checkSpec } from '../../../core/language/check.ts'
import { rawSpecOf } from '../../../proto/codec/specs.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'

const placeholder = 'QQQQ'

/** As a client in another language may send it: the placeholder's bytes are replaced. */
function withBytes(spec: Partial<JobSpec>, bytes: readonly number[]): JobSpec {
  const encoded = Buffer.from(JobSpec.encode(JobSpec.fromPartial({ executable: 'true', ...spec })).finish())
  const at = encoded.indexOf(placeholder)
  Buffer.from(bytes).copy(encoded, at)
  return JobSpec.decode(encoded)
}

const broken: readonly (readonly [string, readonly number[]])[] = [
  ['ff fe', [0x61, 0xff, 0xfe, 0x62]],
  ['Latin-1', [0x63, 0x61, 0x66, 0xe9]],
  ['an encoded surrogate', [0xed, 0xa0, 0x80, 0x61]],
  ['a character cut short', [0x61, 0x61, 0xe2, 0x82]],
]
const places: readonly (readonly [string, Partial<JobSpec>])[] = [
  ['name', { name: placeholder }],
  ['executable', { executable: placeholder }],
  ['arguments[1]', { arguments: ['fine', placeholder] }],
  // Long texts are decoded another way than short ones.
  ['arguments[0]', { arguments: [`${'x'.repeat(1000)}${placeholder}`] }],
  ['environment.HOW', { environment: { HOW: placeholder } }],
]

it.each(places.flatMap(([path, spec]) => broken.map(([what, bytes]) => [path, what, spec, bytes] as const)))(
  'in %s, %s is refused',
  (path, _, spec, bytes) => {
    const violations: Violation[] = []
    checkSpec(rawSpecOf(withBytes(spec, bytes)), 'jobs[0]', violations)
    expect(violations.map((one) => one.path)).toEqual([`jobs[0].${path}`])
  },
)

it('leaves every text as it is that is UTF-8', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\ufffd', '\ufeffa', 'a\ufeff', '😀'))
  fc.assert(
    fc.property(text, (argument) => {
      expect(JobSpec.decode(JobSpec.encode(JobSpec.fromPartial({ arguments: [argument] })).finish()).arguments).toEqual([
        argument,
      ])
    }),
  )
})
