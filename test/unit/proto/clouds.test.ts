/** A cloud on the wire: what is written is what a client reads. */

import { expect, it } from 'vitest'
import { cloudOfWire, cloudToWire } from '../../../proto/codec/operate.ts'
import { Cloud } from '../../../proto/gen/pilotage/v1/operate.ts'

it('keeps its breakers and the VMs that cannot be ended', () => {
  const row = {
    ...{ name: 'north', kind: 'opennebula', site: 'NORTH', vms: 2, maxVms: 4, cores: 8, maxCores: 16, listedMs: 1000 },
    breakers: [{ kind: 'flavor', name: 'north/four', state: 'open', untilMs: 5000, why: 'no host has room' } as const],
    stuck: [{ vmId: 'vm-abcdefghjk', ref: '17', sinceMs: 2000, why: 'LCM_INIT' }],
  }
  expect(cloudOfWire(Cloud.decode(Cloud.encode(cloudToWire(row)).finish()))).toEqual(row)
})
