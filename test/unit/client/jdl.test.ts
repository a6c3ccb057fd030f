/**
 * JDL files as DIRAC's users write them (test/jdl): every documented attribute, default and parametric form, and the odd
 * spellings. Each file says in comments what becomes of it: `//=` the jobs with what is not default, `//~` notes, `//!` what
 * is refused.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { readJobDocument, specsOf } from '../../../client/job-document.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { gatherViolations } from '../../../core/kernel/violations.ts'
import { readJob, writeJob } from '../../../core/language/document.ts'
import { jdlNames, jdlRow } from '../../../core/language/jdl/attributes.ts'
import { importJdl } from '../../../core/language/jdl/import.ts'
import { parseJdl } from '../../../core/language/jdl/parse.ts'
import { printJdl } from '../../../core/language/jdl/print.ts'
import { joinWords, splitWords } from '../../../core/language/jdl/words.ts'
import { requirementFields, specFields } from '../../../core/language/fields.ts'
import { anyMarkedSpec } from '../../support/any-spec.ts'

const folder = join(import.meta.dirname, '../../jdl')
const files = readdirSync(folder)

function expectations(text: string, mark: string): readonly string[] {
  return text.split(/\r?\n/).flatMap((line) => (line.startsWith(`//${mark} `) ? [line.slice(4)] : []))
}

/** The job as a document without what has its default. */
function notDefault(job: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const [usual] = specsOf(readJobDocument('Executable = "/usual";').jobs)
  const defaults = usual ? writeJob(usual) : {}
  const isDefault = (name: string, value: unknown): boolean => JSON.stringify(defaults[name]) === JSON.stringify(value)
  return Object.fromEntries(Object.entries(job).filter(([name, value]) => name === 'executable' || !isDefault(name, value)))
}

/** By its values: 60min is 1h, and 4000000000B is what a document writes of it. */
function asRead(job: unknown): Readonly<Record<string, unknown>> {
  const wrong = gatherViolations()
  const raw = readJob(job, '', wrong)
  wrong.settle('reading what a test expects')
  return { ...raw, ...raw.requirements, requirements: undefined }
}

describe('a JDL file', () => {
  it('is one of at least sixty', () => {
    expect(files.length).toBeGreaterThanOrEqual(60)
  })

  it.each(files)('%s becomes what it says', (file) => {
    const text = readFileSync(join(folder, file), 'utf8')
    const wrong = gatherViolations()
    const { jobs, notes } = importJdl(text, false, wrong)
    expect(notes.map(({ kind, attribute, why }) => `${kind} ${attribute}: ${why}`)).toEqual(expectations(text, '~'))
    const refused: string[] = []
    try {
      wrong.settle('reading')
    } catch (thrown) {
      for (const { path, rule } of (thrown as PilotageError).violations) refused.push(`${path}: ${rule}`)
    }
    expect(refused).toEqual(expectations(text, '!'))
    if (refused.length > 0) return
    const expected = parseAllDocuments(expectations(text, '=').join('\n')).map((one) => one.toJS() as object)
    const read = specsOf(readJobDocument(text).jobs).map((spec) => notDefault(writeJob(spec)))
    expect(read.map(asRead)).toEqual(expected.map(asRead))
    expect(jobs).toHaveLength(expected.length)
  })

  it('that is not honoured in part is read as far as it is, if the user accepts that', () => {
    const text = 'Executable = "run.sh"; InputData = {"/vo/file"}; WholeNode = true; CPUTime = 60;'
    expect(() => readJobDocument(text)).toThrow(PilotageError)
    const { jobs, notes } = readJobDocument(text, { acceptDropped: true })
    expect(specsOf(jobs)).toMatchObject([{ executable: 'run.sh', requirements: { cpuWorkMs: 60_000, wholeNode: true } }])
    expect(notes.map(({ kind, attribute }) => `${kind} ${attribute}`)).toEqual(['dropped InputData'])
  })
})

describe("DIRAC's names in the field table", () => {
  const named = [...Object.values(specFields), ...Object.values(requirementFields)].flatMap(
    ({ dirac }) => dirac?.match(/\b[A-Z]\w+/g) ?? [],
  )

  it.each(named.filter((name) => name !== 'CPU'))('%s is an attribute that is read', (name) => {
    expect(jdlRow(name)).toBeDefined()
  })

  it('are spelt once', () => {
    expect(new Set(jdlNames.map((name) => name.toLowerCase())).size).toBe(jdlNames.length)
  })
})

describe('printing', () => {
  it('gives a text that is read as the same job', () => {
    fc.assert(
      fc.property(anyMarkedSpec, (spec) => {
        const { jobs, notes } = readJobDocument(printJdl(spec))
        expect(specsOf(jobs)).toEqual([spec])
        expect(notes).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  it('of arguments gives what is split into the same', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), (words) => {
        expect(splitWords(joinWords(words))).toEqual(words)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('any text', () => {
  const pieces = fc.array(
    fc.oneof(
      fc.constantFrom(...'[]{}=;,"\'\\()#/*\n \t%'),
      fc.constantFrom(
        'Executable',
        'Parameters',
        'Parameters.a',
        'ParameterFactor',
        'Tags',
        'true',
        '3',
        '%(a)s',
        '%s',
        '//',
        '/*',
        '*/',
      ),
      fc.string({ maxLength: 5 }),
    ),
    { maxLength: 60 },
  )

  it('of many parameters and unknown attributes looks each name up once', () => {
    const unknown = Array.from({ length: 300 }, (_, at) => `Zzz${at} = "b";`).join('\n')
    const clock = systemClock()
    const beginMs = clock.monotonicMs()
    const { jobs } = readJobDocument(`Executable = "a"; Parameters = 1000;\n${unknown}`, { acceptDropped: true })
    expect(jobs).toHaveLength(1000)
    // It took 25 seconds.
    expect(clock.monotonicMs() - beginMs).toBeLessThan(8000)
  })

  it('asks for no more attributes in all than can be read', () => {
    const many = Array.from({ length: 900 }, (_, at) => `Zzz${at} = "b";`).join('\n')
    const wrong = gatherViolations()
    importJdl(`Executable = "a"; Parameters = 10000;\n${many}`, true, wrong)
    expect(() => wrong.settle('')).toThrow(PilotageError)
    expect(wrong.count()).toBe(1)
  })

  it('is read or refused, and never fails otherwise', () => {
    fc.assert(
      fc.property(pieces, (all) => {
        const wrong = gatherViolations()
        const { jobs } = importJdl(all.join(''), true, wrong)
        expect(jobs.length > 0 || wrong.count() > 0).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  it.each([
    ['open brackets', (length: number) => 'a = '.padEnd(length, '{')],
    ['records', (length: number) => 'a=['.repeat(length / 3)],
    ['blanks and names', (length: number) => 'a '.repeat(length / 2)],
    ['comments', (length: number) => '/*'.repeat(length / 2)],
    ['quotes in an expression', (length: number) => `a = (${'"x'.repeat(length / 2)}"`],
    ['backslashes', (length: number) => `a = "${'\\'.repeat(length)}`],
    ['a line of commas', (length: number) => `a = ${'1,'.repeat(length / 2)}`],
    ['names without values', (length: number) => 'a\n'.repeat(length / 2)],
    ['equals signs', (length: number) => 'a='.repeat(length / 2)],
  ])('takes no more than linear time: %s', (_, make) => {
    // Counted in the letters that are looked at: a text of 4 million letters ends at all only if that is linear.
    const wrong = gatherViolations()
    parseJdl(make(4_000_000), wrong)
    expect(wrong.count()).toBeGreaterThan(0)
  })
})
