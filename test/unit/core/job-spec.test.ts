import { describe, expect, it } from 'vitest'
import type { Violation } from '../../../core/kernel/errors.ts'
import { checkSpec, type RawRequirements, type RawSpec } from '../../../core/language/check.ts'
import { jobDefaults } from '../../../core/kernel/limits.ts'

const rawRequirements: RawRequirements = { memoryBytes: 0, diskBytes: 0, wallMs: 0, platforms: [], tags: [] }
const raw: RawSpec = { name: '', executable: '/bin/true', arguments: [], environment: {}, priority: 0, maxAttempts: 0 }

function violationsOf(changes: Partial<RawSpec>): string[] {
  const violations: Violation[] = []
  const spec = checkSpec({ ...raw, ...changes }, 'jobs[0]', violations)
  expect(spec === undefined).toBe(violations.length > 0)
  for (const violation of violations) expect(violation.accepted).not.toBe('')
  return violations.map(({ path, rule }) => `${path}: ${rule}`)
}

it('fills in every default and changes nothing that was given', () => {
  expect(checkSpec(raw, 'jobs[0]', [])).toEqual({
    name: 'true',
    executable: '/bin/true',
    arguments: [],
    environment: {},
    priority: 0,
    maxAttempts: jobDefaults.attempts,
    maxMachineLosses: jobDefaults.machineLosses,
    jobGroup: '',
    jobType: '',
    inputFiles: [],
    outputFiles: [],
    requirements: {
      cores: { min: 1, max: 1 },
      memoryBytes: jobDefaults.memoryBytes,
      diskBytes: jobDefaults.diskBytes,
      wallMs: jobDefaults.wallMs,
      platforms: [],
      sites: { allowed: [], banned: [] },
      clouds: { allowed: [], banned: [] },
      tags: [],
    },
  })
})

const names = (count: number, length: number): string[] =>
  Array.from({ length: count }, (_, at) => `${at}`.padEnd(length, 'x'))

describe('refuses', () => {
  const requirements = (changes: Partial<RawRequirements>) => ({ requirements: { ...rawRequirements, ...changes } })
  it.each<[Partial<RawSpec>, string]>([
    [{ executable: '' }, 'jobs[0].executable: missing'],
    [{ executable: 'a\nb' }, 'jobs[0].executable: not a path'],
    [{ name: 'x'.repeat(129) }, 'jobs[0].name: not a name'],
    [{ arguments: ['a\u0000b'] }, 'jobs[0].arguments[0]: not an argument'],
    [{ arguments: Array.from({ length: 1001 }, () => 'a') }, 'jobs[0].arguments: too many'],
    [{ arguments: Array.from({ length: 9 }, () => 'a'.repeat(8000)) }, 'jobs[0].arguments: too large'],
    [
      { arguments: Array.from({ length: 8 }, () => 'a'.repeat(8000)), ...requirements({ tags: names(60, 33) }) },
      'jobs[0].arguments: too large',
    ],
    [requirements({ tags: names(65, 64) }), 'jobs[0].requirements: too large'],
    [requirements({ sites: { allowed: [], banned: names(65, 64) } }), 'jobs[0].requirements: too large'],
    [{ environment: { '1A': 'x' } }, 'jobs[0].environment.1A: not a variable name'],
    [{ environment: { PILOTAGE_JOB_ID: 'x' } }, 'jobs[0].environment.PILOTAGE_JOB_ID: not a variable name'],
    [{ environment: { A: 'a\u0000' } }, 'jobs[0].environment.A: not a value'],
    [{ priority: 10 }, 'jobs[0].priority: out of range'],
    [{ maxAttempts: 11 }, 'jobs[0].max_attempts: out of range'],
    [{ maxMachineLosses: 101 }, 'jobs[0].max_machine_losses: out of range'],
    [requirements({ cores: { min: 4, max: 2 } }), 'jobs[0].requirements.cores.max: below cores.min'],
    [requirements({ cores: { min: 2000, max: 0 } }), 'jobs[0].requirements.cores.min: out of range'],
    [requirements({ memoryBytes: 1000 }), 'jobs[0].requirements.memory_bytes: out of range'],
    [requirements({ wallMs: 10 }), 'jobs[0].requirements.wall_ms: out of range'],
    [requirements({ diskBytes: 0.5 }), 'jobs[0].requirements.disk_bytes: out of range'],
    [requirements({ tags: ['a b'] }), 'jobs[0].requirements.tags[0]: not a name'],
    [
      requirements({ platforms: Array.from({ length: 201 }, (_, at) => `p${at}`) }),
      'jobs[0].requirements.platforms: too many',
    ],
    [
      requirements({ sites: { allowed: ['a'], banned: ['a'] } }),
      'jobs[0].requirements.sites: allowed and banned cancel out',
    ],
  ])('%o', (changes, expected) => {
    expect(violationsOf(changes)).toContain(expected)
  })

  it('all that is wrong at once, each with its path', () => {
    const wrong = violationsOf({
      executable: '',
      priority: -1,
      environment: { '': 'x' },
      ...requirements({ memoryBytes: 1, tags: [''] }),
    })
    expect(wrong).toHaveLength(5)
  })
})
