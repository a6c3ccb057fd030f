/**
 * The page of what was submitted as a job: a document that `pilotage submit` takes. For those alone who may read its output.
 */

import type { SpecView } from '../../views/spec.ts'
import { html } from '../html.ts'
import type { Page } from './frame.ts'
import { jobLink } from './marks.ts'

/** `document`: as JSON has it, which is YAML too. */
export function specPage(id: number, document: SpecView): Page {
  const main = html`<h1>Job ${id} <small>as it was submitted</small></h1>
<section><p class="lead">With the defaults filled in. <code>pilotage submit</code> takes it as it is; <code>pilotage job spec ${id}</code> prints it. The job: ${jobLink(id)}</p>
<pre>${JSON.stringify(document, undefined, 2)}</pre></section>`
  return { title: `Job ${id} as submitted`, section: 'Jobs', main }
}
