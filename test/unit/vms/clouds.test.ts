/** What the status of the clouds says, from the notes of their directors, and what of it each caller sees. */

import { describe, expect, it } from 'vitest'
import type { Caller } from '../../../core/access/caller.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { noResources } from '../../../core/model/resources.ts'
import type { KeptVm } from '../../../core/model/vm.ts'
import { type CloudNote, cloudNote, noteText, planNote, planText } from '../../../core/plan/cloud-note.ts'
import type { PlanLine } from '../../../core/plan/fleet.ts'
import { cloudsFor, cloudStatus, type ConfiguredCloud } from '../../../services/vms/list-clouds.ts'
import { activeVm, alice, bob, sampleQueue, sampleVm } from '../../../sim/samples.ts'

const nowMs = 10_000_000
const operator: Caller = { owner: bob, reach: 'any' }
const user: Caller = { owner: alice, reach: 'vo' }

const limits = { maxVms: 7, maxCores: 70, maxCreatesPerStep: 3 }
const configured: readonly ConfiguredCloud[] = ['here', 'there'].map((name) => ({
  name,
  kind: 'local',
  site: 'home',
  limits,
}))
const vms = [
  activeVm('a', { cores: 4, vos: [alice.vo] }),
  activeVm('b', { cores: 2, vos: [bob.vo] }),
  activeVm('c', { cores: 1, cloud: 'there', vos: [] }),
]
const [mine, theirs] = vms.map(({ id }) => id) as [VmId, VmId]
const gone = sampleVm('z').id
const { id: _, phase, reason, intendedMs, changedMs, endByMs, activation, ...offering } = sampleVm('o', { flavor: 'small' })
const queues = [sampleQueue().id]
const lines: readonly PlanLine[] = [
  { kind: 'create', cloud: 'here', offering, count: 3, queues, jobs: 9, byVo: { [alice.vo]: 5, [bob.vo]: 4 }, reason: 'r1' },
  { kind: 'create', cloud: 'here', offering, count: 1, queues, jobs: 2, byVo: { [bob.vo]: 2 }, reason: 'r2' },
  { kind: 'create', cloud: 'here', offering, count: 2, queues: [], jobs: 0, reason: 'a service' },
  { kind: 'hold', cloud: 'here', queues, jobs: 8, byVo: { [alice.vo]: 6, [bob.vo]: 2 }, cause: { why: 'no-fit' } },
  { kind: 'hold', queues, jobs: 1, byVo: { [alice.vo]: 1 }, cause: { why: 'no-fit' } },
  { kind: 'drain', cloud: 'here', vmId: mine, reason: 'idle' },
  { kind: 'retire', cloud: 'here', vmId: theirs, reason: 'old' },
  { kind: 'stop', cloud: 'here', vmId: gone, reason: 'late' },
]
const note: CloudNote = {
  quota: { vms: 1, cores: 1, memoryBytes: 1 },
  strays: { vms: 0, cores: 0, memoryBytes: 0 },
  watchedSinceMs: 0,
  fence: 1,
  reading: { listBeganMs: 1, failure: '', implausible: '' },
  breakers: [
    {
      scope: 'cloud:here',
      breaker: { state: 'open', untilMs: nowMs + 1, backoffMs: 5, why: 'full' },
      changedMs: 1,
    },
    { scope: 'image:here/small/x', breaker: { state: 'closed', failures: 0 }, changedMs: 1 },
  ],
  stuck: [
    { vmId: mine, ref: 'r-1', sinceMs: 1, why: 'EPILOG' },
    { vmId: theirs, ref: 'r-2', sinceMs: 2, why: 'EPILOG' },
    { vmId: gone, ref: 'r-3', sinceMs: 3, why: 'EPILOG' },
  ],
}

async function status(notes: Readonly<Record<string, string>>) {
  const live = vms.map((vm): KeptVm => ({ vm, leases: 0, used: noResources }))
  return cloudStatus({ liveVms: async () => live, note: async (name) => notes[name] }, configured, nowMs)
}
const whole = { [cloudNote('here')]: noteText(note), [planNote('here')]: planText({ atMs: 900, lines }) }

