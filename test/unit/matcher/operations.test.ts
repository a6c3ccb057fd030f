import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import { activate, hashed } from '../../../services/vms/activate.ts'
import { recordHeartbeat } from '../../../services/vms/heartbeat.ts'
import { explain } from '../../../services/jobs/explain.ts'
import { steer } from '../../../services/jobs/steer.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { listTaskQueues } from '../../../services/jobs/task-queues.ts'
import { activeVm, alice, bob, sampleRequirements, sampleResult, sampleSpec, sampleVm } from '../../../sim/samples.ts'
import { asAlice, asOperator, openPilot, openQueue, submitSome } from './open-queue.ts'

const heartbeatOf = (atMs: number) => ({
  atMs,
  load1: 0,
  memoryUsedBytes: 0,
  memoryTotalBytes: 0,
  diskFreeBytes: 0,
  pilotState: 'idle',
  payloads: 0,
  idleMs: 0,
  unhealthy: '',
})

describe('submit', () => {
  it('refuses all for one wrong field, and stores nothing', async () => {
    const { queue, store } = await openQueue()
    const jobs = [sampleSpec(), { ...sampleSpec(), priority: 77 }]
    await expect(submit(queue, { owner: alice, jobs, idempotencyKey: '' })).rejects.toMatchObject({
      code: 'invalid-argument',
      violations: [{ path: 'jobs[1].priority', value: '77', accepted: 'a whole number from 0 to 9' }],
    })
    expect(await store.list({ limit: 10 })).toEqual([])
  })

  it('answers a repeated key with the first answer and adds nothing, and refuses it for other jobs', async () => {
    const { queue, store } = await openQueue()
    const request = { owner: alice, jobs: [sampleSpec(), sampleSpec()], idempotencyKey: 'k' }
    const first = await submit(queue, request)
    expect(await submit(queue, request)).toEqual({ ...first, repeated: true })
    await expect(submit(queue, { ...request, jobs: [sampleSpec()] })).rejects.toMatchObject({ code: 'conflict' })
    expect(await store.list({ limit: 10 })).toHaveLength(2)
  })

  it('warns of jobs that nothing configured could run', async () => {
    const { queue } = await openQueue()
    const answer = await submit(queue, { owner: alice, jobs: [sampleSpec()], idempotencyKey: '' })
    expect(answer.warnings).toMatchObject([{ code: 'no-offering', indexes: [0] }])
  })

  it('takes ten thousand jobs in one call, and not one more', async () => {
    const { queue, store } = await openQueue()
    const jobs = Array.from({ length: 10_000 }, () => sampleSpec())
    expect((await submit(queue, { owner: alice, jobs, idempotencyKey: '' })).jobIds).toHaveLength(10_000)
    await expect(submit(queue, { owner: alice, jobs: [...jobs, sampleSpec()], idempotencyKey: '' })).rejects.toMatchObject({
      code: 'too-large',
    })
    expect((await store.queues())[0]?.waiting).toBe(10_000)
  })
})

