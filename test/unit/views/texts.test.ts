/** The texts that edges make of data: breakers, plan lines, and what a task queue waits for. */

import { expect, it } from 'vitest'
import { actionText, breakersText } from '../../../services/views/cloud.ts'
import { waitsForText } from '../../../services/views/task-queue.ts'

it('says of breakers what is not asked, until when and why', () => {
  const open = { kind: 'cloud', name: 'here', state: 'open', untilMs: 0, why: 'refused' } as const
  const probed = { kind: 'image', name: 'here/small/plain', state: 'half-open', why: 'never came up' } as const
  expect(breakersText({ breakers: [] })).toBe('closed')
  expect(breakersText({ breakers: [open, probed] })).toBe(
    'cloud here: open until 1970-01-01T00:00:00.000Z (refused); image here/small/plain: half-open, one probe (never came up)',
  )
})

it('names the action of a plan line with its reason, where it has one', () => {
  expect(actionText({ action: 'create' })).toBe('create')
  expect(actionText({ action: 'hold', why: 'limit' })).toBe('hold: limit')
})

it('says what a task queue waits for', () => {
  expect(waitsForText({ kind: 'room', up: 2, coming: 1 })).toBe('room on 2 VMs that fit it; 1 more are coming')
  expect(waitsForText({ kind: 'vm', cloud: 'here', flavor: 'small', image: 'plain' })).toBe('a VM: here/small/plain fits')
  expect(waitsForText({ kind: 'cloud' })).toBe('a cloud: none is configured')
  const rule = { rule: 'cores', holds: false, wanted: '64', offered: '8' } as const
  expect(waitsForText({ kind: 'nothing', closest: [rule] })).toBe(
    'an offering: none fits; closest (cores: wanted 64, offered 8)',
  )
})
