/**
 * A store with a random past, made by nothing but the store's own operations: jobs and VMs in every state, some steps
 * refused, keys, holds, kills, notes, and what was forgotten. The same random gives the same past.
 */

import { accountBatch } from '../../services/accounting/account-facts.ts'
import { type End, ends } from '../../core/model/attempt.ts'
import type { AttemptRef, JobId, VmId } from '../../core/kernel/ids.ts'
import type { ImageEvent } from '../../core/model/image.ts'
import { dependencyConditions } from '../../core/model/dependency.ts'
import type { JobEvent } from '../../core/model/job-event.ts'
import { isEnded, type JobSpec } from '../../core/model/job.ts'
import type { Owner } from '../../core/model/owner.ts'
import type { Store } from '../../core/ports/store.ts'
import type { Random } from '../../core/kernel/random.ts'
import type { VmEvent } from '../../core/model/vm.ts'
import { sampleEntry } from '../../sim/sample-images.ts'
import { noSizes, requirementClass } from '../../core/language/requirement-class.ts'
import {
  alice,
  bob,
  sampleQueue,
  sampleRequirements,
  sampleResult,
  sampleSpec,
  sampleSubmission,
  sampleVm,
} from '../../sim/samples.ts'

type Past = {
  readonly store: Store
  readonly random: Random
  readonly vmIds: VmId[]
  readonly leases: (AttemptRef & { readonly vmId: VmId })[]
  nowMs: number
  lastId: number
}

/** Names that order differently by code units and by code points, and what JSON has to escape. */
export const oddNames = ['plain', 'ﬁne "quoted" \\', '𝔘nicode', 'a\nline'] as const
const strange: Owner = { vo: 'astro', group: 'users', owner: '𝔘we' }
const owners = [alice, bob, strange]

export async function fillAtRandom(store: Store, random: Random, steps: number): Promise<void> {
  const past: Past = { store, random, vmIds: [], leases: [], nowMs: 1000, lastId: 0 }
  await submit(past)
  for (let vm = 0; vm < 3; vm += 1) {
    await intend(past)
    const vmId = past.vmIds.at(-1) as VmId
    await store.changeVms([{ kind: 'activated', vmId, keyHash: 'key', nonceHash: 'n' }], past.nowMs)
  }
  for (let step = 0; step < steps; step += 1) {
    past.nowMs += below(past, 100)
    await oneOf(past, doings)(past)
    if (random.next() < 0.03) await store.forget(past.nowMs - 1000, 30)
  }
  // Some of the facts are accounted, and some are not.
  await accountBatch(past, 150)
}

const doings: readonly ((past: Past) => Promise<unknown>)[] = [
  submit,
  submit,
  intend,
  ...Array.from({ length: 4 }, () => claim),
  ...Array.from({ length: 6 }, () => report),
  ...Array.from({ length: 3 }, () => settle),
  ...Array.from({ length: 4 }, () => changeVms),
  (past) =>
    past.store.change(
      times(5, () => steering(past)),
      past.nowMs,
    ),
  (past) => {
    const data = { n: below(past, 9), why: 'so' }
    return past.store.emit([{ subject: 'cloud:here', kind: oneOf(past, ['plan', 'breaker']), data }], past.nowMs)
  },
  (past) => past.store.changeImage(imageEvent(past), past.nowMs),
  async (past) => {
    await accountBatch(past, 1 + below(past, 40))
  },
  (past) => past.store.keepNote(`note ${oneOf(past, oddNames)}`, oneOf(past, oddNames)),
]

/** Whatever is claimed for it fits: alarms lie beside the story of a VM, in an order of their own. */
const roomy = { cores: 10_000, memoryBytes: 2 ** 50, diskBytes: 2 ** 50 }

function imageEvent(past: Past): ImageEvent {
  const name = oneOf(past, ['plain', 'el9', 'EL9:new'])
  const by = oneOf(past, oddNames)
  const entry = sampleEntry({ name, references: { here: 'id:1', '10': `name:${by}` } })
  return oneOf<ImageEvent>(past, [
    { kind: 'add', entry, signature: by, by },
    { kind: 'approve', name, site: oneOf(past, ['home', 'there']), by },
    { kind: 'disapprove', name, site: oneOf(past, ['home', 'there']), by },
    { kind: 'revoke', name, by, why: oneOf(past, oddNames) },
  ])
}

function below({ random }: Past, limit: number): number {
  return Math.floor(random.next() * limit)
}

function oneOf<T>(past: Past, some: readonly T[]): T {
  return some[below(past, some.length)] as T
}

function times<T>(count: number, make: () => T): readonly T[] {
  return Array.from({ length: count }, make)
}

async function submit(past: Past): Promise<void> {
  const { store, random, nowMs } = past
  const requirements = oneOf(past, [{}, { cores: { min: 2, max: 4 } }, { tags: ['gpu'] }])
  let count = 0
  const specs = times(1 + below(past, 40), () =>
    sampleSpec({
      ...waiting(past, count++),
      name: oneOf(past, oddNames),
      priority: random.next() < 0.8 ? 0 : below(past, 10),
      maxAttempts: 1 + below(past, 3),
      maxMachineLosses: 1 + below(past, 3),
      jobGroup: ['', 'g1', 'g2'][below(past, 3)] ?? '',
      jobType: '',
      environment: { NAME: oneOf(past, oddNames) },
      requirements: sampleRequirements({ ...requirements, memoryBytes: (64 + below(past, 3)) * 1024 * 1024 }),
    }),
  )
  const key = random.next() < 0.5 ? `${oneOf(past, oddNames)}${below(past, 6)}` : undefined
  const owner = oneOf(past, owners)
  // Some jobs need less than their task queue asks for.
  const queueOf = ({ requirements: exact }: JobSpec) => sampleQueue(owner, requirementClass(exact, noSizes))
  const queues = [...new Map(specs.map(queueOf).map((queue) => [queue.id, queue])).values()]
  const jobs = specs.map((spec) => ({ classId: queueOf(spec).id, spec }))
  const answer = await store.submit({ ...sampleSubmission(specs, owner, key), jobs, queues }, nowMs)
  if (answer.ok) past.lastId = Math.max(past.lastId, answer.firstId + answer.count - 1)
}

