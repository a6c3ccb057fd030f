import fc from 'fast-check'
import type { Binary } from 'mongodb'
import { describe, expect, it } from 'vitest'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import { type JobFilter, passes } from '../../../core/model/job-filter.ts'
import type { Job, Phase } from '../../../core/model/job.ts'
import { type KeptJob, keptJob, packed, type Story, unpacked } from '../../../services/adapters/store/mongo/job-text.ts'
import { placeOf } from '../../../services/adapters/store/mongo/list-summary.ts'
import { jobsUpdate, listedJobs, newPage, type PageDocument, pageOf } from '../../../services/adapters/store/mongo/page.ts'
import { alice, sampleQueue } from '../../../sim/samples.ts'

const { id: classId, requirements } = sampleQueue()
const here = { site: 'home', cloud: 'here' }
const lease = { vmId: 'vm-1' as VmId, cores: 1, claimedMs: 1, untilMs: 2 }
const alike = { classId, priority: 2, jobGroup: '', jobType: '' }
const held: Story = [[2, 5, 'Held', { by: 'a', why: 'a\n"b"' }]]

function job(id: number, changes: Partial<Job> = {}): Job {
  const counts = { maxAttempts: 3, machineLosses: 0, maxMachineLosses: 10, attempt: 0 }
  const times = { submittedMs: 1, changedMs: 5 }
  const phase: Phase = { state: 'Waiting' }
  return { ...alice, ...alike, ...counts, ...times, id: id as JobId, name: 'j', phase, ...changes }
}

const mapOf = (jobs: readonly KeptJob[]) => new Map(jobs.map((one) => [one.job.id, one]))

function documentOf(jobs: readonly KeptJob[]): PageDocument {
  const first = jobs[0]?.job.id ?? (0 as JobId)
  return newPage({ first, owner: alice, ...alike, jobs: mapOf(jobs) }, 'w', requirements)
}

/** As versions before this one wrote a page: one line, with the story in the text of each job. */
function earlier(jobs: readonly KeptJob[]): Binary {
  const texts = jobs.map(({ text, story }) => (JSON.parse(text) as unknown[]).with(8, story))
  return packed(JSON.stringify(texts))
}

const storiesOf = (document: PageDocument) =>
  [...pageOf(document).jobs.values()].map(({ job: { id }, story }) => [id, story])

describe('stories lie beside the jobs', () => {
  const kept = [keptJob(job(1), here, held), keptJob(job(2), here, [])]
  const document: PageDocument = { ...documentOf(kept), z: earlier(kept) }

  it('a page of an earlier version gives them, and its next change moves them', () => {
    expect(storiesOf(document)).toEqual([
      [1, held],
      [2, []],
    ])
    const page = pageOf(document)
    // No story changes: they are written all the same.
    const moved: PageDocument = { ...document, ...jobsUpdate(page, page.jobs) }
    expect(unpacked(moved.z)).not.toContainEqual(expect.arrayContaining([held]))
    expect(storiesOf(moved)).toEqual(storiesOf(document))
    expect(pageOf(moved).isEarlier).toBe(false)
  })

  it('a change without a fact does not write them, a change with one and a removal do', () => {
    const page = pageOf({ ...document, ...jobsUpdate(pageOf(document), mapOf(kept)) })
    const [one, two] = [...page.jobs.values()] as [KeptJob, KeptJob]
    const renewed = keptJob({ ...one.job, changedMs: 9 }, here, one.story)
    expect(jobsUpdate(page, mapOf([renewed, two]))).not.toHaveProperty('y')
    const longer = keptJob(two.job, here, held)
    const changed = { ...document, ...jobsUpdate(page, mapOf([renewed, longer])) }
    expect(storiesOf(changed)).toEqual([
      [1, held],
      [2, held],
    ])
    const left = { ...changed, ...jobsUpdate(pageOf(changed), mapOf([longer])) }
    expect(unpacked(left.y as Binary)).toEqual([[2, held]])
  })

  it('what a process of an earlier version adds to a page of this one comes after what was there', () => {
    const page = pageOf(document)
    const moved: PageDocument = { ...document, ...jobsUpdate(page, page.jobs) }
    const added: Story = [[3, 7, 'Waiting', {}]]
    const over: PageDocument = { ...moved, z: earlier([keptJob(job(1), here, added), keptJob(job(2), here, added)]) }
    expect(storiesOf(over)).toEqual([
      [1, [...held, ...added]],
      [2, added],
    ])
    expect(storiesOf({ ...over, ...jobsUpdate(pageOf(over), pageOf(over).jobs) })).toEqual(storiesOf(over))
  })
})

const phases: readonly Phase[] = [
  { state: 'Waiting' },
  { state: 'Held', why: '{"state":"Running"', open: [] },
  { lease, state: 'Running', startedMs: 1 },
  { state: 'Matched', lease },
  { state: 'Failed', why: 'no', lease },
]
const oddNames = ['j', 'a,\n[7,"', '\\"', 'é\u2028', '{"state":"Held"']
const option = <T>(...values: T[]) => fc.option(fc.constantFrom(...values), { nil: undefined })

const anyJob = fc.record({
  name: fc.constantFrom(...oddNames),
  phase: fc.constantFrom(...phases),
  submittedMs: fc.integer({ min: 0, max: 9 }),
  changedMs: fc.integer({ min: 0, max: 9 }),
})
const anyFilter: fc.Arbitrary<JobFilter> = fc.record({
  states: option<JobFilter['states']>(['Waiting'], ['Held', 'Running'], ['Failed', 'Matched'], []),
  name: option(...oddNames),
  site: option('', 'home', 'away'),
  cloud: option('', 'here', 'there'),
  submittedFromMs: option(3),
  submittedToMs: option(7),
  changedFromMs: option(2),
  changedToMs: option(8),
})

describe('a list reads of a page what passes', () => {
  const isEven = ({ id }: { readonly id: number }): boolean => id % 2 === 0
  it.each(['this version', 'an earlier one'])('written by %s, as a look at all of its jobs does', (version) => {
    fc.assert(
      fc.property(fc.array(anyJob, { minLength: 1, maxLength: 20 }), anyFilter, (some, filter) => {
        const kept = some.map((changes, at) =>
          keptJob(job(at + 1, changes), at % 3 === 0 ? here : { site: 'away', cloud: '' }, []),
        )
        const document = documentOf(kept)
        const read = version === 'this version' ? document : { ...document, z: earlier(kept) }
        const wanted = kept.filter((one) => passes(one.job, placeOf(one), filter) && isEven(one.job))
        expect(listedJobs(read, filter, isEven)).toEqual(wanted.map((one) => ({ job: one.job, place: placeOf(one) })))
      }),
      { numRuns: 500 },
    )
  })
})
