/** What closes the breaker of an image: a VM of it that came up after it failed, and nothing else. */

import { expect, it } from 'vitest'
import type { KeptVm, Vm } from '../../../core/model/vm.ts'
import { noResources } from '../../../core/model/resources.ts'
import { openBreakers } from '../../../services/director/breakers.ts'
import { activeVm, sampleVm } from '../../../sim/samples.ts'

const policy = { failures: 2, backoffMs: 60_000, maxBackoffMs: 600_000 }
const failedMs = 1_000_000
const shape = { cloud: 'here', flavor: 'small', image: 'el9' }
const offering = sampleVm('offering', shape)
const kept = (vm: Vm): KeptVm => ({ vm, leases: 0, used: noResources })
const upSince = (activeMs: number, changes: Partial<Vm> = {}): Vm =>
  activeVm('one', { ...shape, phase: { state: 'Active', ref: 'r', activeMs }, ...changes })

function opened() {
  const breakers = openBreakers('here', policy, [])
  for (let at = 0; at < policy.failures; at += 1) breakers.bootFailed(offering, 'it does not boot', failedMs)
  expect(breakers.isOpen(offering, failedMs)).toBe(true)
  return breakers
}

it.each<[string, Vm, boolean]>([
  ['a VM of it that came up afterwards', upSince(failedMs + 1), true],
  [
    'a VM of it that drains and came up afterwards',
    upSince(failedMs + 1, {
      phase: { state: 'Draining', ref: 'r', activeMs: failedMs + 1, why: '' },
    }),
    true,
  ],
  ['a VM of it that came up before', upSince(failedMs - 1), false],
  ['a VM of it that came up at that moment', upSince(failedMs), false],
  ['a VM of it that has not come up', sampleVm('one', { ...shape, phase: { state: 'Booting', ref: 'r' } }), false],
  ['a VM of another image', upSince(failedMs + 1, { image: 'el8' }), false],
  ['a VM of another flavor', upSince(failedMs + 1, { flavor: 'large' }), false],
  ['a VM of another cloud', upSince(failedMs + 1, { cloud: 'there' }), false],
  ['a squid of the same image', upSince(failedMs + 1, { service: 'squid' }), false],
])('%s', (_, vm, closes) => {
  const breakers = opened()
  breakers.learn([kept(vm)])
  expect(breakers.isOpen(offering, failedMs)).toBe(!closes)
  expect(breakers.news().map(({ kind }) => kind)).toEqual(closes ? ['breaker opened', 'breaker closed'] : ['breaker opened'])
})