describe('a cloud', () => {
  it('has what it uses of its limits, and nothing else before a director has looked at it', async () => {
    const { clouds, plan } = await status({})
    const known = {
      kind: 'local',
      site: 'home',
      maxVms: 7,
      maxCores: 70,
      breakers: [],
      measured: [],
      listedMs: 0,
      stuck: [],
    }
    expect(clouds).toEqual([
      { ...known, name: 'here', vms: 2, cores: 6 },
      { ...known, name: 'there', vms: 1, cores: 1 },
    ])
    expect(plan).toEqual([])
  })

  it('has what its director notes: open breakers, when it was read, and what it does not end', async () => {
    const { clouds } = await status(whole)
    expect(clouds[0]).toMatchObject({
      breakers: [{ kind: 'cloud', name: 'here', state: 'open', untilMs: nowMs + 1, why: 'full' }],
      listedMs: 900,
    })
    expect(clouds[0]?.stuck.map(({ ref }) => ref)).toEqual(['r-1', 'r-2', 'r-3'])
    expect(clouds[1]).toMatchObject({ breakers: [], listedMs: 0, stuck: [] })
  })

  it('has stuck VMs for those who see the VM, and for an operator those that are forgotten', async () => {
    const refs = async (caller: Caller) => cloudsFor(caller, await status(whole)).clouds[0]?.stuck.map(({ ref }) => ref)
    expect(await refs(operator)).toEqual(['r-1', 'r-2', 'r-3'])
    expect(await refs(user)).toEqual(['r-1'])
    expect(JSON.stringify(cloudsFor(operator, await status(whole)).clouds)).not.toContain('"vos"')
  })
})

describe('the plan', () => {
  const subject = `${offering.cloud}/${offering.flavor}/${offering.image}`
  const cause = { why: 'no-fit' }

  it('says for an operator what is made, what is not, and what is ended', async () => {
    const rows = cloudsFor(operator, await status(whole)).plan
    const atMs = 900
    const holds = rows.filter(({ action }) => action === 'hold')
    expect(rows.filter(({ action }) => action !== 'hold')).toEqual([
      { atMs, action: 'create', subject, count: 3, reason: 'r1' },
      { atMs, action: 'create', subject, count: 1, reason: 'r2' },
      { atMs, action: 'create', subject, count: 2, reason: 'a service' },
      { atMs, action: 'drain', subject: mine, count: 1, reason: 'idle' },
      { atMs, action: 'retire', subject: theirs, count: 1, reason: 'old' },
      { atMs, action: 'stop', subject: gone, count: 1, reason: 'late' },
    ])
    expect(holds).toMatchObject([
      { atMs, subject: 'here', count: 8, cause },
      { atMs, subject: 'all clouds', count: 1, cause },
    ])
  })

  it('says for a user the demand of the VO, with its jobs alone, and the VMs that concern it', async () => {
    const rows = cloudsFor(user, await status(whole)).plan
    expect(rows.map(({ action, subject: of, count }) => [action, of, count])).toEqual([
      ['create', subject, 3],
      ['create', subject, 2],
      ['hold', 'here', 6],
      ['drain', mine, 1],
      ['hold', 'all clouds', 1],
    ])
    expect(JSON.stringify(rows)).not.toContain(bob.vo)
  })

  it('of no cloud that is configured is taken from the newest plan', async () => {
    const hold = (jobs: number): PlanLine => ({ kind: 'hold', queues: [], jobs, cause: { why: 'no-fit' } })
    const plans = { [planNote('here')]: { atMs: 5, lines: [hold(1)] }, [planNote('there')]: { atMs: 6, lines: [hold(2)] } }
    const texts = Object.fromEntries(Object.entries(plans).map(([name, plan]) => [name, planText(plan)]))
    expect((await status(texts)).plan).toMatchObject([{ atMs: 6, subject: 'all clouds', count: 2 }])
    const old: PlanLine = { kind: 'drain', cloud: 'gone', vmId: mine, reason: 'idle' }
    const { plan } = await status({ [planNote('here')]: planText({ atMs: 5, lines: [old] }) })
    expect(plan).toMatchObject([{ atMs: 5, action: 'drain', subject: mine }])
  })
})
