/** Jobs, newest first, filtered by state, VO and owner, a page at a time. */

import { jobStates } from '../../../core/model/job.ts'
import { html, type Html } from '../html.ts'
import type { JobView } from '../../views/job.ts'
import type { Page } from './frame.ts'
import { agoMark, clipped, empty, jobLink, pathWith, stateMark, vmLink } from './marks.ts'

export const jobRows = 60

export type JobsData = {
  readonly jobs: readonly JobView[]
  readonly more: number | undefined
  readonly filter: {
    readonly state: string
    readonly vo: string
    readonly owner: string
    readonly before: number | undefined
  }
}

export function jobsPage({ jobs, more, filter }: JobsData, nowMs: number): Page {
  const { state, vo, owner, before } = filter
  const older =
    more !== undefined && html`<a rel="next" href="${pathWith('/jobs', { state, vo, owner, before: more })}">Older</a>`
  const newest = before !== undefined && html`<a href="${pathWith('/jobs', { state, vo, owner })}">Newest</a>`
  const options = ['', ...jobStates].map(
    (one) => html`<option value="${one}"${one === state && html` selected`}>${one === '' ? 'any' : one}</option>`,
  )
  const main = html`<h1>Jobs</h1>
<form class="filter" method="get" action="/jobs">
<label>State <select name="state">${options}</select></label>
<label>VO <input name="vo" value="${vo}" size="12" maxlength="64"></label>
<label>Owner <input name="owner" value="${owner}" size="16" maxlength="64"></label>
<button>Show</button>
</form>
<section id="jobs" data-live>
${jobs.length === 0 ? empty(noneText(filter)) : table(jobs, nowMs)}
<p class="pager">${newest} ${older}</p>
</section>`
  return { title: 'Jobs', section: 'Jobs', main }
}

function noneText({ state, vo, owner, before }: JobsData['filter']): string {
  return state + vo + owner === '' && before === undefined ? 'No job was submitted yet.' : 'No job is like that.'
}

function table(jobs: readonly JobView[], nowMs: number): Html {
  return html`<div class="scroll"><table><thead><tr><th scope="col" class="n">Job</th><th scope="col">State</th><th scope="col">Name</th><th scope="col">VO</th><th scope="col">Owner</th><th scope="col" class="n wide">Attempt</th><th scope="col" class="n">Submitted</th><th scope="col" class="n">Changed</th><th scope="col">VM</th><th scope="col">Why</th></tr></thead><tbody>
${jobs.map(
  (job) =>
    html`<tr><td class="n">${jobLink(job.id)}</td><td>${stateMark(job.state)}</td><td>${clipped(job.name, 40)}</td><td>${job.vo}</td><td>${clipped(job.owner, 40)}</td><td class="n wide">${job.attempt} / ${job.maxAttempts}</td><td class="n">${agoMark(job.submittedMs, nowMs)}</td><td class="n">${agoMark(job.changedMs, nowMs)}</td><td>${vmLink(job.vmId)}</td><td>${clipped(job.reason, 100)}</td></tr>
`,
)}</tbody></table></div>`
}
