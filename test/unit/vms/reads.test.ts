/** What a caller reads of VMs and how one is drained: at the seam of the store, each answer and each refusal. */

import { describe, expect, it } from 'vitest'
import type { Caller } from '../../../core/access/caller.ts'
import { page } from '../../../core/kernel/limits.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import type { Fact } from '../../../core/model/fact-shapes.ts'
import type { Job } from '../../../core/model/job.ts'
import { noResources } from '../../../core/model/resources.ts'
import type { KeptVm, Vm } from '../../../core/model/vm.ts'
import type { Hint } from '../../../core/ports/bus.ts'
import type { VmOutcome } from '../../../core/ports/store.ts'
import { drainVm } from '../../../services/vms/drain.ts'
import { endedVms, liveVms } from '../../../services/vms/list-vms.ts'
import { readVm, vmHistory } from '../../../services/vms/read-vm.ts'
import { activeVm, alice, bob, sampleVm } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const operator: Caller = { owner: bob, reach: 'any' }
const user: Caller = { owner: alice, reach: 'vo' }
const kept = (vm: Vm): KeptVm => ({ vm, leases: 0, used: noResources })
const mine = (id: string, changes: Partial<Vm> = {}): Vm => sampleVm(id.replace('vm-', ''), { vos: [alice.vo], ...changes })
const theirs = (id: string, changes: Partial<Vm> = {}): Vm => sampleVm(id.replace('vm-', ''), { vos: [bob.vo], ...changes })
const ofAll = (id: string, changes: Partial<Vm> = {}): Vm => sampleVm(id.replace('vm-', ''), { vos: [], ...changes })
const ids = (vms: readonly Vm[]): readonly string[] => vms.map(({ id }) => id)

describe('a list of VMs', () => {
  const live = [
    mine('vm-aaaaaaaaaa', { intendedMs: 1 }),
    theirs('vm-bbbbbbbbbb', { intendedMs: 3 }),
    ofAll('vm-cccccccccc', { intendedMs: 2 }),
  ]
  const store = {
    liveVms: async () => live.map(kept),
    endedVms: async (limit: number) => live.slice(0, limit),
  }

  it('has the live ones that the caller sees, newest first', async () => {
    const seen = async (caller: Caller): Promise<readonly string[]> =>
      ids((await liveVms({ store }, caller)).map(({ vm }) => vm))
    expect(await seen(operator)).toEqual(['vm-bbbbbbbbbb', 'vm-cccccccccc', 'vm-aaaaaaaaaa'])
    expect(await seen(user)).toEqual(['vm-cccccccccc', 'vm-aaaaaaaaaa'])
  })

  it('has the latest of the ended ones that the caller sees', async () => {
    expect(ids(await endedVms({ store }, operator, 2))).toEqual(['vm-aaaaaaaaaa', 'vm-bbbbbbbbbb'])
    expect(ids(await endedVms({ store }, user, 2))).toEqual(['vm-aaaaaaaaaa', 'vm-cccccccccc'])
    expect(ids(await endedVms({ store }, user, 1))).toEqual(['vm-aaaaaaaaaa'])
  })

  it('looks for a user among the latest thousand, and for an operator among as many as are asked for', async () => {
    const asked: number[] = []
    const counting = {
      endedVms: async (limit: number) => {
        asked.push(limit)
        return []
      },
    }
    for (const caller of [operator, user]) await endedVms({ store: counting }, caller, 5)
    expect(asked).toEqual([5, page.max])
  })
})

