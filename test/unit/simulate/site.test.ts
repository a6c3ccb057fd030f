import { expect, it } from 'vitest'
import type { PilotageError } from '../../../core/kernel/errors.ts'
import { siteOf } from '../../../sim/simulate/site.ts'
import { sampleSite, smallFlavor } from './sample-trace.ts'

it('has the knobs of the service with their defaults', () => {
  const site = sampleSite()
  expect(site.director).toEqual({ intervalMs: 10_000, listStaleMs: 120_000 })
  expect(site.vm).toMatchObject({ idleTimeoutMs: 300_000, minLifetimeMs: 0, maxLifetimeMs: 7 * 86_400_000 })
  expect(site.breaker).toEqual({ failures: 3, backoffMs: 60_000, maxBackoffMs: 1_800_000 })
  expect(site.clouds[0]).toMatchObject({ boot: { median: 90_000, spread: 0 }, bootTimeoutMs: 900_000, billingUnitMs: 1000 })
  expect(site.clouds[0]?.limits.maxVms).toBe(100_000)
})

it('is refused whole, with the path of each wrong key', () => {
  const wrong = {
    seed: -1,
    vm: { idleTimout: '5min' },
    shares: { weights: [{ vo: 'vo1', weight: 'much' }] },
    clouds: [
      { name: 'north', flavors: [smallFlavor], faults: { noRoom: 2 } },
      { name: 'north', flavors: [] },
    ],
  }
  let refused: PilotageError | undefined
  try {
    siteOf(wrong)
  } catch (error) {
    refused = error as PilotageError
  }
  expect(refused?.code).toBe('invalid-argument')
  expect(refused?.violations.map(({ path }) => path)).toEqual([
    'seed',
    'vm.idleTimout',
    'shares.weights[0].weight',
    'clouds[0].faults.noRoom',
  ])
  expect(() => siteOf({ clouds: [{ name: 'a', flavors: [] }] })).toThrow('one field is wrong')
  expect(() => siteOf({})).toThrow('one field is wrong')
})
