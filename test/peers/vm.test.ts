/**
 * A machine that really boots from what the director renders, through a real squid: the scenario of that name, as one test.
 */

import { expect, it } from 'vitest'
import { vm } from '../e2e/vm.ts'
import { stageForVm } from './servers.ts'

const longMs = 22 * 60_000

it('boots, works through the squid, keeps its secrets, and powers itself off', { timeout: longMs }, async () => {
  const { figures, shortfalls } = await vm.run(stageForVm())
  expect(shortfalls).toEqual([])
  expect(figures).toMatchObject({ leaks: 0, vms: 1, end: 'Gone' })
})
