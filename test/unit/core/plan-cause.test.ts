/**
 * Causes of the plan: one text for every kind, and the same data after they were kept in a note, also one of another
 * version.
 */

import { describe, expect, it } from 'vitest'
import type { ClassId } from '../../../core/kernel/ids.ts'
import type { Blocked, Cause } from '../../../core/plan/cause.ts'
import { blockedText, causeText } from '../../../core/plan/cause-text.ts'
import { planOf, planText } from '../../../core/plan/cloud-note.ts'
import type { BlockedLine, PlanLine } from '../../../core/plan/fleet.ts'
import { planLineOfWire, planLineToWire } from '../../../proto/codec/operate.ts'
import { PlanLine as WirePlanLine } from '../../../proto/gen/pilotage/v1/operate.ts'
import { cloudsView } from '../../../services/views/cloud.ts'

const gib = 1024 ** 3
const broken = [
  { rule: 'cores', holds: false, wanted: '64', offered: '4' },
  { rule: 'tags', holds: false, wanted: 'gpu', offered: 'none' },
]

const causes: readonly (readonly [Cause, string])[] = [
  [{ why: 'covered', by: 'free' }, 'free room on active VMs'],
  [{ why: 'covered', by: 'coming' }, 'VMs on their way'],
  [{ why: 'covered', by: 'soon' }, 'running jobs that may end soon'],
  [{ why: 'no-fit' }, 'no offering fits'],
  [
    { why: 'no-fit', closest: { cloud: 'here', flavor: 'small', broken } },
    'no offering fits; closest: here/small (cores: wanted 64, offered 4; tags: wanted gpu, offered none)',
  ],
  [{ why: 'limit', limit: { name: 'vms', used: 40, max: 40 } }, '40 of 40 VMs'],
  [{ why: 'limit', limit: { name: 'cores', used: 24, max: 31 } }, '24 of 31 cores'],
  [{ why: 'quota', limit: { name: 'memory', used: 16 * gib, max: 17 * gib } }, '16 GiB of 17 GiB memory'],
  [{ why: 'ramp', maxCreates: 5 }, 'maximum of 5 creates per step'],
  [
    { why: 'breaker', breaker: { kind: 'cloud', name: 'here', state: 'open', untilMs: 0, why: 'refused' } },
    'cloud here: open until 1970-01-01T00:00:00.000Z (refused)',
  ],
  [
    { why: 'breaker', breaker: { kind: 'flavor', name: 'here/small', state: 'half-open', why: 'no host' } },
    'flavor here/small: half-open, one probe (no host)',
  ],
  [{ why: 'unread', reading: { kind: 'failed', failure: 'timed out' } }, 'the cloud could not be read: timed out'],
  [{ why: 'unread', reading: { kind: 'never' } }, 'the cloud has not been read yet'],
  [{ why: 'unread', reading: { kind: 'stale', listBeganMs: 0 } }, "the cloud's last list is of 1970-01-01T00:00:00.000Z"],
  [{ why: 'frozen', reading: { kind: 'never' } }, 'nothing is ended: the cloud has not been read yet'],
  [{ why: 'frozen', reading: { kind: 'implausible', words: 'it lacks VMs' } }, 'nothing is ended: it lacks VMs'],
  [
    { why: 'frozen', reading: { kind: 'not-configured', vms: 2 } },
    'nothing is ended: the cloud is not configured and 2 of our VMs may be there',
  ],
  [{ why: 'image', words: 'image el9 is not in the catalogue' }, 'image el9 is not in the catalogue'],
]

const lineOf = (blocked: Blocked): BlockedLine => ({
  kind: 'hold',
  cloud: 'here',
  queues: ['q' as ClassId],
  jobs: 3,
  ...blocked,
})
const kept = (line: PlanLine): PlanLine | undefined => planOf(planText({ atMs: 1, lines: [line] }))?.lines[0]

describe('a cause', () => {
  it.each(causes)('has a text: %o', (cause, text) => {
    expect(causeText(cause)).toBe(text)
  })

  it.each(causes)('is the same after it was kept in a note: %o', (cause) => {
    expect(kept(lineOf({ cause }))).toEqual(lineOf({ cause }))
  })

  it.each(causes)('travels to a client, with the limit that it names: %o', (cause, text) => {
    const row = { atMs: 1, action: 'hold', subject: 'here', count: 3, cause } as const
    const [shown] = cloudsView({ clouds: [], plan: [row] }).plan
    if (!shown) throw new Error('a row gives a row')
    const {
      cause: word,
      reason,
      limit,
    } = planLineOfWire(WirePlanLine.decode(WirePlanLine.encode(planLineToWire(shown)).finish()))
    expect([word, reason, limit]).toEqual([cause.why, text, 'limit' in cause ? cause.limit : undefined])
  })
})

describe('a shortage of a service', () => {
  const shortage = { service: 'squid', site: 'home', present: 0, wanted: 2 }

  it('stands before the cause, and is kept with it', () => {
    const line = lineOf({ cause: { why: 'no-fit' }, shortage })
    expect(blockedText(line)).toBe('site home has 0 of 2 wanted squid VMs: no offering fits')
    expect(kept(line)).toEqual(line)
  })
})

describe('a plan note', () => {
  const { cause: _, ...plain } = lineOf({ cause: { why: 'no-fit' } })
  const read = (line: object): PlanLine | undefined => planOf(JSON.stringify({ atMs: 1, lines: [line] }))?.lines[0]

  it('of an older director gives the text that it has', () => {
    const cause = { why: 'quota', words: '40 of 40 VMs' }
    expect(read({ ...plain, why: 'quota', reason: '40 of 40 VMs' })).toEqual({ ...plain, cause })
  })

  it('of a newer director gives its text where the cause is unknown here', () => {
    const line = { ...plain, why: 'budget', reason: '9 of 9 euros', cause: { why: 'budget', euros: 9 } }
    expect(read(line)).toEqual({ ...plain, cause: { why: 'budget', words: '9 of 9 euros' } })
  })

  it('has the text for an older reader', () => {
    const text = planText({ atMs: 1, lines: [lineOf({ cause: { why: 'ramp', maxCreates: 5 } })] })
    expect(JSON.parse(text)).toMatchObject({ lines: [{ why: 'ramp', reason: 'maximum of 5 creates per step' }] })
  })

  it('keeps other lines as they are', () => {
    const line = { kind: 'stop', cloud: 'here', vmId: 'vm-a', reason: 'life over', bootFailed: false } as unknown as PlanLine
    expect(kept(line)).toEqual(line)
  })
})
