/**
 * The page of one job: its record, how it ended, its story, and rule by rule why it waits or why it runs where it does.
 *
 * Shows what it asks for and not what it runs: arguments and environment may be private, as its output may. They have a page
 * of their own.
 */

import { bytesText, durationText } from '../../../core/kernel/quantities.ts'
import type { Requirements } from '../../../core/model/requirements.ts'
import type { RuleOutcome } from '../../../core/language/rule.ts'
import { html, type Html } from '../html.ts'
import type { ExplanationView, PlaceView } from '../../views/explanation.ts'
import type { FactView } from '../../views/fact.ts'
import type { JobView, ResultView } from '../../views/job.ts'
import { wantedText } from '../../views/task-queue.ts'
import type { Page } from './frame.ts'
import { clipped, empty, momentMark, pathWith, record, stateMark, timeline, vmLink } from './marks.ts'

export type JobData = {
  readonly job: JobView
  readonly requirements: Requirements | undefined
  readonly facts: readonly FactView[]
  readonly explanation: ExplanationView
}

/** Best first; the rest is for the JSON route. */
const maxPlaces = 15

export function jobPage({ job, requirements, facts, explanation }: JobData): Page {
  const main = html`<h1>Job ${job.id} <small>${clipped(job.name, 128)}</small></h1>
<section id="job" data-live>
<p class="lead">${stateMark(job.state)} ${job.reason}</p>
${record([
  ['VO', html`<a href="${pathWith('/jobs', { vo: job.vo })}">${job.vo}</a>`],
  ['Group', job.group],
  ['Owner', html`<a href="${pathWith('/jobs', { vo: job.vo, owner: job.owner })}">${job.owner}</a>`],
  ['Priority', job.priority],
  ['Attempt', `${job.attempt} of at most ${job.maxAttempts}`],
  ['Machine losses', `${job.machineLosses}; Failed at ${job.maxMachineLosses}`],
  ['Asks for', requirements && wantedText(requirements)],
  ['Submitted as', requirements && html`<a href="/jobs/${job.id}/spec">its specification</a>`],
  ['Task queue', html`<span class="id">${job.classId}</span>`],
  ['Waits for', job.waitsFor > 0 ? `${job.waitsFor} other jobs` : undefined],
  ['VM', job.vmId === '' ? 'none yet' : vmLink(job.vmId)],
  ['Cores', job.cores || undefined],
  ['Submitted', momentMark(job.submittedMs)],
  ['Started', job.startedMs && momentMark(job.startedMs)],
  ['Changed', momentMark(job.changedMs)],
  ['Lease until', job.leaseUntilMs && momentMark(job.leaseUntilMs)],
])}
</section>
<section id="job-explain" data-live><h2>Why</h2>
<p class="lead">${clipped(explanation.summary, 1000)}</p>
${ruleTable(explanation.places)}
</section>
${job.result && html`<section><h2>Result</h2>${resultRecord(job.result)}</section>`}
<section id="job-story" data-live><h2>What happened</h2>${timeline(facts, `/api/jobs/${job.id}`)}</section>`
  return { title: `Job ${job.id}`, section: 'Jobs', main }
}

function resultRecord(result: ResultView): Html {
  return record([
    ['End', result.end],
    ['Exit code', result.exitCode],
    ['Signal', result.signal || undefined],
    ['Detail', result.detail === '' ? undefined : clipped(result.detail, 1000)],
    ['Wall time', durationText(result.wallMs)],
    ['CPU time', durationText(result.cpuMs)],
    ['Peak memory', bytesText(result.peakMemoryBytes)],
    ['Started', momentMark(result.startedMs)],
    ['Ended', momentMark(result.endedMs)],
    ['Output', `${bytesText(result.stdoutBytes)} stdout, ${bytesText(result.stderrBytes)} stderr`],
    ['Dropped', result.droppedBytes > 0 ? `${bytesText(result.droppedBytes)} beyond the cap` : undefined],
  ])
}

/** A column a rule, a row a place: what the job wants above, what each place offers below, and which of it is not enough. */
function ruleTable(places: readonly PlaceView[]): Html {
  const rules = places[0]?.rules
  if (!rules) return empty('There is no place to look at.')
  const shown = places.slice(0, maxPlaces)
  const hasNotes = shown.some(({ note }) => note !== '')
  return html`<div class="scroll"><table class="rules"><thead><tr><th scope="col">Place</th><th scope="col">Fits</th>${rules.map(
    ({ rule }) => html`<th scope="col">${rule}</th>`,
  )}${hasNotes && html`<th scope="col">Note</th>`}</tr>
<tr class="wanted"><th scope="row">wanted</th><td></td>${rules.map(({ wanted }) => html`<td>${clipped(wanted, 60)}</td>`)}${hasNotes && html`<td></td>`}</tr></thead><tbody>
${shown.map(
  ({ place, fits, rules: outcomes, note }) =>
    html`<tr><th scope="row" class="place">${clipped(place, 90)}</th><td class="fits">${stateMark(fits ? 'Yes' : 'No')}${!fits && html` for ${failing(outcomes)}`}</td>${outcomes.map(ruleCell)}${hasNotes && html`<td class="note">${note}</td>`}</tr>
`,
)}</tbody></table></div>${places.length > shown.length && html`<p class="dim">The ${shown.length} closest of ${places.length} places.</p>`}`
}

function failing(rules: readonly RuleOutcome[]): string {
  return rules
    .filter(({ holds }) => !holds)
    .map(({ rule }) => rule)
    .join(', ')
}

function ruleCell({ holds, offered }: RuleOutcome): Html {
  return holds ? html`<td>${clipped(offered, 60)}</td>` : html`<td class="no">✗ ${clipped(offered, 60)}</td>`
}
