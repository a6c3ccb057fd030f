/** Task queues: what waits, for whom, since when, what it asks for, and what it waits for. */

import type { WaitingQueue, WaitingQueues } from '../../jobs/task-queues.ts'
import { waitsForText, wantedText } from '../../views/task-queue.ts'
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
    html`<tr><td class="n"><b>${countText(waiting)}</b></td><td class="n">${agoMark(oldestMs, nowMs)}</td><td class="n wide">${topPriority}</td><td>${queue.vo}</td><td class="wide">${queue.group}</td><td>${clipped(queue.owner, 40)}</td><td>${clipped(wantedText(queue.requirements), 160)}</td><td>${clipped(waitsForText(waitsFor), 200)}</td></tr>
`,
)}</tbody></table></div>`
}
