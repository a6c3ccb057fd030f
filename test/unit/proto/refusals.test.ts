/** A refusal's details are those that gRPC libraries know, and every violation comes back as it was. */

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { refusalBytes, type RefusalDetail, refusalOfBytes } from '../../../proto/codec/refusals.ts'
import { ErrorInfo, RetryInfo } from '../../../proto/gen/google/rpc/error_details.ts'
import { Status } from '../../../proto/gen/google/rpc/status.ts'

const violation = fc.record({
  path: fc.string({ maxLength: 20 }),
  value: fc.string({ unit: 'binary', maxLength: 20 }),
  rule: fc.constantFrom('too long', 'out of range', 'not a name: "x"; or so'),
  accepted: fc.string({ maxLength: 20 }),
})

const detail = (more: Partial<RefusalDetail>): RefusalDetail => {
  return { code: 'invalid-argument', text: 'no', violations: [], violationCount: 0, retryAfterMs: 0, ...more }
}

test('a refusal comes back as it was sent', () => {
  fc.assert(
    fc.property(
      fc.array(violation, { maxLength: 5 }),
      fc.integer({ min: 0, max: 10_000_000 }),
      (violations, retryAfterMs) => {
        const sent = detail({ violations, violationCount: violations.length, retryAfterMs })
        expect(refusalOfBytes(refusalBytes(3, sent))).toEqual(sent)
      },
    ),
  )
})

test('the details are those of google.rpc', () => {
  const bytes = refusalBytes(8, detail({ code: 'overloaded', text: 'too much', retryAfterMs: 1500 }))
  const { code, message, details } = Status.decode(bytes)
  expect([code, message]).toEqual([8, 'too much'])
  expect(details.map(({ typeUrl }) => typeUrl)).toEqual([
    'type.googleapis.com/google.rpc.ErrorInfo',
    'type.googleapis.com/google.rpc.RetryInfo',
  ])
  const [info, retry] = details
  expect(info && ErrorInfo.decode(info.value)).toEqual({ reason: 'overloaded', domain: 'pilotage', metadata: {} })
  expect(retry && RetryInfo.decode(retry.value)).toEqual({ retryDelay: { seconds: 1, nanos: 500_000_000 } })
})

test('violations that do not fit are counted', () => {
  const one = { path: 'jobs[0].executable', value: 'x'.repeat(100), rule: 'too long', accepted: 'y'.repeat(200) }
  const bytes = refusalBytes(3, detail({ violations: Array.from({ length: 100 }, () => one), violationCount: 10_000 }))
  expect(bytes.length).toBeLessThan(4600)
  const read = refusalOfBytes(bytes)
  expect(read?.violationCount).toBe(10_000)
  expect(read?.violations.length).toBeGreaterThan(5)
})

test('what is no refusal of ours says nothing', () => {
  expect(refusalOfBytes(Buffer.from('no message'))).toBeUndefined()
  expect(refusalOfBytes(Status.encode({ code: 3, message: 'of a proxy', details: [] }).finish())).toBeUndefined()
})
