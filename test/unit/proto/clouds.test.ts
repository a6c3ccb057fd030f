/** A cloud on the wire: what is written is what a client reads. */

import { expect, it } from 'vitest'
import type { VmId } from '../../../core/kernel/ids.ts'
import { cloudOfWire, cloudToWire } from '../../../proto/codec/operate.ts'
import { Cloud } from '../../../proto/gen/pilotage/v1/operate.ts'

it('keeps its breakers, what was measured, and the VMs that cannot be ended', () => {
  const promised = { cores: 4, memoryBytes: 24, diskBytes: 9, gpus: 1 }
  const size = { ...promised, memoryBytes: 23 }
  const vmId = 'vm-abcdefghjk' as VmId
  const found = { flavor: 'four', image: 'el9', vmId, promised }
  const traits = { promised: { glibc: '2.34', power: 12 }, left: { glibc: '2.28' } }
  const row = {
    ...{ name: 'north', kind: 'opennebula', site: 'NORTH', vms: 2, maxVms: 4, cores: 8, maxCores: 16, listedMs: 1000 },
    breakers: [{ kind: 'flavor', name: 'north/four', state: 'open', untilMs: 5000, why: 'no host has room' } as const],
    stuck: [{ vmId: 'vm-abcdefghjk', ref: '17', sinceMs: 2000, why: 'LCM_INIT' }],
  }
  const wire = cloudToWire({ ...row, measured: [{ ...found, cloud: 'north', size, traits, atMs: 3000 }] })
  const differs = 'glibc: promised 2.34, found 2.28; power: promised 12, found nothing'
  const measured = [{ ...found, found: size, differs, activatedMs: 3000 }]
  expect(cloudOfWire(Cloud.decode(Cloud.encode(wire).finish()))).toEqual({ ...row, measured })
})
