/** What stands around every page: the head, the way to the other pages, who is signed in, and when this was true. */

import type { AssetName } from '../assets.ts'
import { html, type Html } from '../html.ts'
import type { Caller } from '../../../core/access/caller.ts'
import { utcText } from './marks.ts'

export type Section = 'Overview' | 'Queues' | 'VMs' | 'Clouds' | 'Jobs'

export type Page = { readonly title: string; readonly section?: Section; readonly main: Html }

export type Surroundings = {
  readonly assets: Readonly<Record<AssetName, string>>
  readonly version: string
  readonly nowMs: number
  /** undefined: the visitor is not signed in. */
  readonly viewer: Caller | undefined
}

const ways: readonly (readonly [Section, string])[] = [
  ['Overview', '/'],
  ['Queues', '/queues'],
  ['VMs', '/vms'],
  ['Clouds', '/clouds'],
  ['Jobs', '/jobs'],
]

export function framed({ title, section, main }: Page, { assets, version, nowMs, viewer }: Surroundings): string {
  const whole = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Pilotage</title>
<link rel="icon" href="${assets['icon.svg']}" type="image/svg+xml">
<link rel="stylesheet" href="${assets['pilotage.css']}">
<script src="${assets['pilotage.js']}" defer></script>
</head>
<body>
<header class="top">
<a class="brand" href="/">Pilotage</a>
${viewer && nav(section)}
${viewer && who(viewer)}
</header>
<main>
${main}
</main>
<footer>Pilotage ${version} · read at <time datetime="${new Date(nowMs).toISOString()}">${utcText(nowMs)}</time> · all times are UTC
<span id="freshness" role="status"></span></footer>
</body>
</html>
`
  return whole.markup
}

function nav(section: Section | undefined): Html {
  const links = ways.map(
    ([name, path]) => html`<a href="${path}"${name === section && html` aria-current="page"`}>${name}</a>`,
  )
  return html`<nav aria-label="Pages">${links}</nav>`
}

function who({ owner, reach }: Caller): Html {
  const sight = reach === 'any' ? 'every VO' : `VO ${owner.vo}`
  return html`<form class="who" method="post" action="/sign-out"><span><b>${owner.owner}</b> sees ${sight}</span><button>Sign out</button></form>`
}
