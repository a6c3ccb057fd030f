import fc from 'fast-check'
import { expect, it } from 'vitest'
import { html } from '../../../services/dashboard/html.ts'
import { pathWith, spanText, countText } from '../../../services/dashboard/pages/marks.ts'

it('shows any text as text: nothing in it can end an element or an attribute', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const { markup } = html`<a title="${text}">${text}</a>`
      expect(markup.match(/[<>"']/g)?.join('')).toBe('<""><>')
      expect(unescaped(markup)).toBe(`<a title="${text}">${text}</a>`)
    }),
  )
})

it('spells out what turns a line around, acts on a terminal or is not seen', () => {
  expect(html`<b>${'a\u202e\u009b\u200b\ud800\n\tb<'}</b>`.markup).toBe('<b>a\\u202e\\u009b\\u200b\\ud800\n\tb&lt;</b>')
})

it('takes only what a template made as markup', () => {
  const forged = { markup: '<b>' } as const
  expect(html`${forged}`.markup).toBe('&lt;b&gt;')
  expect(html`${JSON.parse('{"markup":"<b>"}')}`.markup).toBe('&lt;b&gt;')
  expect(html`${html`<b>${'<'}</b>`}`.markup).toBe('<b>&lt;</b>')
  expect(html`${[html`<i>`, '<', 1]}${undefined}${false}`.markup).toBe('<i>&lt;1')
})

it('builds paths whose parameters cannot leave their place', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (owner) => {
      const url = new URL(pathWith('/jobs', { owner, vo: '', before: undefined }), 'http://here')
      expect([url.pathname, url.hash, [...url.searchParams.keys()]]).toEqual(['/jobs', '', ['owner']])
    }),
  )
})

it.each([
  [-5, '0 s'],
  [12_300, '12 s'],
  [60_000, '1 min'],
  [3_600_000, '1 h'],
  [12_000_000, '3 h 20 min'],
  [200_000_000, '2 d'],
])('%d ms is %s', (ms, text) => expect(spanText(ms)).toBe(text))

it.each([
  [0, '0'],
  [999, '999'],
  [1000, '1\u202f000'],
  [1234567, '1\u202f234\u202f567'],
])('%d is written %s', (count, text) => expect(countText(count)).toBe(text))

function unescaped(markup: string): string {
  const characters: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
  return markup.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => characters[name] ?? '')
}
