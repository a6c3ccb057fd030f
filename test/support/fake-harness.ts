/** The fake cloud in the harness of the cloud contract, as it is or with something around it. */

import { systemClock } from '../../core/kernel/clock.ts'
import { newVmId } from '../../core/kernel/ids.ts'
import type { Cloud, VmOrder } from '../../core/ports/cloud.ts'
import { seededRandom } from '../../core/kernel/random.ts'
import type { CloudHarness, MachineLife } from '../contract/cloud.ts'
import { sampleOffering } from '../unit/director/world.ts'
import { fakeCloud } from '../../sim/fake-cloud.ts'

export function fakeHarness(around: (cloud: Cloud) => Cloud = (cloud) => cloud): CloudHarness {
  const random = seededRandom(1)
  const fake = fakeCloud({ name: 'fake', clock: systemClock(), random, bootMs: 30, destroyMs: 30 })
  const lives = new Map<string, MachineLife>()
  const order = (life: MachineLife = {}): VmOrder => {
    const vmId = newVmId(random)
    lives.set(vmId, life)
    return { vmId, shape: sampleOffering(), userData: '' }
  }
  const living: Cloud = {
    ...fake,
    async create(wanted) {
      const made = await fake.create(wanted)
      const { ends = false, words } = lives.get(wanted.vmId) ?? {}
      if (ends) fake.powerOff(wanted.vmId)
      const machine = fake.find(wanted.vmId)
      if (machine && words !== undefined) machine.console = words
      return made
    },
  }
  return {
    cloud: around(living),
    order,
    close: async () => {},
    provoke: {
      fullQuota: async () => {
        fake.quotaNow = { vms: 0, cores: 0, memoryBytes: 0 }
      },
      brokenList: async () => fake.script('list', { code: 'cloud-transient' }),
      impossibleOrder: () => {
        fake.script('create', { code: 'cloud-refused' })
        return order()
      },
    },
    skips: { 'gives up on a silent cloud': 'it hangs only for as long as a test scripts it' },
  }
}