describe('steer', () => {
  it('holds, releases and kills what waits', async () => {
    const test = await openQueue()
    const [id] = (await submitSome(test, 1)) as [JobId]
    const act = async (kind: 'hold' | 'release' | 'kill') => (await steer(test.queue, asAlice, [id], { kind, why: '' }))[0]
    expect(await act('release')).toMatchObject({ changed: false, state: 'Waiting', refusal: 'not-held' })
    expect(await act('hold')).toMatchObject({ changed: true, state: 'Held' })
    const pilot = await openPilot(test, 'one')
    await pilot.offer(1)
    expect(pilot.assigned()).toEqual([])
    expect(await act('release')).toMatchObject({ changed: true, state: 'Waiting' })
    await test.clock.settle()
    expect(pilot.assigned()).toEqual([`${id}.1`])
  })

  it('sets the priority of what waits: the next offer gets it first', async () => {
    const test = await openQueue()
    const ids = await submitSome(test, 3)
    const last = ids[2] as JobId
    await test.clock.settle()
    const steering = { kind: 'prioritise', why: '', priority: 9 } as const
    expect(await steer(test.queue, asAlice, [last], steering)).toMatchObject([{ changed: true, state: 'Waiting' }])
    const pilot = await openPilot(test, 'one')
    await pilot.offer(1)
    await test.clock.settle()
    expect(pilot.assigned()).toEqual([`${last}.1`])
  })

  it('deletes what has ended, with its output', async () => {
    const test = await openQueue()
    const [id, waiting] = (await submitSome(test, 2)) as [JobId, JobId]
    await steer(test.queue, asAlice, [id], { kind: 'kill', why: '' })
    const forgotten: JobId[] = []
    const sandbox = { forget: async (ids: readonly JobId[]) => void forgotten.push(...ids) }
    const queue = { ...test.queue, sandbox: { ...test.queue.sandbox, ...sandbox } }
    expect(await steer(queue, asAlice, [id, waiting], { kind: 'delete', why: '' })).toEqual([
      { jobId: id, changed: true, state: 'Killed', refusal: '' },
      { jobId: waiting, changed: false, state: 'Waiting', refusal: 'not-ended' },
    ])
    expect(forgotten).toEqual([id])
    expect(await test.store.jobs([id])).toEqual([])
  })

  it('reschedules a live job for its owner as often as the limit says, and for an operator', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const [id] = (await submitSome(test, 1)) as [JobId]
    const again = async (caller: typeof asAlice) =>
      (await steer(test.queue, caller, [id], { kind: 'reschedule', why: '' }))[0]
    const stopped = async (attempt: number): Promise<void> => {
      const result = sampleResult({ end: 'stopped' })
      await pilot.say({ reports: [{ jobId: id, attempt, reportId: attempt, startedMs: 1, phase: 'ended', result }] })
      await pilot.offer(1)
    }
    await pilot.offer(1)
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      expect(await again(asAlice)).toMatchObject({ changed: true })
      await stopped(attempt)
    }
    expect(await again(asAlice)).toMatchObject({ changed: false, refusal: 'reschedule-limit' })
    expect(await again(asOperator)).toMatchObject({ changed: true })
    await stopped(4)
    expect(await again(asAlice)).toMatchObject({ changed: true })
  })

  it('answers and changes nothing of jobs that the caller does not reach', async () => {
    const test = await openQueue()
    const [own] = (await submitSome(test, 1)) as [JobId]
    const theirs = await submit(test.queue, { owner: bob, jobs: [sampleSpec(), sampleSpec()], idempotencyKey: '' })
    const [first, second] = theirs.jobIds as [JobId, JobId]
    const ids = [first, own, 77 as JobId, second]
    const kill = { kind: 'kill', why: '' } as const
    const killed = (jobId: JobId) => ({ jobId, changed: true, state: 'Killed', refusal: '' })
    expect(await steer(test.queue, asAlice, ids, kill)).toEqual([killed(own)])
    expect((await test.store.jobs([first]))[0]?.phase.state).toBe('Waiting')
    expect((await test.store.history(`job:${own}`, 9)).map(({ data }) => data.why)).toEqual(['killed by alice'])
    const over = { jobId: own, changed: false, state: 'Killed', refusal: 'ended' }
    expect(await steer(test.queue, asOperator, ids, kill)).toEqual([killed(first), over, killed(second)])
  })

  it('reschedules an ended job as a new one, once', async () => {
    const test = await openQueue()
    const [id] = (await submitSome(test, 1)) as [JobId]
    await steer(test.queue, asAlice, [id], { kind: 'kill', why: '' })
    const again = async () => (await steer(test.queue, asAlice, [id], { kind: 'reschedule', why: '' }))[0]
    const first = await again()
    expect(first).toMatchObject({ changed: true, state: 'Killed', refusal: '', newJobId: id + 1 })
    expect(await again()).toMatchObject({ changed: false, newJobId: id + 1 })
    expect((await test.store.jobs([(id + 1) as JobId]))[0]?.phase.state).toBe('Waiting')
  })

  it('reschedules an ended job whatever keys its owner has used', async () => {
    const test = await openQueue()
    const [id] = (await submitSome(test, 1)) as [JobId]
    for (const idempotencyKey of [`reschedule of job ${id}`, `job ${id}`, `reschedule","job ${id}`]) {
      await submit(test.queue, { owner: alice, jobs: [sampleSpec({ name: 'in the way' })], idempotencyKey })
    }
    await steer(test.queue, asAlice, [id], { kind: 'kill', why: '' })
    const [again] = await steer(test.queue, asOperator, [id], { kind: 'reschedule', why: '' })
    expect(again).toMatchObject({ changed: true, newJobId: id + 4 })
  })

  it('reschedules a running job by stopping it first', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const [id] = (await submitSome(test, 1)) as [JobId]
    await pilot.offer(1)
    await steer(test.queue, asAlice, [id], { kind: 'reschedule', why: '' })
    const result = sampleResult({ end: 'stopped' })
    await pilot.say({ reports: [{ jobId: id, attempt: 1, reportId: 1, startedMs: 1, phase: 'ended', result }] })
    await pilot.offer(1)
    expect(pilot.assigned()).toEqual([`${id}.1`, `${id}.2`])
  })
})

