/** VMs, live or ended, each with its state and the reason for it; and the page of one, with its story and its jobs. */

import { bytesText, durationText } from '../../../core/kernel/quantities.ts'
import { html, type Html } from '../html.ts'
import type { FactView } from '../../views/fact.ts'
import type { JobView } from '../../views/job.ts'
import type { VmView } from '../../views/vm.ts'
import type { Amount, Resources } from '../../../core/model/resources.ts'
import type { Page } from './frame.ts'
import {
  agoMark,
  clipped,
  countText,
  empty,
  gauge,
  jobLink,
  momentMark,
  pathWith,
  record,
  stateMark,
  timeline,
  vmLink,
} from './marks.ts'

export const vmRows = 60

export type VmsData = {
  readonly vms: readonly VmView[]
  readonly ended: boolean
  readonly skip: number
  /** How many there are; of ended ones only whether there are more is known. */
  readonly total: number
}

export function vmsPage({ vms, ended, skip, total }: VmsData, nowMs: number): Page {
  const which = ended ? '1' : undefined
  const older =
    skip + vms.length < total &&
    html`<a rel="next" href="${pathWith('/vms', { ended: which, skip: skip + vmRows })}">Older</a>`
  const newer =
    skip > 0 &&
    html`<a rel="prev" href="${pathWith('/vms', { ended: which, skip: Math.max(0, skip - vmRows) || undefined })}">Newer</a>`
  const tab = (path: string, text: string, here: boolean): Html =>
    html`<a href="${path}"${here && html` aria-current="true"`}>${text}</a>`
  const none = ended ? 'No VM has ended yet.' : 'No VM is there. The director starts some when jobs wait.'
  const main = html`<h1>VMs</h1>
<p class="tabs">${tab('/vms', 'Live', !ended)}${tab('/vms?ended=1', 'Ended', ended)}</p>
<section id="vms" data-live>
${!ended && html`<p class="lead">${countText(total)} live VMs, newest first.</p>`}
${vms.length === 0 ? empty(none) : ended ? endedTable(vms, nowMs) : liveTable(vms, nowMs)}
<p class="pager">${newer} ${older}</p>
</section>`
  return { title: ended ? 'Ended VMs' : 'VMs', section: 'VMs', main }
}

function liveTable(vms: readonly VmView[], nowMs: number): Html {
  return html`<div class="scroll"><table><thead><tr><th scope="col">VM</th><th scope="col">State</th><th scope="col">Cloud</th><th scope="col" class="wide">Flavor</th><th scope="col" class="n">Jobs</th><th scope="col">Cores in use</th><th scope="col" class="n wide">Load</th><th scope="col" class="n">Age</th><th scope="col" class="n">Heartbeat</th><th scope="col">Reason</th></tr></thead><tbody>
${vms.map(
  (vm) =>
    html`<tr><td>${vmLink(vm.id)}</td><td>${stateMark(vm.state)}</td><td>${clipped(vm.cloud, 40)}</td><td class="wide">${clipped(flavorText(vm), 40)}</td><td class="n">${vm.leases}</td><td>${gauge(vm.used.cores, vm.cores, 'cores in use')}</td><td class="n wide">${vm.beat?.load1.toFixed(1)}</td><td class="n">${agoMark(vm.intendedMs, nowMs)}</td><td class="n">${agoMark(vm.beat?.atMs, nowMs)}</td><td>${clipped(vm.beat?.unhealthy || vm.why || vm.reason, 120)}</td></tr>
`,
)}</tbody></table></div>`
}

/** What is not for jobs says so. */
function flavorText({ flavor, service }: VmView): string {
  return service === undefined ? flavor : `${flavor}, ${service}`
}

function endedTable(vms: readonly VmView[], nowMs: number): Html {
  return html`<div class="scroll"><table><thead><tr><th scope="col">VM</th><th scope="col">State</th><th scope="col">Cloud</th><th scope="col" class="wide">Flavor</th><th scope="col" class="n">Lived</th><th scope="col" class="n">Ended ago</th><th scope="col">Why it ended</th><th scope="col" class="wide">Why it was wanted</th></tr></thead><tbody>
${vms.map(
  (vm) =>
    html`<tr><td>${vmLink(vm.id)}</td><td>${stateMark(vm.state)}</td><td>${clipped(vm.cloud, 40)}</td><td class="wide">${clipped(flavorText(vm), 40)}</td><td class="n">${durationText(Math.max(0, vm.changedMs - vm.intendedMs))}</td><td class="n">${agoMark(vm.endedMs, nowMs)}</td><td>${clipped(vm.why, 120)}</td><td class="wide">${clipped(vm.reason, 100)}</td></tr>
`,
)}</tbody></table></div>`
}

export type VmData = {
  readonly vm: VmView
  readonly facts: readonly FactView[]
  readonly jobs: readonly JobView[]
  readonly hiddenJobs: number
}

/** What the leases of one VM may fill of its page. */
const jobRows = 30

