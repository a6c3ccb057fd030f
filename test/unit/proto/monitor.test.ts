/** Activation and heartbeats over the wire: what a monitor says arrives as it said it, and nothing else gets in. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { agentTextLimits } from '../../../core/kernel/limits.ts'
import type { HeartbeatRequest, HeartbeatTerms } from '../../../core/model/monitor.ts'
import {
  activationOf,
  heartbeatRequestOf,
  heartbeatRequestToWire,
  heartbeatTermsOf,
  heartbeatTermsToWire,
} from '../../../proto/codec/monitor.ts'
import { BeatRequest, BeatResponse } from '../../../proto/gen/pilotage/v1/vm.ts'

const count = fc.nat()
const text = (maxLength: number) => fc.string({ minLength: 1, maxLength })

const requests: fc.Arbitrary<HeartbeatRequest> = fc.record({
  heartbeat: fc.record(
    {
      load1: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
      memoryUsedBytes: count,
      memoryTotalBytes: count,
      diskFreeBytes: count,
      pilotState: fc.constantFrom('', 'starting', 'idle', 'gone'),
      payloads: count,
      idleMs: count,
      unhealthy: fc.constantFrom('', 'disk-full'),
      isolation: text(agentTextLimits.isolation),
      version: text(agentTextLimits.version),
      size: fc.record({ cores: count, memoryBytes: count, diskBytes: count }),
    },
    {
      requiredKeys: [
        'load1',
        'memoryUsedBytes',
        'memoryTotalBytes',
        'diskFreeBytes',
        'pilotState',
        'payloads',
        'idleMs',
        'unhealthy',
      ],
    },
  ),
  wish: fc.constantFrom('', 'stop', 'drain'),
  wishReason: fc.string({ maxLength: agentTextLimits.reason }),
})

const terms: fc.Arbitrary<HeartbeatTerms> = fc.record(
  {
    order: fc.constantFrom('go-on', 'drain', 'stop'),
    reason: fc.string(),
    serviceTimeMs: count,
    heartbeatIntervalMs: fc.nat().map((ms) => ms + 1),
  },
  { requiredKeys: ['order', 'reason', 'serviceTimeMs'] },
)

const blank = BeatRequest.fromPartial({})

describe('a heartbeat', () => {
  it('arrives as it was sent', () => {
    fc.assert(
      fc.property(requests, (request) => {
        const bytes = BeatRequest.encode(heartbeatRequestToWire(request)).finish()
        expect(heartbeatRequestOf(BeatRequest.decode(bytes))).toEqual(request)
      }),
    )
  })

  it('is answered by terms that arrive as they were sent', () => {
    fc.assert(
      fc.property(terms, (sent) => {
        const bytes = BeatResponse.encode(heartbeatTermsToWire(sent)).finish()
        expect(heartbeatTermsOf(BeatResponse.decode(bytes))).toEqual(sent)
      }),
    )
  })

  it('has no wish and no order that this version does not know', () => {
    expect(heartbeatRequestOf({ ...blank, wish: 'explode', wishReason: 'why not' }).wish).toBe('')
    const answer = BeatResponse.fromPartial({ order: 'explode' })
    expect(heartbeatTermsOf(answer).order).toBe('go-on')
  })

  it.each(['pilotState', 'unhealthy', 'isolation', 'monitorVersion', 'wishReason'] as const)('has a bounded %s', (field) => {
    const long = 'x'.repeat(1000)
    const { heartbeat, wishReason } = heartbeatRequestOf({ ...blank, [field]: long })
    const texts = [...Object.values(heartbeat), wishReason].filter((value) => typeof value === 'string' && value !== '')
    expect(texts).toHaveLength(1)
    expect(String(texts[0]).length).toBeLessThanOrEqual(Math.max(...Object.values(agentTextLimits)))
  })

  it('whose load is no number is refused', () => {
    expect(() => heartbeatRequestOf({ ...blank, load1: Number.NaN })).toThrow('load is no number')
  })
})

it('an activation of what is no VM id is refused', () => {
  expect(() => activationOf({ vmId: '../etc', activationKey: 'key', nonce: 'nonce' })).toThrow('no VM id')
})