describe('one VM', () => {
  const fact: Fact = { seq: 1, atMs: 2, subject: 'vm:vm-aaaaaaaaaa', kind: 'Requested', text: '', data: {} } as Fact
  const job = (vo: string, id: number): Job => ({ ...alice, vo, id }) as unknown as Job
  const asked: string[] = []
  const storeWith = (vm: Vm) => ({
    vm: async (id: VmId) => (id === vm.id ? kept(vm) : undefined),
    history: async (subject: string, limit: number) => {
      asked.push(`${subject} ${limit}`)
      return [fact]
    },
    leasesOn: async () => [job(alice.vo, 1), job(bob.vo, 2), job(bob.vo, 3)],
  })

  it('comes with its history, the jobs that the caller sees, and the number of the others', async () => {
    const vm = activeVm('aaaaaaaaaa', { vos: [] })
    const forUser = await readVm({ store: storeWith(vm) }, user, vm.id)
    expect([forUser.kept.vm, forUser.facts, forUser.jobs.map(({ id }) => id), forUser.hiddenJobs]).toEqual([
      vm,
      [fact],
      [1],
      2,
    ])
    const forOperator = await readVm({ store: storeWith(vm) }, operator, vm.id)
    expect([forOperator.jobs.length, forOperator.hiddenJobs]).toEqual([3, 0])
    expect(asked.at(-1)).toBe('vm:vm-aaaaaaaaaa 1000')
  })

  it('has no jobs once it is over', async () => {
    const phase = { state: 'Gone', ref: 'r', why: 'ended' } as const
    const over = await readVm({ store: storeWith(mine('vm-aaaaaaaaaa', { phase })) }, user, 'vm-aaaaaaaaaa')
    expect([over.jobs, over.hiddenJobs]).toEqual([[], 0])
  })

  it.each(['vm-bbbbbbbbbb', 'no id', ''])('is unknown where it does not exist: %j', async (id) => {
    const store = storeWith(mine('vm-aaaaaaaaaa'))
    await expect(readVm({ store }, operator, id)).rejects.toMatchObject({ code: 'not-found' })
  })

  it('is unknown to a caller who does not see it', async () => {
    const store = storeWith(theirs('vm-aaaaaaaaaa'))
    const id = 'vm-aaaaaaaaaa' as VmId
    await expect(readVm({ store }, user, id)).rejects.toMatchObject({ code: 'not-found' })
    await expect(vmHistory({ store }, user, id)).rejects.toMatchObject({ code: 'not-found' })
    expect(await vmHistory({ store }, operator, id)).toEqual([fact])
    expect(await vmHistory({ store: storeWith(mine(id)) }, user, id)).toEqual([fact])
  })

  it('that is forgotten has a history for those who see every VM', async () => {
    const store = storeWith(mine('vm-aaaaaaaaaa'))
    const forgotten = 'vm-zzzzzzzzzz' as VmId
    expect(await vmHistory({ store }, operator, forgotten)).toEqual([fact])
    await expect(vmHistory({ store }, user, forgotten)).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('a VM that is drained', () => {
  const vmId = 'vm-aaaaaaaaaa' as VmId
  const draining = activeVm('aaaaaaaaaa', { phase: { state: 'Draining', ref: 'r', activeMs: 1, why: 'w' } })

  async function drain(outcomes: readonly VmOutcome[], reason = '') {
    const asked: unknown[] = []
    const hints: Hint[] = []
    const ports = {
      clock: virtualClock(5000),
      bus: { hint: (hint: Hint) => void hints.push(hint) },
      store: {
        changeVms: async (events: unknown, nowMs: number) => {
          asked.push(events, nowMs)
          return outcomes
        },
      },
    }
    return { drained: await drainVm(ports, user, { vmId, reason }), asked, hints }
  }

  it('keeps by whom and why, and wakes those who wait for it', async () => {
    const outcome: VmOutcome = { ok: true, was: 'Active', vm: draining } as VmOutcome
    const { drained, asked, hints } = await drain([outcome], 'a new kernel')
    expect(drained).toEqual({ ok: true, changed: true, state: 'Draining' })
    expect(asked).toEqual([[{ kind: 'drain', vmId, why: 'drained by alice: a new kernel' }], 5000])
    expect(hints).toEqual([{ kind: 'vms', ids: [vmId] }])
    expect((await drain([outcome])).asked[0]).toEqual([{ kind: 'drain', vmId, why: 'drained by alice' }])
  })

  it('says where nothing changed, and why it is refused', async () => {
    const same = { ok: true, was: 'Draining', vm: draining } as VmOutcome
    expect((await drain([same])).drained).toEqual({ ok: true, changed: false, state: 'Draining' })
    expect((await drain([{ ok: false, why: 'over' } as unknown as VmOutcome])).drained).toEqual({ ok: false, why: 'over' })
    expect((await drain([])).drained).toEqual({ ok: false, why: 'not-found' })
  })
})
