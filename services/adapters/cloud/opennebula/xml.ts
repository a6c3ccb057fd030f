/**
 * XML as OpenNebula writes it: elements with text or elements in them, no attributes, lists by repetition. All values stay
 * text; what is one or several is asked for as a list. Entities are resolved once, outside of CDATA only.
 *
 * A document type is refused: this protocol has none, and entities that a document defines can expand without limit. The
 * parser would accept a document that was cut off, so its end is checked.
 */

import { XMLParser } from 'fast-xml-parser'

export type Node = string | { readonly [name: string]: Node | readonly Node[] }

const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  // Ids, names and addresses are text, also those that look like numbers.
  parseTagValue: false,
  trimValues: false,
  processEntities: true,
  // Of every VM, the larger half of it, and nothing that we read.
  stopNodes: ['..HISTORY_RECORDS', '..MONITORING', '..NIC', '..GRAPHICS', '..SECURITY_GROUP_RULE'],
})

/** The element `root`. Throws a plain Error that says what is wrong, without the content. */
export function parseXml(text: string, root: string): Node {
  demandWhole(text, root)
  const found = childOf(parser.parse(text) as Node, root)
  if (found === undefined) throw new Error(`it is no ${root}`)
  return found
}

/**
 * The texts of all elements of one name within `root`, each a document that can be parsed by itself: a pool of thousands in
 * one piece would keep everything else of this process waiting.
 */
export function splitXml(text: string, root: string, name: string): readonly string[] {
  demandWhole(text, root)
  const found: string[] = []
  let [depth, begin] = [0, 0]
  for (const { 0: sign, 1: closes, index } of text.matchAll(
    new RegExp(`<!\\[CDATA\\[[\\s\\S]*?\\]\\]>|<(/?)${name}>`, 'g'),
  )) {
    if (closes === undefined) continue
    if (closes === '' && depth === 0) begin = index
    depth += closes === '' ? 1 : -1
    if (closes === '/' && depth === 0) found.push(text.slice(begin, index + sign.length))
  }
  if (depth !== 0) throw new Error(`a ${name} in it does not end`)
  return found
}

function demandWhole(text: string, root: string): void {
  // Content may hold these words; what is before the first element may not.
  if (/<!DOCTYPE/i.test(text.slice(0, 4096).split(`<${root}`, 1)[0] ?? '')) throw new Error('it has a document type')
  const end = text.slice(-200).trimEnd()
  if (!end.endsWith(`</${root}>`) && !end.endsWith(`<${root}/>`)) throw new Error(`it does not end as ${root}`)
}

/** The first of that name. */
export function childOf(node: Node | undefined, name: string): Node | undefined {
  return listOf(node, name)[0]
}

export function listOf(node: Node | undefined, name: string): readonly Node[] {
  if (node === undefined || typeof node === 'string' || !Object.hasOwn(node, name)) return []
  const found = node[name]
  if (found === undefined) return []
  return isList(found) ? found : [found]
}

/** Down a path; empty where there is nothing, as an empty element is. */
export function textOf(node: Node | undefined, ...path: readonly string[]): string {
  const found = path.reduce<Node | undefined>(childOf, node)
  return typeof found === 'string' ? found : ''
}

/** The names of an element's elements, with their text: what has elements of its own is left out. */
export function textsOf(node: Node | undefined): ReadonlyMap<string, string> {
  if (node === undefined || typeof node === 'string') return new Map()
  const pairs = Object.entries(node).map(([name, value]) => [name, isList(value) ? value[0] : value] as const)
  return new Map(pairs.flatMap(([name, value]) => (typeof value === 'string' && name !== '#text' ? [[name, value]] : [])))
}

/** `NaN` where it is none. */
export function numberOf(node: Node | undefined, ...path: readonly string[]): number {
  const text = textOf(node, ...path).trim()
  return text === '' ? Number.NaN : Number(text)
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\r', '&#13;')
}

/** The five entities that every document has, and characters by number. */
export function unescapeXml(text: string): string {
  if (!text.includes('&#')) {
    return text
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
      .replaceAll('&apos;', "'")
      .replaceAll('&amp;', '&')
  }
  return text.replaceAll(/&(?:(lt|gt|quot|apos|amp)|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi, (whole, name, decimal, hex) => {
    if (name !== undefined) return entities[name] ?? whole
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }

function isList(value: Node | readonly Node[]): value is readonly Node[] {
  return Array.isArray(value)
}
