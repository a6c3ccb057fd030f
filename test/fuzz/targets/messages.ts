/**
 * What arrives on the wire: a submission of any bytes, whose jobs the service checks; the details of a refusal, which a
 * client reads; and the tokens of pages, which a caller gives back. A character of an input is a byte.
 */

import { jobLimits } from '../../../core/kernel/limits.ts'
import { PilotageError, type Violation } from '../../../core/kernel/errors.ts'
import { checkSpec } from '../../../core/language/check.ts'
import { pageStart, pageToken } from '../../../proto/codec/page-tokens.ts'
import { refusalBytes, refusalOfBytes } from '../../../proto/codec/refusals.ts'
import { rawSpecOf, specToWire } from '../../../proto/codec/specs.ts'
import { JobSpec, SubmitJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import type { Chance } from '../chance.ts'
import { anyName, anyText } from '../jobs-by-chance.ts'
import { type FuzzTarget, property } from '../target.ts'

const maxBytes = 64 * 1024

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}

/** gRPC refuses what cannot be decoded. */
function decoded<Message>(decode: () => Message): Message {
  try {
    return decode()
  } catch (cause) {
    throw new PilotageError('invalid-argument', 'no such message', { cause })
  }
}

const submission: FuzzTarget = {
  name: 'submission',
  maxBytes,
  seeds: [],
  words: ['\x0a', '\x12', '\x1a', '\x22\x06\x0a\x01A\x12\x01b', '\x2a\x04\x0a\x02\x08\x01', '\xff\xff\xff\xff\x0f', '\x08'],
  make: (chance) =>
    textOf(
      SubmitJobsRequest.encode({ jobs: chance.some(4, () => anyWireJob(chance)), idempotencyKey: anyText(chance) }).finish(),
    ),
  run(input) {
    const { jobs } = decoded(() => SubmitJobsRequest.decode(bytesOf(input)))
    const violations: Violation[] = []
    const specs = jobs.slice(0, jobLimits.names).map((job, at) => checkSpec(rawSpecOf(job), `jobs[${at}]`, violations))
    for (const spec of specs) {
      if (!spec) continue
      const again = checkSpec(rawSpecOf(JobSpec.decode(JobSpec.encode(specToWire(spec)).finish())), 'job', [])
      property(JSON.stringify(again) === JSON.stringify(spec), 'a checked job is the same on the wire')
    }
    return violations.length > 0 ? 0 : 1
  },
}

function anyWireJob(chance: Chance): JobSpec {
  const names = () => ({ allowed: chance.some(3, () => anyName(chance)), banned: chance.some(3, () => anyName(chance)) })
  const number = (): number => chance.pick([0, 1, 2 ** 20, 2 ** 32 - 1, 2 ** 31, 2 ** 53 - 1])
  const small = (): number => chance.pick([0, 1, 3, 9, 2 ** 32 - 1])
  return JobSpec.fromPartial({
    name: chance.is(0.5) ? anyText(chance) : '',
    executable: chance.is(0.9) ? '/bin/true' : anyText(chance),
    arguments: chance.some(4, () => anyText(chance)),
    environment: Object.fromEntries(chance.some(3, () => [chance.pick(['A', 'B', '__proto__', '1']), anyText(chance)])),
    priority: small(),
    maxAttempts: small(),
    maxMachineLosses: small(),
    requirements: chance.is(0.3)
      ? undefined
      : {
          cores: { min: small(), max: small() },
          memoryBytes: number(),
          diskBytes: number(),
          wallMs: number(),
          sites: names(),
          clouds: names(),
        },
  })
}

const refusal: FuzzTarget = {
  name: 'refusal',
  maxBytes: 8 * 1024,
  seeds: [],
  words: ['type.googleapis.com/google.rpc.BadRequest', '"a": b; accepted: c', '"\\u00', 'pilotage', 'violations'],
  make(chance) {
    const violation = () => ({ path: anyText(chance), value: anyText(chance), rule: 'a rule', accepted: anyText(chance) })
    const violations = chance.some(8, violation)
    const detail = { code: 'invalid-argument', text: anyText(chance), violations, violationCount: violations.length }
    return textOf(refusalBytes(3, { ...detail, retryAfterMs: chance.below(2) * chance.below(100_000) }))
  },
  run(input) {
    const detail = refusalOfBytes(bytesOf(input))
    if (!detail) return 0
    property(Array.isArray(detail.violations) && typeof detail.text === 'string', 'a refusal has its parts')
    return 1
  },
}

const pageTokens: FuzzTarget = {
  name: 'page-token',
  maxBytes: 4 * 1024,
  seeds: [pageToken('jobs', 17), pageToken('vms', 3)],
  words: [],
  make: (chance) => pageToken(chance.pick(['jobs', 'picked', 'vms'] as const), chance.below(2 ** 31)),
  run(input) {
    const start = pageStart('jobs', input)
    property(Number.isSafeInteger(start) && start >= 0, 'a page starts at a place')
    return 1
  },
}

export const messageTargets: readonly FuzzTarget[] = [submission, refusal, pageTokens]
