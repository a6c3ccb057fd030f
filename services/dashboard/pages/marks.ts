/**
 * The small things that every page is made of: states, times, links, numbers against a limit, lists of facts.
 *
 * A state is always written out, its colour only repeats it. Long texts are clipped where many stand together; the page of
 * the thing itself shows them whole.
 */

import { isVmId } from '../../../core/kernel/ids.ts'
import type { FactView } from '../../views/fact.ts'
import { html, type Html, type Part } from '../html.ts'

/** The first word is its colour, where it has one. */
export function stateMark(state: string): Html {
  return html`<span class="state ${/^[a-z-]*/.exec(state.toLowerCase())?.[0]}">${state}</span>`
}

/** 2026-11-21 08:37:47 */
export function utcText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
}

export function momentMark(ms: number): Html {
  return html`<time datetime="${new Date(ms).toISOString()}">${utcText(ms)}</time>`
}

/** How long ago, coarse; the moment itself is one hover away. */
export function agoMark(ms: number | undefined, nowMs: number): Html {
  if (!ms) return html`<span class="dim">–</span>`
  return html`<time datetime="${new Date(ms).toISOString()}" title="${utcText(ms)}">${spanText(nowMs - ms)}</time>`
}

/** The largest unit that says something: 12 s, 5 min, 3 h 20 min, 4 d. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} d`
}

/** 12 345: digits in threes, by a thin space that does not break. */
export function countText(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, '\u202f')
}

export function clipped(text: string, length = 140): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`
}

export function jobLink(id: number): Html {
  return html`<a href="/jobs/${id}">${id}</a>`
}

export function vmLink(id: string): Html {
  return isVmId(id) ? html`<a class="id" href="/vms/${id}">${id}</a>` : html`<span class="dim">–</span>`
}

export function subjectLink(subject: string): Html {
  const job = /^job:(\d+)$/.exec(subject)?.[1]
  if (job !== undefined) return html`<a href="/jobs/${job}">job ${job}</a>`
  if (subject.startsWith('vm:') && isVmId(subject.slice(3)))
    return html`<a href="/vms/${subject.slice(3)}">${subject.slice(3)}</a>`
  if (/^(?:cloud|image):/.test(subject)) return html`<a href="/clouds">${clipped(subject.replace(':', ' '), 40)}</a>`
  return html`${clipped(subject.replace(':', ' '), 40)}`
}

/** A number of a maximum, as figures and as a bar. */
export function gauge(used: number, most: number, name: string): Html {
  const bar = Number.isFinite(most) && most > 0
  const limit = Number.isFinite(most) ? countText(most) : 'no limit'
  return html`<span class="gauge"><span>${countText(used)} / ${limit}</span>${
    bar && html`<meter min="0" max="${most}" high="${most * 0.9}" value="${used}" aria-label="${name}"></meter>`
  }</span>`
}

/** Name and value pairs; an undefined value is left out. */
export function record(pairs: readonly (readonly [string, Part])[]): Html {
  const rows = pairs
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)
  return html`<dl class="record">${rows}</dl>`
}

/** What happened to one thing, oldest first. */
export function timeline(facts: readonly FactView[], whole: string): Html {
  if (facts.length === 0) return empty('No facts yet.')
  const maxShown = 80
  const left = facts.length - maxShown
  const note = left > 0 && html`<p class="dim">The last ${maxShown}; <a href="${whole}">all as JSON</a>.</p>`
  const rows = facts.slice(-maxShown).map(
    ({ atMs, kind, text }) =>
      html`<li>${momentMark(atMs)} ${stateMark(kind)} ${factText(kind, text, 240)}</li>
`,
  )
  return html`${note}<ol class="timeline">${rows}</ol>`
}

export function factText(kind: string, text: string, maxCharacters: number): Html {
  return html`<span class="fact-text">${clipped(withoutKind(kind, text), maxCharacters)}</span>`
}

/** A fact's line without the kind that stands beside it already. */
function withoutKind(kind: string, text: string): string {
  return text === kind ? '' : text.startsWith(`${kind}: `) ? text.slice(kind.length + 2) : text
}

export function empty(text: string): Html {
  return html`<p class="empty">${text}</p>`
}

/** A path with these parameters; empty ones are left out. */
export function pathWith(path: string, parameters: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') query.set(name, String(value))
  }
  const text = query.toString()
  return text === '' ? path : `${path}?${text}`
}
