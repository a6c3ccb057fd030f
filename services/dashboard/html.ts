/**
 * HTML from templates that escape by default. What a template is given is text, unless another template made it.
 *
 * Names, arguments and reasons come from users and clouds, so nothing here has a way to trust a string: the only markup
 * is what stands literally in a template of ours. Attributes are always written in double quotes.
 */

import { visibleLines } from '../../core/kernel/text.ts'

export type Html = { readonly markup: string }

export type Part = Html | string | number | false | undefined | readonly Part[]

/** Everything that a template made. Data that merely looks like it is not in here, and is shown as text. */
const made = new WeakSet<object>()

export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const whole: Html = { markup: texts.map((text, at) => text + shownPart(parts[at])).join('') }
  made.add(whole)
  return whole
}

function shownPart(part: Part): string {
  if (part === undefined || part === false) return ''
  if (typeof part === 'string' || typeof part === 'number') return escaped(String(part))
  if ('markup' in part) return made.has(part) ? part.markup : escaped(part.markup)
  return part.map(shownPart).join('')
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Hidden characters are spelled out: a name must not turn the line around that it stands in. */
function escaped(text: string): string {
  return visibleLines(text).replace(/[&<>"']/g, (character) => entities[character] ?? '')
}
