/** What an owner is charged in advance for a claim is given back wherever the claim is not granted. */

import { expect, it } from 'vitest'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import { usageAdvanceMs } from '../../../core/kernel/limits.ts'
import { openLedger } from '../../../core/share/ledger.ts'
import type { Room } from '../../../core/model/resources.ts'
import type { JobOutcome } from '../../../core/ports/store.ts'
import { matcher, type NotGranted, type OpenPilot } from '../../../services/matcher/matcher.ts'
import type { Picked } from '../../../services/matcher/waiting-index.ts'
import { sampleQueue, sampleSpec } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const queue = sampleQueue()
const room: Room = { cores: 4, memoryBytes: 2 ** 40, diskBytes: 2 ** 40, remainingMs: 10 ** 9 }

/** One pilot that wants one job, and a store that answers its claim so. */
async function claimed(answer: () => Promise<readonly JobOutcome[]>) {
  const clock = virtualClock()
  const waiting: Picked[] = [{ queue, job: { id: 7 as JobId, priority: 0, submittedMs: 1 } }]
  const given: NotGranted[] = []
  const granted: number[] = []
  const ledger = openLedger(clock.nowMs())
  const chargedNow = (): number => ledger.usageOf(queue, clock.nowMs())
  let wants = 1
  const pilot: OpenPilot = {
    vmId: 'vm-chargedaaa' as VmId,
    place: { cloud: 'here', site: 'home', platform: 'linux', tags: [], vos: [] },
    room: () => room,
    wants: () => wants,
    reservedFor: () => undefined,
    reserve: () => {
      wants -= 1
    },
    grant: ({ jobId }) => void granted.push(jobId),
    giveBack: (_, why) => void given.push(why),
  }
  const matching = matcher({
    store: { change: answer },
    waiting: {
      take: () => waiting.pop(),
      takeOf: () => undefined,
      arrived: () => {},
      reranked: () => {},
      missed: () => {},
      learn: () => {},
      onReady: () => {},
      tick: () => {},
    },
    ledger,
    clock,
    leaseMs: 1000,
    outcomes: { changed: async () => {} },
    onError: () => {},
  })
  matching.join(pilot)
  matching.serve(pilot)
  const atOnce = chargedNow()
  await clock.settle()
  return { atOnce, charged: chargedNow(), given, granted }
}

const refused = (why: string) => async () => [{ ok: false, why }] as unknown as readonly JobOutcome[]

it.each([
  ['the job is gone', refused('not-waiting'), 'gone'],
  ['the VM takes no more jobs', refused('vm-not-active'), 'closed'],
  ['its record has no room', refused('vm-full'), 'full'],
  ['the store may have granted it', () => Promise.reject(new Error('no answer')), 'unknown'],
])('nothing where %s', async (_, answer, why) => {
  const { atOnce, charged, given, granted } = await claimed(answer)
  expect(atOnce).toBeGreaterThanOrEqual(usageAdvanceMs)
  expect({ charged, given, granted }).toEqual({ charged: 0, given: [why], granted: [] })
})

it('the advance where it is granted', async () => {
  const job = { id: 7 as JobId, attempt: 1 }
  const answer = async () => [{ ok: true, job, spec: sampleSpec() }] as unknown as readonly JobOutcome[]
  const { atOnce, charged, given, granted } = await claimed(answer)
  expect({ charged, given, granted }).toEqual({ charged: atOnce, given: [], granted: [7] })
})
