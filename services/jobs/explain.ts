/**
 * Explain: why a job waits, or why it runs where it does, rule by rule, from the very rules that match it.
 *
 * Looks at what is there now: live VMs first, then what could be started. Bounded, best first, and decides nothing.
 */

import { mayTakeJobs } from '../../core/model/apply.ts'
import { roomLess } from '../../core/model/resources.ts'
import { isEnded, type Job, type JobSpec, leaseOf } from '../../core/model/job.ts'
import { requirementClass } from '../../core/language/requirement-class.ts'
import { bytesText, durationText } from '../../core/kernel/quantities.ts'
import { hasRoom, type RuleOutcome, suits, ruleOutcomes } from '../../core/language/rules.ts'
import { type KeptVm, concerns, isComing, placeOf, refOf, roomOf, type Vm } from '../../core/model/vm.ts'
import type { TaskQueue } from '../../core/model/task-queue.ts'
import type { Blocked, JobPorts } from './ports.ts'
import { sizesOf } from './submit.ts'

export type Explanation = {
  readonly place: string
  readonly fits: boolean
  readonly rules: readonly RuleOutcome[]
  readonly note: string
}

export type Explained = { readonly summary: string; readonly places: readonly Explanation[] }

const maxPlaces = 50

export async function explain(ports: JobPorts, job: Job): Promise<Explained> {
  const spec = (await ports.store.specs([job.id])).get(job.id)
  if (!spec) return { summary: `job ${job.id} is forgotten`, places: [] }
  const demand: TaskQueue = { ...job, id: job.classId, requirements: spec.requirements }
  const lease = leaseOf(job.phase)
  if (lease || isEnded(job.phase)) return whereItRan(ports, job, demand)
  const live = (await ports.store.liveVms()).filter(({ vm }) => mayTakeJobs(vm.phase.state) || isComing(vm.phase))
  // The VMs of other VOs are not the owner's to see, and never take the job.
  const vms = live.filter(({ vm }) => concerns(vm, job.vo))
  const nowMs = ports.clock.nowMs()
  const blocked = await ports.blocked(job.classId)
  const places = [
    ...vms.map((kept) => atVm(demand, kept, nowMs)),
    ...ports.offerings.map((offering): Explanation => {
      const room = roomOf(offering, ports.policy.vmLifeMs)
      const rules = ruleOutcomes(demand, placeOf(offering), room)
      const name = `offering ${offering.cloud}/${offering.flavor}/${offering.image}`
      const fits = rules.every(({ holds }) => holds)
      const why = blocked.filter(({ cloud }) => fits && cloud === offering.cloud).map(blockedText)
      return { place: name, fits, rules, note: why.length === 0 ? '' : `blocked by the plan: ${why.join('; ')}` }
    }),
  ].sort((a, b) => broken(a) - broken(b))
  const summary = await summaryOf(ports, job, demand, vms, places)
  const isPlanned = job.phase.state === 'Waiting' && blocked.length > 0
  const parts = [summary, ...classText(ports, spec), ...(isPlanned ? [blockedSummary(blocked)] : [])]
  return { summary: parts.join('; '), places: places.slice(0, maxPlaces) }
}

/** The rules of each place use the job's own requirements. If its class asks for more, the summary says so. */
function classText(ports: JobPorts, { requirements }: JobSpec): readonly string[] {
  const of = requirementClass(requirements, sizesOf(ports))
  const parts = [
    ['memory', bytesText(requirements.memoryBytes), bytesText(of.memoryBytes)],
    ['disk', bytesText(requirements.diskBytes), bytesText(of.diskBytes)],
    ['wall time', durationText(requirements.wallMs), durationText(of.wallMs)],
  ].flatMap(([name, own, classed]) => (own === classed ? [] : [`${name} ${own} as ${classed}`]))
  return parts.length === 0 ? [] : [`it queues with similar jobs: ${parts.join(', ')}`]
}

function blockedText({ why, reason }: Blocked): string {
  return `${why}: ${reason}`
}