/** Some jobs wait for one of the same submission before them, some for one that was there before, stored or not. */
function waiting(past: Past, before: number): Partial<JobSpec> {
  const { random, lastId } = past
  const when = oneOf(past, dependencyConditions)
  const offset = -1 - below(past, before)
  const job = (1 + below(past, lastId + 1)) as JobId
  const wish = random.next()
  if (wish < 0.15 && before > 0) return { after: [{ offset, when }] }
  if (wish < 0.25 && lastId > 0) return { after: [{ job, when }] }
  return wish < 0.28 && before > 0 && lastId > 0
    ? {
        after: [
          { offset, when },
          { job, when: 'ended' },
        ],
      }
    : {}
}

/** Some of the ends reach some of those that wait. */
async function settle(past: Past): Promise<void> {
  const { store, nowMs } = past
  for (const { id, phase, awaited } of await store.awaitedEnds(nowMs, 1 + below(past, 4))) {
    if (!isEnded(phase) || awaited === undefined) continue
    const some = await store.dependants(id, 1 + below(past, 3))
    const ends = some.map((jobId) => ({ kind: 'dependency-ended', jobId, on: id, end: phase.state }) as const)
    await store.change(ends, nowMs)
    if ((await store.dependants(id, 1)).length === 0) {
      await store.change([{ kind: 'dependants-over', jobId: id, awaited }], nowMs)
    }
  }
}

async function intend(past: Past): Promise<void> {
  const { store, vmIds, nowMs } = past
  const vm = sampleVm(`v${vmIds.length}`, { ...roomy, site: oneOf(past, ['home', 'away']), intendedMs: nowMs })
  if (await store.intend(vm, nowMs)) vmIds.push(vm.id)
}

async function claim(past: Past): Promise<void> {
  const { store, nowMs } = past
  const vmId = oneOf(past, past.vmIds)
  const queues = (await store.queues()).toSorted((a, b) => (a.queue.id < b.queue.id ? -1 : 1))
  for (const { queue } of queues) {
    const next = await store.next(queue.id, 1 + below(past, 12))
    const untilMs = nowMs + below(past, 5000)
    const cores = 1 + below(past, 2)
    const claims = next.map(({ id }) => ({ kind: 'claim', jobId: id, vmId, cores, untilMs }) as const)
    for (const outcome of await store.change(claims, nowMs)) {
      if (outcome.ok) past.leases.push({ jobId: outcome.job.id, attempt: outcome.job.attempt, vmId })
    }
  }
}

async function report(past: Past): Promise<void> {
  if (past.leases.length > 0)
    await past.store.change(
      times(10, () => reporting(past)),
      past.nowMs,
    )
}

function reporting(past: Past): JobEvent {
  const { nowMs } = past
  const from = oneOf(past, past.leases)
  const attempt = past.random.next() < 0.1 ? from.attempt - 1 : from.attempt
  const said = { ...from, attempt }
  const end = oneOf<End>(past, ends)
  const detail = oneOf(past, ['', 'why'])
  return oneOf<JobEvent>(past, [
    { ...said, kind: 'running', startedMs: nowMs },
    { ...said, kind: 'completing', startedMs: nowMs },
    { ...said, kind: 'renew', untilMs: nowMs + below(past, 9000) },
    { ...said, kind: 'withdraw', why: 'test' },
    { ...said, kind: 'ended', result: sampleResult({ end, exitCode: below(past, 2), detail }) },
    { ...said, kind: 'ended', result: sampleResult({ stdoutBytes: below(past, 1e12), cpuMs: 0.5 }) },
    { jobId: from.jobId, attempt, kind: 'lost', why: 'lease' },
  ])
}

function steering(past: Past): JobEvent {
  const kind = oneOf(past, ['kill', 'hold', 'hold', 'release', 'reschedule'] as const)
  const jobId = (1 + below(past, past.lastId + 1)) as JobId
  return { kind, jobId, by: oneOf(past, owners).owner, why: oneOf(past, ['', 'enough']) }
}

async function changeVms(past: Past): Promise<void> {
  await past.store.changeVms(
    times(3, () => changing(past)),
    past.nowMs,
  )
}

function changing(past: Past): VmEvent {
  const vmId = oneOf(past, past.vmIds)
  const ref = `i-${vmId}`
  const heartbeat = { atMs: past.nowMs, load1: 0.25, memoryUsedBytes: 1, memoryTotalBytes: 2, diskFreeBytes: 3, idleMs: 4 }
  const ends: readonly VmEvent[] = [
    { kind: 'refused', vmId, why: 'quota' },
    { kind: 'drain', vmId, why: 'old' },
    { kind: 'retire', vmId, why: 'idle' },
    { kind: 'stop', vmId, why: 'ordered' },
    { kind: 'absent', vmId, why: 'gone' },
  ]
  const lives: readonly VmEvent[] = [
    { kind: 'accepted', vmId, ref },
    { kind: 'seen', vmId, ref, running: past.random.next() < 0.8 },
    { kind: 'activated', vmId, keyHash: 'key', nonceHash: vmId },
    { kind: 'heartbeat', vmId, heartbeat: { ...heartbeat, pilotState: 'up', payloads: 1, unhealthy: '' } },
  ]
  return oneOf(past, past.random.next() < 0.2 ? ends : lives)
}