describe('activate', () => {
  const nonce = 'a-nonce-of-the-vm-itself'
  const asked = async () => {
    const test = await openQueue()
    const vm = sampleVm('one', {
      activation: { keyHash: hashed('the key'), untilMs: test.clock.nowMs() + 1000 },
      endByMs: 5_000_000,
    })
    await test.store.intend(vm, 1)
    return {
      ...test,
      vmId: vm.id,
      ask: (activationKey: string, by = nonce) => activate(test.queue, { vmId: vm.id, activationKey, nonce: by }),
    }
  }

  it('takes the key once, and again only from the same VM', async () => {
    const { store, vmId, ask } = await asked()
    const expiresMs = await ask('the key')
    expect(expiresMs).toBeGreaterThan(5_000_000)
    expect((await store.vm(vmId))?.vm.phase.state).toBe('Active')
    expect(await ask('the key')).toBe(expiresMs)
    await expect(ask('the key', 'another nonce altogether')).rejects.toMatchObject({ code: 'unauthenticated' })
    expect((await store.history(`vm:${vmId}`, 10)).at(-1)).toMatchObject({
      kind: 'activation refused',
      data: { why: 'key-used' },
    })
  })

  it('refuses a wrong key, a late one and a short nonce, and changes nothing', async () => {
    const { store, clock, vmId, ask } = await asked()
    await expect(ask('a guess')).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(ask('the key', 'short')).rejects.toMatchObject({ code: 'invalid-argument' })
    await clock.advance(2000)
    await expect(ask('the key')).rejects.toMatchObject({ code: 'unauthenticated' })
    expect((await store.vm(vmId))?.vm.phase.state).toBe('Intended')
    expect(await store.history(`vm:${vmId}`, 10)).toHaveLength(1)
  })
})

describe('a heartbeat', () => {
  it('is recorded with the time of the service, whatever the monitor says', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await test.clock.advance(1234)
    const nowMs = test.clock.nowMs()
    const heartbeat = { ...heartbeatOf(1), version: '1.2.3' }
    const answer = await recordHeartbeat(test.queue, pilot.vmId, { heartbeat, wish: '', wishReason: '' })
    expect(answer.serviceTimeMs).toBe(nowMs)
    expect((await test.store.vm(pilot.vmId))?.vm.beat).toMatchObject({ atMs: nowMs, version: '1.2.3' })
  })

  it('lets an idle VM stop, and keeps a busy one', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const [id] = (await submitSome(test, 1)) as [JobId]
    await pilot.offer(1)
    const wish = { heartbeat: heartbeatOf(1), wish: 'stop', wishReason: 'idle for 1 s' } as const
    expect(await recordHeartbeat(test.queue, pilot.vmId, wish)).toMatchObject({ order: 'go-on', reason: '' })
    const result = sampleResult()
    await pilot.say({ reports: [{ jobId: id, attempt: 1, reportId: 1, startedMs: 1, phase: 'ended', result }] })
    expect(await recordHeartbeat(test.queue, pilot.vmId, wish)).toMatchObject({ order: 'stop', reason: 'idle for 1 s' })
    await submitSome(test, 1)
    await pilot.offer(1)
    expect(pilot.assigned()).toHaveLength(1)
  })

  it('lets a VM drain at a spot interruption, whatever leases it holds, and informs its pilot', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await submitSome(test, 2)
    await pilot.offer(1)
    const wish = { heartbeat: heartbeatOf(1), wish: 'drain', wishReason: 'spot-interruption' } as const
    for (let times = 0; times < 2; times += 1) {
      expect(await recordHeartbeat(test.queue, pilot.vmId, wish)).toMatchObject({
        order: 'drain',
        reason: 'spot-interruption',
      })
    }
    expect((await test.store.vm(pilot.vmId))?.vm.phase).toMatchObject({ state: 'Draining', why: 'spot-interruption' })
    await pilot.offer(1)
    expect(pilot.assigned()).toHaveLength(1)
  })

  it('orders a drained VM to drain and one that ended to stop', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const say = () => recordHeartbeat(test.queue, pilot.vmId, { heartbeat: heartbeatOf(1), wish: '', wishReason: '' })
    expect(await say()).toMatchObject({ order: 'go-on' })
    await test.store.changeVms([{ kind: 'drain', vmId: pilot.vmId, why: 'by hand' }], 1)
    expect(await say()).toMatchObject({ order: 'drain', reason: 'by hand' })
    await test.store.changeVms([{ kind: 'absent', vmId: pilot.vmId, why: 'vanished' }], 1)
    expect(await say()).toMatchObject({ order: 'stop' })
  })
})

