/** Submissions and documents that are wrong: by their fields, by their size, by their form. */

import { readJobDocument } from '../../../client/job-document.ts'
import { JobServiceService, JobSpec, type SubmitJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import { type Case, refusalOf, refused, thrown } from './case.ts'
import { jobOf, type World } from './world.ts'

const mib = 1024 * 1024
const good = (): JobSpec => jobOf('true')

function submitCase(
  name: string,
  request: Partial<SubmitJobsRequest> | ((world: World) => Partial<SubmitJobsRequest>),
  expected: Omit<Case, 'name' | 'attempt'>,
): Case {
  return {
    name,
    attempt: (world) => {
      const { jobs = [], idempotencyKey = '' } = typeof request === 'function' ? request(world) : request
      return refused(world, JobServiceService.submitJobs, [{ jobs, idempotencyKey }], { token: world.tokens.ada })
    },
    ...expected,
  }
}

const submitJobs = JobServiceService.submitJobs

/** As a client in another language may send it. */
const malformedText: Case = {
  name: 'an argument of bytes that are no UTF-8',
  attempt: (world) => {
    const requestSerialize = (request: SubmitJobsRequest): Buffer => {
      const bytes = submitJobs.requestSerialize(request)
      bytes.set([0xff, 0xfe], bytes.indexOf('@@'))
      return bytes
    }
    const jobs = [good(), { ...good(), arguments: ['fine', 'a@@b'] }]
    const method = { ...submitJobs, requestSerialize }
    return refused(world, method, [{ jobs, idempotencyKey: '' }], { token: world.tokens.ada })
  },
  code: 'invalid-argument',
  text: /arguments/,
  violations: ['jobs[1].arguments[1]: not an argument'],
}

function documentCase(name: string, text: () => string, expected: Omit<Case, 'name' | 'attempt'>): Case {
  return { name, attempt: ({ ada }) => thrown(() => ada.submit(readJobDocument(text()).jobs)), ...expected }
}

const wrongEverywhere = JobSpec.fromPartial({
  name: 'a\nb',
  arguments: ['fine', 'no\0'],
  environment: { '1st': 'x', PILOTAGE_JOB_ID: '7' },
  requirements: {
    cores: { min: 5, max: 2 },
    memoryBytes: 1024,
    wallMs: 1,
    platforms: ['a b'],
    sites: { allowed: ['here'], banned: ['here'] },
    tags: [''],
  },
  priority: 10,
  maxAttempts: 11,
})

const wrongPaths = [
  'jobs[1].name: not a name',
  'jobs[1].executable: missing',
  'jobs[1].arguments[1]: not an argument',
  'jobs[1].environment.1st: not a variable name',
  'jobs[1].environment.PILOTAGE_JOB_ID: not a variable name',
  'jobs[1].priority: out of range',
  'jobs[1].max_attempts: out of range',
  'jobs[1].requirements.cores.max: below cores.min',
  'jobs[1].requirements.memory_bytes: out of range',
  'jobs[1].requirements.wall_ms: out of range',
  'jobs[1].requirements.platforms[0]: not a name',
  'jobs[1].requirements.sites: allowed and banned cancel out',
  'jobs[1].requirements.tags[0]: not a name',
]

const unreadable = { code: 'invalid-argument', text: /the job document cannot be read/ } as const
const wrongFields = { code: 'invalid-argument', text: /fields? (?:is|are) wrong/ } as const

export const submissionCases: readonly Case[] = [
  malformedText,
  submitCase(
    'no job at all',
    {},
    { code: 'invalid-argument', text: /^one field is wrong: jobs: empty$/, violations: ['jobs: empty'] },
  ),
  submitCase(
    'one good job and one that is wrong everywhere',
    { jobs: [good(), wrongEverywhere] },
    { code: 'invalid-argument', text: /^13 fields are wrong, the first is jobs\[1\]\.name/, violations: wrongPaths },
  ),
  submitCase(
    'a name that no reader sees as it is',
    { jobs: [{ ...good(), name: 'a\u009b2J\u202eb' }] },
    { code: 'invalid-argument', text: wrongFields.text, violations: ['jobs[0].name: not a name'] },
  ),
  submitCase(
    'a key that looks like another one',
    { jobs: [good()], idempotencyKey: 'a\u200bb' },
    { code: 'invalid-argument', text: wrongFields.text, violations: ['idempotency_key: not a key'] },
  ),
  submitCase(
    'a variable __proto__',
    { jobs: [{ ...good(), environment: Object.fromEntries([['__proto__', 'x']]) }] },
    {
      code: 'invalid-argument',
      text: wrongFields.text,
      violations: ['jobs[0].environment.__proto__: not a variable name'],
    },
  ),
  {
    name: 'a reason that turns the line around',
    attempt: (world) =>
      refused(world, JobServiceService.holdJobs, [{ jobIds: [1], reason: 'a\u202eb' }], { token: world.tokens.ada }),
    code: 'invalid-argument',
    text: /the reason has hidden characters/,
    violations: ['reason: not a reason'],
  },
  submitCase(
    'a description of more than 64 KiB',
    { jobs: [{ ...good(), arguments: Array.from({ length: 9 }, () => 'x'.repeat(8000)) }] },
    { code: 'invalid-argument', text: wrongFields.text, violations: ['jobs[0].arguments: too large'] },
  ),
  submitCase(
    'a million arguments, counted before they are decoded',
    { jobs: [{ ...good(), arguments: Array.from({ length: 1_000_000 }, () => 'x') }] },
    { code: 'too-large', text: /^a submission of more than 10000 jobs, or of more than 1000000 fields in all$/, slow: true },
  ),
  submitCase(
    'almost a million arguments',
    { jobs: [{ ...good(), arguments: Array.from({ length: 900_000 }, () => 'x') }] },
    {
      code: 'invalid-argument',
      text: wrongFields.text,
      violations: ['jobs[0].arguments: too many', 'jobs[0].arguments: too large'],
      slow: true,
    },
  ),
  submitCase(
    'an idempotency key of 129 characters',
    { jobs: [good()], idempotencyKey: 'k'.repeat(129) },
    { code: 'invalid-argument', text: wrongFields.text, violations: ['idempotency_key: too long'] },
  ),
  submitCase('a used idempotency key with other jobs', ({ usedKey }) => ({ jobs: [good()], idempotencyKey: usedKey }), {
    code: 'conflict',
    text: /was used with other jobs$/,
  }),
  submitCase(
    '10 001 jobs in one call',
    { jobs: Array.from({ length: 10_001 }, () => JobSpec.fromPartial({ executable: 'true' })) },
    { code: 'too-large', text: /^10001 jobs in one call: at most 10000$/ },
  ),
  submitCase(
    'a million jobs in one call',
    () => ({ jobs: Array.from({ length: 1_000_000 }, () => JobSpec.fromPartial({ executable: 'true' })) }),
    {
      code: 'too-large',
      text: /^a submission of more than 10000 jobs/,
      slow: true,
    },
  ),
  submitCase(
    'one job too many in one call',
    () => ({ jobs: Array.from({ length: 10_001 }, () => JobSpec.fromPartial({ executable: 'true' })) }),
    { code: 'too-large', text: /^10001 jobs in one call: at most 10000$/, slow: true },
  ),
  submitCase(
    'two thousand wrong jobs',
    { jobs: Array.from({ length: 2000 }, () => JobSpec.fromPartial({})) },
    {
      code: 'invalid-argument',
      text: /^2000 fields are wrong, the first is jobs\[0\]\.executable: missing$/,
    },
  ),
  submitCase('a message beyond the limit', () => ({ jobs: [JobSpec.fromPartial({ executable: 'x'.repeat(17 * mib) })] }), {
    code: 'too-large',
    text: /larger than the maximum/,
  }),
  {
    name: 'a stream that begins with a wrong submission',
    attempt: (world) => {
      const requests = [
        { jobs: [], idempotencyKey: '' },
        { jobs: [good()], idempotencyKey: '' },
      ]
      return refused(world, JobServiceService.submitJobStream, requests, { token: world.tokens.ada })
    },
    code: 'invalid-argument',
    text: /^messages\[0\]: one field is wrong/,
    violations: ['messages[0].jobs: empty'],
  },
  {
    name: 'bytes that are no message',
    attempt: async ({ raw, tokens }) =>
      refusalOf(
        await raw.bytes(JobServiceService.submitJobs.path, [Buffer.from('ffffffffffffffff', 'hex')], { token: tokens.ada }),
      ),
    code: 'invalid-argument',
    text: /^the message cannot be read/,
  },
  {
    name: 'a message that ends too early',
    attempt: async ({ raw, tokens }) =>
      refusalOf(await raw.bytes(JobServiceService.submitJobs.path, [Buffer.from([0x0a, 0x7f, 1])], { token: tokens.ada })),
    code: 'invalid-argument',
    text: /^the message cannot be read/,
  },
  {
    name: 'a number beyond what can be counted',
    // KillJobs { job_ids: [2^64 - 1] }
    attempt: async ({ raw, tokens }) => {
      const message = Buffer.from([0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1])
      return refusalOf(await raw.bytes(JobServiceService.killJobs.path, [message], { token: tokens.ada }))
    },
    code: 'invalid-argument',
    text: /^one field is wrong: job_ids\[0\]: out of range$/,
    violations: ['job_ids[0]: out of range'],
  },
  {
    name: 'a method that there is not',
    attempt: async ({ raw, tokens }) =>
      refusalOf(await raw.bytes('/pilotage.v1.JobService/DropJobs', [Buffer.alloc(0)], { token: tokens.ada })),
    code: 'grpc UNIMPLEMENTED',
    text: /DropJobs/,
  },
]

const nested = (depth: number): string => Array.from({ length: depth }, (_, at) => `${' '.repeat(at)}a:`).join('\n')
const laughs = `a: &a [x,x,x,x,x,x,x,x,x]
b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]
c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]
d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]
e: [*d,*d,*d,*d,*d,*d,*d,*d,*d]`

export const documentCases: readonly Case[] = [
  documentCase('bad YAML', () => 'executable: [unclosed', unreadable),
  documentCase('YAML with a key twice', () => 'executable: a\nexecutable: b', unreadable),
  documentCase('YAML that says a billion with a few bytes', () => laughs, unreadable),
  documentCase('YAML 1500 levels deep', () => nested(1500), unreadable),
  documentCase('JSON 100 000 levels deep', () => '['.repeat(100_000) + ']'.repeat(100_000), wrongFields),
  documentCase('3 MB of one word', () => `executable: "${'x'.repeat(3_000_000)}"`, { ...wrongFields, slow: true }),
  documentCase('a million elements of YAML that are no jobs', () => '- a\n'.repeat(1_000_000), {
    ...wrongFields,
    slow: true,
  }),
  documentCase('10 MB of YAML', () => '- a\n'.repeat(2_500_000), { code: 'too-large', text: /too large/ }),
  documentCase('17 MiB', () => 'x'.repeat(17 * mib), { code: 'too-large', text: /too large/ }),
  documentCase('a list of a million elements', () => `[${'1,'.repeat(999_999)}1]`, wrongFields),
  documentCase('a field that there is not', () => 'executable: true.sh\nmemmory: 1GiB', wrongFields),
  documentCase('a number for a text, and a text for a number', () => 'executable: 7\npriority: high', wrongFields),
]
