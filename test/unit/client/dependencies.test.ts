import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import { checkSpec, type RawSpec } from '../../../core/language/check.ts'
import type { Violation } from '../../../core/kernel/errors.ts'
import { dependencyConditions, type Dependency } from '../../../core/model/dependency.ts'
import { jobDocument, readJobDocument, specsOf } from '../../../client/job-document.ts'
import { parts } from '../../../client/submission.ts'
import { rawSpecOf, rawSpecToWire } from '../../../proto/codec/specs.ts'
import { DependencyCondition, JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { sampleSpec } from '../../../sim/samples.ts'

function afterOf(text: string): readonly (readonly Dependency[] | undefined)[] {
  return readJobDocument(text).jobs.map((job) => rawSpecOf(job).after)
}

function refusalOf(text: string): string {
  try {
    readJobDocument(text)
  } catch (error) {
    const [first] = (error as { violations: Violation[] }).violations
    return `${first?.path}: ${first?.rule}`
  }
  return ''
}

describe('after in a document', () => {
  it('names jobs by id, name and position', () => {
    const text = `
- { name: a, executable: x }
- { executable: x, after: [a, 17, { job: 18, when: ended }, { job: x, when: failed }, { index: 0 }] }
`
    expect(refusalOf(text)).toBe('jobs[1].after[3]: waits for itself')
    expect(afterOf(text.replace('{ job: x, when: failed }, { index: 0 }', '{ job: 19, when: failed }'))[1]).toEqual([
      { name: 'a', when: 'ok' },
      { job: 17, when: 'ok' },
      { job: 18, when: 'ended' },
      { job: 19, when: 'failed' },
    ])
  })

  it.each([
    ['after: a', 'after: not a list'],
    ['after: [0]', 'after[0]: not a job'],
    ['after: [1.5]', 'after[0]: not a job'],
    ['after: [{ job: 1, index: 0 }]', 'after[0]: names one job: job or index'],
    ['after: [{ when: ok }]', 'after[0]: names one job: job or index'],
    ['after: [{ job: 1, when: never }]', 'after[0].when: not a condition'],
    ['after: [{ job: 1, whn: ok }]', 'after[0].whn: no such field'],
    ['after: [{ index: -1 }]', 'after[0].index: not a position in the submission'],
    ['after: [{ index: 10000 }]', 'after[0]: not a position in the submission'],
    ['after: [""]', 'after[0]: names no job'],
    ['after: [x]', 'after[0]: waits for itself'],
    ['after: [y]', 'after[0]: no job of this submission has this name'],
  ])('is refused as %s', (field, refusal) => {
    expect(refusalOf(`executable: x\n${field}\n`)).toBe(refusal)
  })

  it('is of JDL, too, and a circle is found there', () => {
    const jdl = (on: string) =>
      `[ Executable = "a"; Pilotage.after = {"${on}"}; ]\n[ Executable = "b"; Pilotage.after = {17, [job = 18; when = "ended"]}; ]`
    expect(afterOf(jdl('b'))).toEqual([
      [{ name: 'b', when: 'ok' }],
      [
        { job: 17, when: 'ok' },
        { job: 18, when: 'ended' },
      ],
    ])
    expect(refusalOf(jdl('b').replace('17', '"a"'))).toBe(
      'jobs[0]: Pilotage.after: a circle: none of these jobs could ever start',
    )
  })

  it('is read back as it was written, and travels as it is', () => {
    const target = fc.oneof(
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map((job) => ({ job: job as JobId })),
      fc.constantFrom('one', 'two', '7', 'true').map((name) => ({ name })),
    )
    const anyAfter = fc.uniqueArray(
      fc.tuple(target, fc.constantFrom(...dependencyConditions)).map(([on, when]): Dependency => ({ ...on, when })),
      { minLength: 1, maxLength: 5, selector: (one) => JSON.stringify({ ...one, when: '' }) },
    )
    fc.assert(
      fc.property(anyAfter, (after) => {
        const others = ['one', 'two', '7', 'true'].map((name) => sampleSpec({ name }))
        const waiting = sampleSpec({ name: 'waits', after })
        const read = readJobDocument(jobDocument(...others, waiting)).jobs
        expect(specsOf(read).at(-1)?.after).toEqual(after)
        const wire = JobSpec.decode(JobSpec.encode(rawSpecToWire(waiting)).finish())
        expect(rawSpecOf(wire).after).toEqual(after)
      }),
    )
  })
})

describe('after on the wire', () => {
  const violationsOf = (after: Partial<JobSpec>['after']): string[] => {
    const violations: Violation[] = []
    const spec = JobSpec.fromPartial({ executable: 'x', after })
    checkSpec(rawSpecOf(spec) as RawSpec, 'jobs[0]', violations)
    return violations.map(({ path, rule }) => `${path}: ${rule}`)
  }

  it('is refused without a job, with an id that is none, and with a condition that is not known', () => {
    expect(violationsOf([{ when: 0 }])).toEqual(['jobs[0].after[0]: names no job'])
    expect(violationsOf([{ jobId: 0, when: 0 }])).toEqual(['jobs[0].after[0]: not a job id'])
    expect(violationsOf([{ jobId: 1, when: 9 as DependencyCondition }])).toEqual(['jobs[0].after[0].when: not a condition'])
    expect(violationsOf(Array.from({ length: 1001 }, (_, at) => ({ jobId: at + 1, when: 0 })))).toEqual([
      'jobs[0].after: too many',
    ])
    expect(violationsOf([{ jobId: 1, when: DependencyCondition.FAILED }])).toEqual([])
  })

  it('names no job beyond its call', async () => {
    const jobs = Array.from({ length: 5 }, (_, at) =>
      JobSpec.fromPartial({ executable: 'x', after: at === 1 ? [{ index: 0 }] : [] }),
    )
    const cut = async (limit: number, some = jobs) => {
      const calls: unknown[] = []
      for await (const call of parts(some, 'k', { jobs: limit, bytes: 10_000 })) calls.push(call)
      return calls.length
    }
    expect(await cut(5)).toBe(1)
    await expect(cut(4)).rejects.toMatchObject({ code: 'too-large' })
    const byId = jobs.map((one) => ({ ...one, after: one.after.map(() => ({ jobId: 7, when: DependencyCondition.OK })) }))
    expect(await cut(4, byId)).toBe(2)
  })
})
