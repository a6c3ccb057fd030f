/** Which pilot gets which jobs: at the seam of the store, with the real index, and pilots that count what they are given. */

import { describe, expect, it } from 'vitest'
import type { ClassId, JobId, VmId } from '../../../core/kernel/ids.ts'
import { noAmounts, type Place, type Resources, type Room } from '../../../core/model/resources.ts'
import type { TaskQueue, WaitingJob } from '../../../core/model/task-queue.ts'
import type { JobOutcome } from '../../../core/ports/store.ts'
import { openLedger } from '../../../core/share/ledger.ts'
import { matcher, type OpenPilot } from '../../../services/matcher/matcher.ts'
import { waitingIndex } from '../../../services/matcher/waiting-index.ts'
import { alice, bob, sampleQueue, sampleRequirements, sampleSpec } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

type Claim = {
  readonly kind: string
  readonly jobId: JobId
  readonly vmId: VmId
  readonly cores: number
  readonly untilMs: number
}
type Answer = (claim: Claim) => 'granted' | 'vm-full' | 'vm-not-active' | 'not-waiting'

const queue = sampleQueue()
const many = (count: number, from = 1) =>
  Array.from({ length: count }, (_, at): WaitingJob => ({ id: (from + at) as JobId, priority: 0, submittedMs: at }))

function outcomeOf({ jobId }: Claim, what: ReturnType<Answer>): JobOutcome {
  const outcome =
    what === 'granted' ? { ok: true, job: { id: jobId, attempt: 1 }, spec: sampleSpec() } : { ok: false, why: what }
  return outcome as unknown as JobOutcome
}

function world(answer: Answer = () => 'granted') {
  const clock = virtualClock(1000)
  const batches: (readonly Claim[])[] = []
  const errors: unknown[] = []
  let stored: readonly WaitingJob[] = []
  let isStoreDown = false
  const waiting = waitingIndex({
    readNext: async () => stored,
    onError: (error) => errors.push(error),
    ledger: openLedger(0),
  })
  const match = matcher({
    store: {
      change: async (events) => {
        const claims = events as unknown as readonly Claim[]
        batches.push(claims)
        if (isStoreDown) throw new Error('the store is down')
        return claims.map((claim) => outcomeOf(claim, answer(claim)))
      },
    },
    waiting,
    ledger: openLedger(0),
    clock,
    leaseMs: 9000,
    outcomes: { changed: async () => {} },
    onError: (error) => errors.push(error),
  })

  function pilot(name: string, slots: number, at: Partial<Place> = {}, reserved?: ClassId) {
    const place: Place = { cloud: 'here', site: 'home', platform: 'linux', tags: [], vos: [], ...at }
    const held = new Set<Resources>()
    const [granted, returned]: [number[], string[]] = [[], []]
    const open: OpenPilot = {
      vmId: `vm-${name.padEnd(10, 'a')}` as VmId,
      place,
      room: (): Room => {
        const cores = slots - [...held].reduce((sum, one) => sum + one.cores, 0)
        return { cores, ...noAmounts, memoryBytes: 2 ** 50, diskBytes: 2 ** 50, remainingMs: Infinity }
      },
      wants: () => slots - held.size - (returned.includes('closed') ? slots : 0),
      reservedFor: () => reserved,
      reserve: (taken) => void held.add(taken),
      grant: ({ jobId }) => void granted.push(jobId),
      giveBack: (taken, why) => {
        // A VM whose record is full waits before it offers again.
        if (why === 'gone' || why === 'unknown') held.delete(taken)
        returned.push(why)
      },
    }
    match.join(open)
    return { open, granted, returned }
  }
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn += 1) await clock.settle()
  }
  const submit = async (of: TaskQueue, jobs: readonly WaitingJob[]): Promise<void> => {
    waiting.arrived(of, jobs)
    match.serveQueue(of)
    await settle()
  }
  const down = (isDown: boolean): void => {
    isStoreDown = isDown
  }
  const inStore = (jobs: readonly WaitingJob[]): void => {
    stored = jobs
  }
  return { match, waiting, batches, errors, pilot, submit, settle, down, inStore }
}