describe('explain', () => {
  it('knows no job that the caller does not see', async () => {
    const test = await openQueue()
    const [id] = (await submitSome(test, 1)) as [JobId]
    const asBob = { owner: bob, reach: 'vo' } as const
    await expect(explain(test.queue, asBob, id)).rejects.toMatchObject({ code: 'not-found', message: `no job ${id}` })
    expect(await explain(test.queue, asOperator, id)).toMatchObject({ jobId: id })
  })

  it('says why the last plan makes no VM for a waiting job, and where', async () => {
    const test = await openQueue()
    const { jobIds } = await submit(test.queue, { owner: alice, jobs: [sampleSpec()], idempotencyKey: '' })
    const [id] = jobIds as [JobId]
    const north = { cloud: 'north', cause: { why: 'image', words: 'image el9 is not approved by site NORTH' } } as const
    const offerings = ['north', 'south'].map((cloud) => ({ ...sampleVm('a', { cloud }), usableMs: 10 ** 9 }))
    const explained = await explain({ ...test.queue, offerings, blocked: async () => [north] }, asAlice, id)
    expect(explained).toMatchObject({
      jobId: id,
      state: 'Waiting',
      finding: { kind: 'waits-for-room', busyVms: 0, comingVms: 0, jobsAhead: 0, hasMoreAhead: false },
      blocked: [north],
    })
    expect(explained.places).toMatchObject([
      { place: { kind: 'offering', cloud: 'north' }, fits: true, note: { kind: 'blocked', by: [north] } },
      { place: { kind: 'offering', cloud: 'south' }, fits: true, note: undefined },
    ])
  })

  it('counts the VMs that suit the job, and no others', async () => {
    const test = await openQueue()
    const nowMs = test.clock.nowMs()
    const endByMs = nowMs + 24 * 3_600_000
    const requirements = sampleRequirements({ sites: { allowed: ['south'], banned: [] } })
    const [id] = (await submitSome(test, 1, { requirements })) as [JobId]
    const find = async () => (await explain(test.queue, asAlice, id)).finding
    await test.store.intend(activeVm('idle-elsewhere', { site: 'north', endByMs }), nowMs)
    await test.store.intend(sampleVm('coming-elsewhere', { site: 'north', endByMs }), nowMs)
    expect(await find()).toMatchObject({ kind: 'no-fit' })
    await test.store.intend(sampleVm('coming', { site: 'south', endByMs }), nowMs)
    expect(await find()).toMatchObject({ kind: 'waits-for-room', busyVms: 0, comingVms: 1 })
    await test.store.intend(activeVm('up', { site: 'south', endByMs }), nowMs)
    expect(await find()).toMatchObject({ kind: 'waits-for-turn', vmsWithRoom: 1 })
  })

  it('says which rule keeps a job, and where it runs when it does', async () => {
    const test = await openQueue()
    const [waits] = (await submitSome(test, 1, { requirements: sampleRequirements({ cores: { min: 64, max: 64 } }) })) as [
      JobId,
    ]
    const [runs] = (await submitSome(test, 1)) as [JobId]
    const why = (id: JobId) => explain(test.queue, asAlice, id)
    expect((await why(waits)).finding).toEqual({ kind: 'no-place', jobsAhead: 0, hasMoreAhead: false })
    const pilot = await openPilot(test, 'one')
    await pilot.offer(8)
    const { finding, places } = await why(waits)
    const broken = [{ rule: 'cores', holds: false, wanted: '64', offered: '7' }]
    expect(finding).toMatchObject({ kind: 'no-fit', closest: { kind: 'vm', vmId: pilot.vmId }, broken })
    expect(places[0]?.rules.filter(({ holds }) => !holds)).toEqual(broken)
    expect((await why(runs)).finding).toEqual({ kind: 'runs', attempt: 1, vmId: pilot.vmId, cores: 1 })
    expect((await listTaskQueues(test.queue, { owner: alice, reach: 'any' }, 1)).queues[0]).toMatchObject({
      waiting: 1,
      waitsFor: { kind: 'cloud' },
    })
  })
})
