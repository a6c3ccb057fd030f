/** The pages without anybody signed in: the one field, and what is shown when something is refused. */

import type { PilotageError } from '../../../core/kernel/errors.ts'
import { html } from '../html.ts'
import { refusalOf } from '../refusals.ts'
import type { Page } from './frame.ts'

/** `to`: the path where it goes on. `wrong`: why the last try was refused; empty: there was none. */
export function signInPage(to: string, wrong: string): Page {
  const main = html`<section class="sign-in"><h1>Sign in</h1>
${wrong !== '' && html`<p class="wrong" role="alert">${wrong}</p>`}
<form method="post" action="/sign-in">
<input type="hidden" name="to" value="${to}">
<label for="token">Token</label>
<input id="token" name="token" type="password" required autofocus autocomplete="off" spellcheck="false" maxlength="4096">
<button>Sign in</button>
</form>
<p class="dim">A token of this installation. The administrator's is a file in the service's data directory; <code>pilotage token create</code> makes others.</p>
</section>`
  return { title: 'Sign in', main }
}

export function refusedPage(error: PilotageError): Page {
  const { status, body } = refusalOf(error)
  const title = status === 404 ? 'Not found' : status >= 500 ? 'Something went wrong' : 'Refused'
  const main = html`<section><h1>${title}</h1>
<p class="wrong" role="alert">${body.message}</p>
${body.violations.map(({ path, value, rule, accepted }) => html`<p><b>${path}</b>: ${value}. ${rule}; accepted: ${accepted}</p>`)}
<p class="dim">Code ${body.code}. <a href="/">Overview</a></p></section>`
  return { title, main }
}