/** How many clouds the summary names. */
const maxBlockedClouds = 5

function blockedSummary(blocked: readonly Blocked[]): string {
  const clouds = blocked.slice(0, maxBlockedClouds).map((one) => `${one.cloud} (${blockedText(one)})`)
  const more = blocked.length > maxBlockedClouds ? ` and ${blocked.length - maxBlockedClouds} more` : ''
  return `the last plan makes no VM for it on ${clouds.join(', ')}${more}`
}

async function whereItRan(ports: JobPorts, job: Job, demand: TaskQueue): Promise<Explained> {
  const lease = 'lease' in job.phase ? job.phase.lease : undefined
  if (!lease) return { summary: `job ${job.id} is ${job.phase.state}: it never started`, places: [] }
  const kept = await ports.store.vm(lease.vmId)
  const verb = isEnded(job.phase) ? 'ran last' : 'runs'
  const summary = `job ${job.id} is ${job.phase.state}: attempt ${job.attempt} ${verb} on ${lease.vmId} with ${lease.cores === 1 ? 'one core' : `${lease.cores} cores`}`
  if (!kept) return { summary, places: [] }
  const { vm } = kept
  const rules = ruleOutcomes(demand, placeOf(vm), roomOf(vm, vm.endByMs - lease.claimedMs))
  return {
    summary,
    places: [{ place: vmText(vm), fits: true, rules, note: 'the whole VM, as it was when the job was matched' }],
  }
}

function atVm(demand: TaskQueue, { vm, used }: KeptVm, nowMs: number): Explanation {
  const whole = roomOf(vm, vm.endByMs - nowMs)
  const free = roomLess(whole, used)
  const place = placeOf(vm)
  const rules = ruleOutcomes(demand, place, free)
  const fits = rules.every(({ holds }) => holds)
  const couldLater = !fits && suits(demand, place) && hasRoom(demand, whole)
  return { place: vmText(vm), fits, rules, note: couldLater ? 'busy: it fits when running jobs have ended' : '' }
}

function vmText(vm: Vm): string {
  const ref = refOf(vm.phase)
  return `vm ${vm.id} (${vm.phase.state}, ${vm.cloud}/${vm.flavor}${ref === '' ? '' : `, ${ref}`})`
}

function broken({ rules }: Explanation): number {
  return rules.filter(({ holds }) => !holds).length
}

async function summaryOf(
  ports: JobPorts,
  job: Job,
  demand: TaskQueue,
  vms: readonly KeptVm[],
  places: readonly Explanation[],
): Promise<string> {
  const { phase } = job
  if (phase.state === 'Held') return `job ${job.id} is Held: ${phase.why}`
  const ahead = (await ports.store.next(job.classId, maxPlaces)).findIndex(({ id }) => id === job.id)
  const turn = ahead < 0 ? `more than ${maxPlaces} jobs` : ahead === 0 ? 'no job' : `${ahead} jobs`
  const before = `${turn} of its task queue before it`
  if (places.length === 0) return `job ${job.id} waits: no cloud is configured and no VM is there; ${before}`
  if (!places.some(({ fits, note }) => fits || note !== '')) {
    const nearest = places[0]
    const fails = nearest?.rules
      .filter(({ holds }) => !holds)
      .map(({ rule, wanted, offered }) => `${rule} ${wanted}, offered ${offered}`)
    return `job ${job.id} can never start as things are: nothing fits; nearest is ${nearest?.place}: wants ${fails?.join('; ')}`
  }
  const free = vms.filter((kept) => mayTakeJobs(kept.vm.phase.state) && atVm(demand, kept, ports.clock.nowMs()).fits)
  if (free.length > 0) return `job ${job.id} waits for its turn: ${free.length} VMs have room for it; ${before}`
  const coming = vms.filter(({ vm }) => isComing(vm.phase)).length
  return `job ${job.id} waits for room: ${vms.length - coming} VMs are up and busy, ${coming} are coming; ${before}`
}
