/** A VM's activation at the seam of the store: what is checked, what is written, and what a refusal leaves behind. */

import { describe, expect, it } from 'vitest'
import type { VmId } from '../../../core/kernel/ids.ts'
import type { NewFact } from '../../../core/model/fact-shapes.ts'
import { silentLog } from '../../../core/ports/log.ts'
import type { Hint } from '../../../core/ports/bus.ts'
import type { VmOutcome } from '../../../core/ports/store.ts'
import { activate, hashed } from '../../../services/vms/activate.ts'
import type { VmPorts } from '../../../services/vms/ports.ts'
import { sampleVm } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const vm = sampleVm('a', { endByMs: 5_000_000 })
const granted = { ok: true, vm, was: 'Booting' } as unknown as VmOutcome
const refusedWith = (why: string) => ({ ok: false, why }) as VmOutcome

function world(outcome: VmOutcome | undefined) {
  const seen = { events: [] as unknown[], facts: [] as NewFact[], hints: [] as Hint[] }
  const ports = {
    store: {
      changeVms: async (events: readonly unknown[]) => {
        seen.events.push(...events)
        return outcome ? [outcome] : []
      },
      emit: async (facts: readonly NewFact[]) => void seen.facts.push(...facts),
    },
    bus: { hint: (hint: Hint) => void seen.hints.push(hint) },
    clock: virtualClock(1000),
    log: silentLog(),
  } as unknown as VmPorts
  const say = (nonce: string) => activate(ports, { vmId: vm.id, activationKey: 'the key', nonce } as never)
  return { ...seen, say }
}

describe('an activation', () => {
  it('gives a credential until an hour after the end of the VM, and wakes what waits for the VM', async () => {
    const { say, events, hints, facts } = world(granted)
    expect(await say('n'.repeat(16))).toBe(5_000_000 + 3_600_000)
    const [keyHash, nonceHash] = [hashed('the key'), hashed('n'.repeat(16))]
    expect(events).toEqual([{ kind: 'activated', vmId: vm.id, keyHash, nonceHash }])
    expect(JSON.stringify(events)).not.toContain('the key')
    expect([hints, facts]).toEqual([[{ kind: 'vms', ids: [vm.id] }], []])
  })

  it.each([
    [15, false],
    [16, true],
    [128, true],
    [129, false],
  ])('with a nonce of %i characters is taken: %s', async (length, isTaken) => {
    const { say, events } = world(granted)
    const answer = say('n'.repeat(length))
    if (isTaken) await expect(answer).resolves.toBeDefined()
    else await expect(answer).rejects.toMatchObject({ code: 'invalid-argument' })
    expect(events).toHaveLength(isTaken ? 1 : 0)
  })

  it.each([
    ['a used key', refusedWith('key-used'), 1],
    ['a wrong key', refusedWith('wrong-key'), 0],
    ['an unknown VM', undefined, 0],
  ])('with %s is refused alike, and only one who knows the key leaves a fact', async (_, outcome, count) => {
    const { say, facts, hints } = world(outcome)
    const refusal = { code: 'unauthenticated', message: 'the activation key is not valid' }
    await expect(say('n'.repeat(16))).rejects.toMatchObject(refusal)
    const fact = { subject: `vm:${vm.id as VmId}`, kind: 'activation refused', data: { why: 'key-used' } }
    expect(facts).toEqual(count === 1 ? [fact] : [])
    expect(hints).toEqual([])
  })
})
