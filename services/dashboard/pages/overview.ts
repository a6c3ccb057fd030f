/** The first page: how many jobs and VMs are in which state, by VO and by site, and what just happened. */

import { type JobStateName, jobStates } from '../../../core/model/job.ts'
import { vmStates } from '../../../core/model/vm.ts'
import type { Status } from '../../jobs/status.ts'
import type { CloudRow } from '../../vms/list-clouds.ts'
import type { FactView } from '../../views/fact.ts'
import { html, type Html } from '../html.ts'
import type { Page } from './frame.ts'
import {
  agoMark,
  clipped,
  countText,
  empty,
  factText,
  momentMark,
  pathWith,
  stateMark,
  subjectLink,
  vmLink,
} from './marks.ts'

type Count = { readonly state: string; readonly count: number }

export type OverviewData = Status & {
  readonly clouds: readonly Pick<CloudRow, 'name' | 'stuck'>[]
  /** Oldest first. */
  readonly facts: readonly FactView[]
  readonly lastSeq: number
}

/** More rows than this are for the JSON route. */
const maxRows = 60

export function overviewPage({ jobs, vms, clouds, facts, lastSeq }: OverviewData, nowMs: number): Page {
  const main = html`<h1>Overview</h1>
<section id="tiles" data-live class="tiles" aria-label="Jobs by state">${jobStates.map((state) => tile(state, jobs))}</section>
<section id="attention" data-live>${attention(clouds, nowMs)}</section>
<div class="columns">
<section id="by-vo" data-live><h2>Jobs by VO</h2>${table('VO', jobStates, jobs, ({ vo }) => vo, 'No job was submitted yet.')}</section>
<section id="by-site" data-live><h2>Jobs by site</h2>${table('Site', jobStates, jobs, ({ site }) => site || 'no site yet', 'No job was submitted yet.')}</section>
<section id="by-cloud" data-live><h2>Live VMs by cloud</h2>${table(
    'Cloud, site',
    vmStates,
    vms,
    ({ cloud, site }) => `${cloud}, ${site}`,
    'No VM is there. The director starts some when jobs wait.',
  )}</section>
</div>
<section><h2>Recent facts</h2>
<p id="facts-note" class="dim">Newest first.</p>
<ol class="timeline" id="facts" data-after="${lastSeq}">${[...facts].reverse().map(factRow)}</ol>
${facts.length === 0 && html`<div id="no-facts">${empty('Nothing has happened yet.')}</div>`}</section>`
  return { title: 'Overview', section: 'Overview', main }
}

/** What does not pass by itself. */
function attention(clouds: OverviewData['clouds'], nowMs: number): Html | false {
  const stuck = clouds.flatMap(({ name, stuck: vms }) => vms.map((vm) => ({ ...vm, cloud: name })))
  if (stuck.length === 0) return false
  return html`<h2>Needs attention</h2>
<ul>${stuck.slice(0, maxRows).map(
    ({ cloud, vmId, ref, sinceMs, why }) =>
      html`<li>Cloud ${cloud} does not end VM ${vmLink(vmId)} (there: ${clipped(ref, 60)}), which was asked for ${agoMark(sinceMs, nowMs)} ago: ${clipped(why, 300)}. An administrator of the cloud has to look at it.</li>
`,
  )}</ul>${stuck.length > maxRows && html`<p class="dim">The first ${maxRows} of ${countText(stuck.length)}; <a href="/api/clouds">all as JSON</a>.</p>`}`
}

function tile(state: JobStateName, jobs: readonly Count[]): Html {
  const count = sumOf(jobs.filter((one) => one.state === state))
  return html`<a class="tile ${state.toLowerCase()}${count === 0 && ' none'}" href="${pathWith('/jobs', { state })}"><b>${countText(count)}</b> <span>${state}</span></a>`
}

function table<Row extends Count>(
  head: string,
  states: readonly string[],
  counts: readonly Row[],
  nameOf: (row: Row) => string,
  none: string,
): Html {
  if (counts.length === 0) return empty(none)
  const groups = Map.groupBy(counts, nameOf)
  const rows = [...groups].sort(([, a], [, b]) => sumOf(b) - sumOf(a))
  const shown = states.filter((state) => counts.some((count) => count.state === state && count.count > 0))
  const cells = (some: readonly Row[]): readonly Html[] =>
    [...shown.map((state) => sumOf(some.filter((count) => count.state === state))), sumOf(some)].map(
      (count) => html`<td class="n${count === 0 && ' zero'}">${countText(count)}</td>`,
    )
  return html`<div class="scroll"><table><thead><tr><th scope="col">${head}</th>${shown.map(
    (state) => html`<th scope="col" class="n">${stateMark(state)}</th>`,
  )}<th scope="col" class="n">All</th></tr></thead><tbody>
${rows.slice(0, maxRows).map(([name, some]) => html`<tr><th scope="row">${clipped(name, 60)}</th>${cells(some)}</tr>\n`)}</tbody>${
    rows.length > 1 &&
    html`<tfoot><tr><th scope="row">All${rows.length > maxRows && ` ${rows.length}`}</th>${cells(counts)}</tr></tfoot>`
  }</table></div>`
}

function factRow({ atMs, subject, kind, text }: FactView): Html {
  const about = html`<span class="subject">${subjectLink(subject)}</span>`
  return html`<li>${momentMark(atMs)} ${stateMark(kind)} ${about} ${factText(kind, text, 200)}</li>
`
}

function sumOf(counts: readonly Count[]): number {
  return counts.reduce((sum, { count }) => sum + count, 0)
}
