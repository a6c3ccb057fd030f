/** Task queues: what waits, for whom, since when, what it asks for, and what it waits for. */

import { bytesText, durationText } from '../../../core/kernel/quantities.ts'
import type { Requirements } from '../../../core/model/requirements.ts'
import type { WaitingQueue, WaitingQueues } from '../../jobs/task-queues.ts'
import { html, type Html } from '../html.ts'
import type { Page } from './frame.ts'
import { agoMark, clipped, countText, empty } from './marks.ts'

/** Most waiting first: the rest is for the JSON route. */
export const queueRows = 60

export function queuesPage({ total, waiting, queues }: WaitingQueues, nowMs: number): Page {
  const main = html`<h1>Task queues</h1>
<section id="queues" data-live>
<p class="lead">${countText(waiting)} jobs wait in ${countText(total)} task queues. Jobs with equal requirements, VO, group and owner share one.${
    total > queueRows && html` The ${queueRows} longest; <a href="/api/queues?limit=1000">all as JSON</a>.`
  }</p>
${queues.length === 0 ? empty('Nothing waits.') : table(queues, nowMs)}
</section>`
  return { title: 'Task queues', section: 'Queues', main }
}

function table(queues: readonly WaitingQueue[], nowMs: number): Html {
  return html`<div class="scroll"><table><thead><tr><th scope="col" class="n">Waiting</th><th scope="col" class="n">Oldest</th><th scope="col" class="n wide">Top priority</th><th scope="col">VO</th><th scope="col" class="wide">Group</th><th scope="col">Owner</th><th scope="col">Asks for</th><th scope="col">Waits for</th></tr></thead><tbody>
${queues.map(
  ({ queue, waiting, topPriority, oldestMs, waitsFor }) =>
    html`<tr><td class="n"><b>${countText(waiting)}</b></td><td class="n">${agoMark(oldestMs, nowMs)}</td><td class="n wide">${topPriority}</td><td>${queue.vo}</td><td class="wide">${queue.group}</td><td>${clipped(queue.owner, 40)}</td><td>${clipped(wantedText(queue.requirements), 160)}</td><td>${clipped(waitsFor, 200)}</td></tr>
`,
)}</tbody></table></div>`
}

/** In one line, without what is not asked for. */
export function wantedText({ cores, memoryBytes, diskBytes, wallMs, platforms, sites, clouds, tags }: Requirements): string {
  const { min, max } = cores
  return [
    min === max ? `${min} ${min === 1 ? 'core' : 'cores'}` : `${min} to ${max} cores`,
    `${bytesText(memoryBytes)} memory`,
    `${bytesText(diskBytes)} disk`,
    `${durationText(wallMs)} wall time`,
    platforms.length > 0 && `platform ${platforms.join(' or ')}`,
    sites.allowed.length > 0 && `at ${sites.allowed.join(' or ')}`,
    sites.banned.length > 0 && `not at ${sites.banned.join(', ')}`,
    clouds.allowed.length > 0 && `on ${clouds.allowed.join(' or ')}`,
    clouds.banned.length > 0 && `not on ${clouds.banned.join(', ')}`,
    tags.length > 0 && `tags ${tags.join(', ')}`,
  ]
    .filter(Boolean)
    .join(', ')
}
