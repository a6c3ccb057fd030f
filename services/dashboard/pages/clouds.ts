/**
 * Clouds: what is in use of what is allowed, what is switched off by failures, which images VMs may be made from, and what
 * the last plan decided and why.
 */

import type { ListedImage } from '../../images/list-images.ts'
import { actionText, breakersText, type CloudsView, measuredText } from '../../views/cloud.ts'
import { html, type Html } from '../html.ts'
import { type ImageView, imageView } from '../../views/image.ts'
import type { Page } from './frame.ts'
import { agoMark, clipped, countText, empty, gauge, momentMark, stateMark, vmLink } from './marks.ts'

/** More is for the JSON route. */
const cloudRows = 30
const planRows = 50
const imageRows = 50

export function cloudsPage({ clouds, plan }: CloudsView, images: readonly ListedImage[], nowMs: number): Page {
  const main = html`<h1>Clouds</h1>
<section id="clouds" data-live>
${clouds.length === 0 ? empty('No cloud is configured.') : cloudTable(clouds, nowMs)}
</section>
<section id="plan" data-live><h2>The last plan</h2>
${plan.length === 0 ? empty('There is nothing to do and nothing to hold.') : planTable(plan, nowMs)}
</section>
<section id="images" data-live><h2>Images</h2>
${images.length === 0 ? empty('The catalogue is empty, and no cloud needs an image.') : imageTable(images.map(imageView))}
</section>`
  return { title: 'Clouds', section: 'Clouds', main }
}

function imageTable(images: readonly ImageView[]): Html {
  return html`<div class="scroll"><table><thead><tr><th scope="col">Image</th><th scope="col">State</th><th scope="col">Sites</th><th scope="col">Valid until</th><th scope="col">Endorsed by</th><th scope="col">VMs</th></tr></thead><tbody>
${images.slice(0, imageRows).map(
  (image) =>
    html`<tr><th scope="row">${image.name}</th><td>${stateMark(image.state)}</td><td>${clipped(image.sites.join(', '), 80)}</td><td>${image.validUntilMs ? momentMark(image.validUntilMs) : ''}</td><td>${image.endorsedBy ?? ''}${image.distrust !== '' && html` <span class="dim">not trusted</span>`}</td><td>${clipped(usesText(image), 300)}</td></tr>
`,
)}</tbody></table></div>${images.length > imageRows && html`<p class="dim">The first ${imageRows} of ${images.length}; <a href="/api/images">all as JSON</a>.</p>`}`
}

/** Where VMs may be made, and why not elsewhere. */
function usesText({ uses, revokedBy, revokedWhy }: ImageView): string {
  if (uses.length > 0) return uses.map(({ cloud, why }) => `${cloud}: ${why === '' ? 'yes' : why}`).join('; ')
  return revokedBy === undefined ? 'no cloud is configured with it' : `revoked by ${revokedBy}: ${revokedWhy}`
}

function cloudTable(clouds: CloudsView['clouds'], nowMs: number): Html {
  return html`<div class="scroll"><table><thead><tr><th scope="col">Cloud</th><th scope="col">Kind</th><th scope="col">Site</th><th scope="col">VMs</th><th scope="col">Cores</th><th scope="col" class="n">Read ago</th><th scope="col">Breaker</th></tr></thead><tbody>
${clouds.slice(0, cloudRows).map(
  (cloud) =>
    html`<tr><th scope="row">${cloud.name}</th><td>${cloud.kind}</td><td>${cloud.site}</td><td>${gauge(cloud.vms, cloud.maxVms, 'VMs')}</td><td>${gauge(cloud.cores, cloud.maxCores, 'cores')}</td><td class="n">${agoMark(cloud.listedMs, nowMs)}</td><td>${breakerMark(cloud)}${measuredMark(cloud)}</td></tr>
`,
)}</tbody></table></div>${clouds.length > cloudRows && html`<p class="dim">The first ${cloudRows} of ${clouds.length}; <a href="/api/clouds">all as JSON</a>.</p>`}`
}

function breakerMark(cloud: CloudsView['clouds'][number]): Html {
  if (cloud.breakers.length === 0) return stateMark('Closed')
  const isOpen = cloud.breakers.some(({ state }) => state === 'open')
  return html`${stateMark(isOpen ? 'Open' : 'Half-open')} ${clipped(breakersText(cloud), 300)}`
}

function measuredMark(cloud: CloudsView['clouds'][number]): Html {
  const text = measuredText(cloud)
  return html`${text !== '' && html`<div class="dim">${clipped(text, 300)}</div>`}`
}

function planTable(plan: CloudsView['plan'], nowMs: number): Html {
  const atMs = plan[0]?.atMs ?? 0
  const more =
    plan.length > planRows &&
    html` Its first ${planRows} of ${countText(plan.length)} lines; <a href="/api/clouds">all as JSON</a>.`
  return html`<p class="lead">Made ${agoMark(atMs, nowMs)} ago.${more}</p>
<div class="scroll"><table><thead><tr><th scope="col">Action</th><th scope="col" class="n">Count</th><th scope="col">What</th><th scope="col">Reason</th></tr></thead><tbody>
${plan.slice(0, planRows).map(
  ({ action, why, count, subject, reason }) =>
    html`<tr><td>${stateMark(actionText({ action, why }))}</td><td class="n">${countText(count)}</td><td>${subject.startsWith('vm-') ? vmLink(subject) : clipped(subject, 80)}</td><td>${clipped(reason, 240)}</td></tr>
`,
)}</tbody></table></div>`
}
