/** Any job that the service accepts, with what documents and shells have a meaning for in its texts. */

import fc from 'fast-check'
import { jobLimits } from '../../core/kernel/limits.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import { memoryLimitWith, memoryWith } from '../../core/language/grant.ts'
import { isName, isProgramText } from '../../core/kernel/text.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { Alternative, Requirements } from '../../core/model/requirements.ts'
import { anyLaterWishes } from './any-requirements.ts'

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
  '%s',
  '%j',
  '\\',
)
const programText = fc
  .string({ unit: fc.oneof(special, fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })), maxLength: 12 })
  .filter(isProgramText)
const name = fc.stringMatching(/^[A-Za-z0-9._:/+-]{1,8}$/).filter(isName)
const variable = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,6}$/).filter((text) => !text.startsWith('PILOTAGE_'))
const names = fc.uniqueArray(name, { maxLength: 3 })
/** Some of them mean something to DIRAC. */
const tags = fc.uniqueArray(fc.oneof(name, fc.constantFrom('8GB', '4Processors', 'WholeNode')), { maxLength: 3 })
const allowed = fc
  .record({ allowed: names, banned: names })
  .filter((one) => one.allowed.every((each) => !one.banned.includes(each)))
const cores = fc
  .tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 0, max: 64 }))
  .map(([min, more]) => ({ min, max: min + more }))

/** Allowed and banned sites that cancel out are refused. */
function isTaken({ sites = { allowed: [], banned: [] } }: Alternative): boolean {
  return sites.allowed.length === 0 || sites.allowed.some((one) => !sites.banned.includes(one))
}
const inputFile = fc.record({
  path: fc.constantFrom('a.txt', 'lib/b c', 'é', 'x/y/z.sh'),
  digest: fc.stringMatching(/^[0-9a-f]{64}$/),
  bytes: fc.integer({ min: 0, max: 1000 }),
  executable: fc.boolean(),
})

export const anySpec: fc.Arbitrary<JobSpec> = fc.record({
  name: fc.constantFrom('x', 'a name', '7', 'true', '- x', 'é🚀'),
  executable: fc.constantFrom('/bin/true', 'true', '1', '/opt/a b: c #'),
  arguments: fc.array(programText, { maxLength: 4 }),
  environment: fc.dictionary(variable, programText, { maxKeys: 3 }),
  requirements: fc
    .tuple(
      fc.record({
        cores,
        memoryBytes: fc.integer({ min: jobLimits.minMemoryBytes, max: jobLimits.memoryBytes }),
        // Input files fit on it.
        diskBytes: fc.integer({ min: 3000, max: jobLimits.diskBytes }),
        wallMs: fc.integer({ min: jobLimits.minWallMs, max: jobLimits.wallMs }),
        platforms: names,
        sites: allowed,
        clouds: allowed,
        tags,
      }),
      anyLaterWishes,
    )
    .filter(
      ([
        {
          cores: { max },
          memoryBytes,
        },
        { alternatives = [], ...later },
      ]) => {
        const count = later.wholeNode ? jobLimits.cores : max
        const wish = { memoryBytes, ...later }
        return alternatives.every(isTaken) && memoryLimitWith(count, wish) >= memoryWith(count, wish)
      },
    )
    .map(([first, later]): Requirements => ({ ...first, ...later })),
  priority: fc.integer({ min: 0, max: 9 }),
  inputFiles: fc.uniqueArray(inputFile, { maxLength: 3, selector: ({ path }) => path }),
  outputFiles: fc.uniqueArray(fc.constantFrom('a.txt', '*.root', 'logs/**', 'é?'), { maxLength: 3 }),
  maxAttempts: fc.integer({ min: 1, max: 10 }),
  maxMachineLosses: fc.integer({ min: 1, max: 100 }),
  jobGroup: fc.constantFrom('', 'g', 'a group', 'é🚀', '"'),
  jobType: fc.constantFrom('', 'User', 'MC: Simulation', '#'),
})

/** As anySpec; some wait for other jobs, and some have a mark for their id. */
export const anyMarkedSpec: fc.Arbitrary<JobSpec> = fc
  .tuple(
    anySpec,
    fc.option(fc.constantFrom('%j', '%s', '{id}', 'é🚀'), { nil: undefined }),
    fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 3 }),
    fc.constantFrom('ok', 'ended', 'failed'),
  )
  .map(([spec, jobIdMark, jobs, when]) => ({
    ...spec,
    ...(jobIdMark === undefined ? {} : { jobIdMark }),
    ...(jobs.length === 0 ? {} : { after: jobs.map((job) => ({ job: job as JobId, when })) }),
  }))
