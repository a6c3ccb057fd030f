import { expect, it } from 'vitest'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import { applyToImage, applyToJob, applyToVm, heldBeside, judgeClaims, mayTakeJobs } from '../../../core/model/apply.ts'
import type { JobEvent } from '../../../core/model/job-event.ts'
import type { Job } from '../../../core/model/job.ts'
import { noAmounts, type Resources } from '../../../core/model/resources.ts'
import { type Vm, vmStates } from '../../../core/model/vm.ts'

const nowMs = 1000
const vmId = 'vm-1' as VmId
const size = (cores: number): Resources => ({ cores, ...noAmounts, memoryBytes: cores * 10, diskBytes: cores * 100 })
const vm = { id: vmId, ...size(4), phase: { state: 'Active', ref: 'r', activeMs: 1 }, reason: 'wanted' } as unknown as Vm
const waiting = { id: 7 as JobId, attempt: 0, maxAttempts: 3, phase: { state: 'Waiting' } } as unknown as Job
const claim = { kind: 'claim', jobId: waiting.id, vmId, cores: 2, untilMs: 5000 } as JobEvent
const lease = { vmId, cores: 2, claimedMs: 1, untilMs: 5000 }
const matched: Job = { ...waiting, attempt: 1, phase: { state: 'Matched', lease } }
const renew: JobEvent = { kind: 'renew', jobId: waiting.id, attempt: 1, vmId, untilMs: 9000 }
const open = { mayTakeJobs: true }
const roomBeside = (held: number) => ({ ...open, room: { vm, held: size(held), wanted: size(2) } })

it.each(vmStates)('gives a VM that is %s jobs only if it is Active', (state) => {
  expect(mayTakeJobs(state)).toBe(state === 'Active')
})

it('gives no job to a VM that does not exist', () => {
  expect(mayTakeJobs(undefined)).toBe(false)
})

it.each([
  ['a job that does not exist', undefined, claim, open, 'not-found'],
  ['a claim for no VM', waiting, claim, undefined, 'vm-not-active'],
  ['a claim for a VM that may not take jobs', waiting, claim, { ...roomBeside(0), mayTakeJobs: false }, 'vm-not-active'],
  ['a claim that exceeds the record of its VM', waiting, claim, roomBeside(3), 'vm-full'],
  // The room is judged for a job that could start: else the VM's pilot would be accused of a claim that takes no room.
  ['a claim of a job that is not waiting', matched, claim, roomBeside(3), 'not-waiting'],
  ['a report of an old attempt', { ...matched, attempt: 2 }, renew, undefined, 'stale'],
] as const)('refuses %s', (_, before, event, claiming, why) => {
  const applied = applyToJob(before, event, claiming, nowMs)
  expect(applied.outcome).toEqual({ ok: false, why })
  expect(applied).not.toHaveProperty('changed')
  expect(applied).not.toHaveProperty('fact')
  expect(applied.alarm?.kind).toBe(why === 'vm-full' ? 'claim refused' : undefined)
})

it.each([
  ['a claim with room to the last core', waiting, claim, roomBeside(2), 'Waiting', true, 'Matched'],
  ['a claim whose room is checked later', waiting, claim, open, 'Waiting', true, 'Matched'],
  ['a renewal, without a fact', matched, renew, undefined, 'Matched', true, undefined],
  [
    'what was already so, without a change',
    { ...matched, phase: { state: 'Running', lease, startedMs: 2 } } as Job,
    { kind: 'running', jobId: waiting.id, attempt: 1, vmId, startedMs: 2 } as JobEvent,
    undefined,
    'Running',
    false,
    undefined,
  ],
] as const)('applies %s', (_, before, event, claiming, was, isChanged, factKind) => {
  const { outcome, changed, fact, alarm } = applyToJob(before, event, claiming, nowMs)
  expect(outcome).toMatchObject({ ok: true, was })
  expect(changed).toBe(isChanged && outcome.ok ? outcome.job : undefined)
  expect(fact?.kind).toBe(factKind)
  expect(alarm).toBeUndefined()
})

it('asks the function that it was given', () => {
  const decide = { changeJob: () => ({ ok: false, why: 'ended' }) as const }
  expect(applyToJob(waiting, claim, open, nowMs, decide).outcome).toEqual({ ok: false, why: 'ended' })
})

it.each([
  ['all of them', 0, [2, 2], 2],
  ['the first ones', 0, [2, 1, 2], 2],
  ['none beside what fills the VM', 4, [1], 0],
  // The order decides, not the size: a small claim behind a refused one is refused with it.
  ['none behind the first that does not fit', 1, [4, 1], 0],
] as const)('lets onto a VM %s', (_, held, cores, fitting) => {
  const claims = cores.map(size)
  const judged = judgeClaims(vmId, vm, size(held), claims)
  expect(judged.fitting).toBe(fitting)
  const fit = cores.slice(0, fitting).reduce<number>((sum, one) => sum + one, held)
  const beyond = cores.slice(fitting).reduce<number>((sum, one) => sum + one, 0)
  if (beyond === 0) expect(judged.alarm).toBeUndefined()
  else expect(judged.alarm?.data).toMatchObject({ cores: 4, heldCores: fit, wantedCores: beyond })
})

it('takes claims that are counted in out of what a VM holds', () => {
  expect(heldBeside(size(5), [size(2), size(1)])).toEqual(size(2))
})

it.each([
  ['a VM that does not exist', undefined, 0, { ok: false, why: 'not-found' }],
  ['to retire a VM with leases', vm, 1, { ok: false, why: 'busy' }],
] as const)('refuses %s', (_, before, leases, refusal) => {
  const applied = applyToVm(before, { kind: 'retire', vmId, why: 'idle' }, leases, nowMs)
  expect(applied).toEqual({ outcome: refusal, facts: [] })
})

it('changes a VM with its fact, and says what it was', () => {
  const { outcome, changed, facts } = applyToVm(vm, { kind: 'retire', vmId, why: 'idle' }, 0, nowMs)
  expect(outcome).toEqual({ ok: true, vm: changed, was: 'Active', leases: 0 })
  expect(changed?.phase.state).toBe('Stopping')
  expect(facts).toMatchObject([{ subject: 'vm:vm-1', kind: 'Stopping' }])
})

it('changes a VM without a fact where there is nothing to say', () => {
  const { changed, facts } = applyToVm(vm, { kind: 'heartbeat', vmId, heartbeat: { atMs: nowMs } as never }, 0, nowMs)
  expect(changed?.beat?.atMs).toBe(nowMs)
  expect(facts).toEqual([])
})

it('refuses, adds and repeats images', () => {
  const entry = { name: 'cern', validUntilMs: 9000, references: {}, endorsedBy: 'x', digest: 'd' } as never
  const add = { kind: 'add', entry, signature: 's', by: 'ada' } as never
  expect(applyToImage(undefined, { kind: 'revoke', name: 'cern', by: 'ada', why: '' }, 0, nowMs)).toEqual({
    outcome: { ok: false, why: 'not-found' },
  })
  const { outcome, changed, fact } = applyToImage(undefined, add, 0, nowMs)
  expect(outcome).toEqual({ ok: true, image: changed, changed: true })
  expect(fact).toMatchObject({ subject: 'image:cern', kind: 'Added' })
  expect(applyToImage(changed, add, 1, nowMs)).toEqual({ outcome: { ok: true, image: changed, changed: false } })
})