export function vmPage({ vm, facts, jobs, hiddenJobs }: VmData, nowMs: number): Page {
  const main = html`<h1>VM <span class="id">${vm.id}</span></h1>
<section id="vm" data-live>
<p class="lead">${stateMark(vm.state)} ${vm.why || vm.reason}</p>
${record([
  ['Cloud', vm.cloud],
  ['Site', vm.site],
  ["The cloud's id", vm.ref || undefined],
  ['What for', vm.service === undefined ? 'jobs' : `${vm.service} of its site`],
  ['Addresses', vm.addresses?.join(', ') || undefined],
  ['Its cloud says', vm.said],
  ['Flavor', vm.flavor],
  ['Image', vm.image],
  ['Platform', vm.platform],
  ['Tags', vm.tags.join(', ') || undefined],
  ['Serves', vm.vos.length === 0 ? 'every VO' : vm.vos.join(', ')],
  [
    'Cores',
    html`${gauge(vm.used.cores, vm.beat?.size?.cores ?? vm.cores, 'cores in use')}${promisedText(vm, 'cores', String)}`,
  ],
  ['GPUs', vm.gpus && `${vm.used.gpus ?? 0} / ${vm.beat?.size?.gpus ?? vm.gpus}${promisedText(vm, 'gpus', String)}`],
  ['Memory', usedText(vm, 'memoryBytes')],
  ['Disk', usedText(vm, 'diskBytes')],
  ['Other than promised', vm.differs === '' ? undefined : html`<span class="bad">${vm.differs}</span>`],
  ['Found beside the size', foundText(vm)],
  ['Room kept for', reservedText(vm)],
  ['Price', `${vm.pricePerHour} an hour`],
  ['Wanted', momentMark(vm.intendedMs)],
  ['Why it was wanted', vm.reason],
  ['Activated', vm.activeMs ? momentMark(vm.activeMs) : 'not yet'],
  ['Proved its image', vm.provenMs && momentMark(vm.provenMs)],
  ['Counts against its image', vm.fault],
  ['Ended', vm.endedMs && momentMark(vm.endedMs)],
  ['Must end by', vm.endedMs ? undefined : momentMark(vm.endByMs)],
])}
</section>
<div class="columns pair">
<section id="vm-heartbeat" data-live><h2>Last heartbeat</h2>${heartbeatRecord(vm, nowMs)}</section>
<section id="vm-jobs" data-live><h2>Jobs on it</h2>${jobsTable(jobs, nowMs)}
${hiddenJobs > 0 && html`<p class="dim">And ${hiddenJobs} of other VOs.</p>`}</section>
</div>
<section id="vm-story" data-live><h2>What happened</h2>${timeline(facts, `/api/vms/${vm.id}`)}</section>`
  return { title: `VM ${vm.id}`, section: 'VMs', main }
}

function reservedText({ reserved }: VmView): Html | undefined {
  return reserved && html`task queue <span class="id">${reserved.classId}</span> since ${momentMark(reserved.sinceMs)}`
}

function usedText(vm: VmView, of: Amount): string {
  const found = vm.beat?.size?.[of] ?? vm[of]
  return `${bytesText(vm.used[of])} / ${bytesText(found)}${promisedText(vm, of, bytesText)}`
}

function foundText({ found }: VmView): string | undefined {
  if (!found || Object.keys(found).length === 0) return undefined
  return Object.entries(found)
    .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(' ') : value}`)
    .join(', ')
}

/** Empty where its pilot found all that was promised. */
function promisedText({ beat, ...promised }: VmView, of: keyof Resources, show: (amount: number) => string): string {
  const promise = promised[of] ?? 0
  const found = beat?.size ? (beat.size[of] ?? 0) : promise
  return found < promise ? ` (measured; promised: ${show(promise)})` : ''
}

function heartbeatRecord({ beat }: VmView, nowMs: number): Html {
  if (!beat) return empty('No heartbeat yet.')
  return record([
    ['Received', html`${agoMark(beat.atMs, nowMs)} ago`],
    ['Pilot', `${beat.pilotState}, ${beat.payloads} payloads`],
    ['Load', beat.load1.toFixed(2)],
    ['Memory', `${bytesText(beat.memoryUsedBytes)} of ${bytesText(beat.memoryTotalBytes)} used`],
    ['Disk', `${bytesText(beat.diskFreeBytes)} free`],
    ['Idle', durationText(beat.idleMs)],
    ['Isolation of payloads', isolationMark(beat.isolation)],
    ['Agents', beat.version ?? 'not known'],
    ['Unhealthy', beat.unhealthy === '' ? 'no' : html`<span class="bad">${beat.unhealthy}</span>`],
  ])
}

function isolationMark(isolation: string | undefined): Html | string {
  if (isolation === undefined) return 'not known'
  return isolation.startsWith('plain') ? html`<span class="bad">${isolation}</span>` : isolation
}

function jobsTable(jobs: readonly JobView[], nowMs: number): Html {
  if (jobs.length === 0) return empty('It holds no lease.')
  return html`<div class="scroll"><table><thead><tr><th scope="col" class="n">Job</th><th scope="col">State</th><th scope="col">Name</th><th scope="col">Owner</th><th scope="col" class="n">Cores</th><th scope="col" class="n">Running</th></tr></thead><tbody>
${jobs.slice(0, jobRows).map(
  (job) =>
    html`<tr><td class="n">${jobLink(job.id)}</td><td>${stateMark(job.state)}</td><td>${clipped(job.name, 40)}</td><td>${clipped(job.owner, 40)}</td><td class="n">${job.cores}</td><td class="n">${agoMark(job.startedMs, nowMs)}</td></tr>
`,
)}</tbody></table></div>${jobs.length > jobRows && html`<p class="dim">And ${jobs.length - jobRows} more.</p>`}`
}
