/** What is said to a pilot within one turn goes out as one message, once. */

import { expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { Assignment, ServiceMessage } from '../../../core/model/pilot.ts'
import { openOutbox, type Outbox } from '../../../services/matcher/outbox.ts'
import { sampleSpec } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const ref = { jobId: 1 as JobId, attempt: 1 }
const ack = { ...ref, reportId: 1, refusal: '' as const }
const assignment: Assignment = { ...ref, spec: sampleSpec(), cores: 1, leaseMs: 9000, vo: 'v', owner: 'o' }
const command = { kind: 'drain', reason: 'by hand' } as const
const welcome = { leaseMs: 9000 } as NonNullable<ServiceMessage['welcome']>
const nothing: ServiceMessage = {
  welcome: undefined,
  acks: [],
  assignments: [],
  commands: [],
  renewedMs: undefined,
}

function opened(): { outbox: Outbox; sent: ServiceMessage[]; settle: () => Promise<void> } {
  const clock = virtualClock()
  const sent: ServiceMessage[] = []
  return { outbox: openOutbox(clock, (message) => sent.push(message)), sent, settle: () => clock.settle() }
}

const kinds: readonly [string, (outbox: Outbox) => void, Partial<ServiceMessage>][] = [
  ['a welcome', (outbox) => outbox.welcome(welcome), { welcome }],
  ['an acknowledgement', (outbox) => outbox.ack(ack), { acks: [ack] }],
  ['an assignment', (outbox) => outbox.assign(assignment), { assignments: [assignment] }],
  ['a command', (outbox) => outbox.command(command), { commands: [command] }],
  ['a renewal', (outbox) => outbox.renewed(9000), { renewedMs: 9000 }],
]

it.each(kinds)('%s goes out alone, and not again with what follows', async (_, say, content) => {
  for (const [, next, other] of kinds) {
    const { outbox, sent, settle } = opened()
    say(outbox)
    expect(sent).toEqual([])
    await settle()
    expect(sent).toEqual([{ ...nothing, ...content }])
    next(outbox)
    await settle()
    expect(sent.slice(1)).toEqual([{ ...nothing, ...other }])
  }
})

it('everything of one turn is one message, in order', async () => {
  const { outbox, sent, settle } = opened()
  for (const [, say] of kinds) say(outbox)
  outbox.ack({ ...ack, reportId: 2 })
  await settle()
  const acks = [ack, { ...ack, reportId: 2 }]
  expect(sent).toEqual([{ welcome, acks, assignments: [assignment], commands: [command], renewedMs: 9000 }])
  await settle()
  expect(sent).toHaveLength(1)
})

it('nothing goes out after it was closed, what waits included', async () => {
  const { outbox, sent, settle } = opened()
  outbox.ack(ack)
  outbox.close()
  await settle()
  outbox.command(command)
  await settle()
  expect(sent).toEqual([])
})