describe('jobs that come', () => {
  it('fill the VMs in the order in which these came, and with one claim of the store for each', async () => {
    const { pilot, submit, batches } = world()
    const [one, two, three] = [pilot('one', 2), pilot('two', 2), pilot('three', 2)]
    await submit(queue, many(3))
    expect([one.granted, two.granted, three.granted]).toEqual([[1, 2], [3], []])
    const claim = { kind: 'claim', vmId: 'vm-oneaaaaaaa', cores: 1, untilMs: 10_000 }
    expect(batches[0]).toEqual([
      { ...claim, jobId: 1 },
      { ...claim, jobId: 2 },
    ])
    expect(batches).toHaveLength(2)
  })

  it('go to none that has left', async () => {
    const { match, pilot, submit } = world()
    const [gone, here] = [pilot('gone', 2), pilot('here', 1)]
    match.leave(gone.open)
    await submit(queue, many(2))
    match.serve(gone.open)
    expect([gone.granted, here.granted]).toEqual([[], [1]])
  })

  it.each<[string, Partial<Place>, boolean]>([
    ['of the VO', { vos: [alice.vo] }, true],
    ['of another VO', { vos: ['other'] }, false],
    ['of the site', { site: 'away' }, false],
    ['with the tag', { tags: ['gpu'] }, true],
  ])('go to a VM %s: %o: %s', async (_, at, isGiven) => {
    const { pilot, submit } = world()
    const one = pilot('one', 1, at)
    const requirements = sampleRequirements(
      at.site || !at.tags ? { sites: { allowed: ['home'], banned: [] } } : { tags: at.tags },
    )
    await submit(sampleQueue(alice, requirements), many(1))
    expect(one.granted).toEqual(isGiven ? [1] : [])
  })

  it('take at most 256 of one offer', async () => {
    const { pilot, submit, batches } = world()
    pilot('one', 300)
    await submit(queue, many(300))
    expect(batches[0]).toHaveLength(256)
  })
})

describe('a reserved VM', () => {
  it('gets one job of its task queue, and none of another', async () => {
    const wide = sampleQueue(bob, sampleRequirements({ cores: { min: 2, max: 2 } }))
    const { match, pilot, submit, batches } = world()
    const one = pilot('one', 4, {}, wide.id)
    await submit(queue, many(3))
    expect(batches).toEqual([])
    await submit(wide, many(2, 10))
    expect([one.granted, batches.length]).toEqual([[10], 1])
    match.serveAll()
    expect(batches.map((claims) => claims.length)).toEqual([1, 1])
  })
})

describe('a claim that is refused', () => {
  it.each(['vm-full', 'vm-not-active'] as const)('for the sake of the VM (%s) goes to another VM', async (why) => {
    const { pilot, submit } = world(({ vmId }) => (vmId.startsWith('vm-one') ? why : 'granted'))
    const [one, two] = [pilot('one', 1), pilot('two', 2)]
    await submit(queue, many(2))
    expect(one.granted).toEqual([])
    expect(one.returned[0]).toBe(why === 'vm-full' ? 'full' : 'closed')
    expect(two.granted.toSorted()).toEqual([1, 2])
  })

  it('because others were faster is not asked again, and the rest is read before it is used', async () => {
    const { pilot, submit, inStore, batches } = world(({ jobId }) => (jobId === 1 ? 'not-waiting' : 'granted'))
    const one = pilot('one', 1)
    inStore(many(1, 3))
    await submit(queue, many(3))
    expect([one.returned, one.granted]).toEqual([['gone'], [3]])
    expect(batches.flat().map(({ jobId }) => jobId)).toEqual([1, 3])
  })

  it('because others were faster leaves the room for another task queue at once', async () => {
    const { pilot, submit, waiting } = world(({ jobId }) => (jobId === 1 ? 'not-waiting' : 'granted'))
    const one = pilot('one', 1)
    waiting.arrived(sampleQueue(alice, sampleRequirements({ wallMs: 1000 })), many(1, 5))
    await submit(
      queue,
      many(1).map((job) => ({ ...job, priority: 9 })),
    )
    expect(one.granted).toEqual([5])
  })

  it('because the store did not answer is reported, and its job waits on', async () => {
    const { match, pilot, submit, settle, down, errors } = world()
    const one = pilot('one', 1)
    down(true)
    await submit(queue, many(1))
    expect([errors, one.returned, one.granted]).toEqual([[new Error('the store is down')], ['unknown'], []])
    down(false)
    match.serveAll()
    await settle()
    expect(one.granted).toEqual([1])
  })
})

it('what was read from the store is given to those who want it', async () => {
  const { pilot, waiting, settle, inStore } = world()
  const one = pilot('one', 2)
  inStore(many(2))
  waiting.learn([{ queue, waiting: 2, topPriority: 0, oldestMs: 1 }])
  await settle()
  expect(one.granted).toEqual([1, 2])
})
