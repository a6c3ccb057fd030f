/**
 * XML-RPC as OpenNebula speaks it: one call as a document, and what its answer says. Knows no method and no connection.
 *
 * An answer is an array of success, value and error code, errors included; a fault stands for calls that are none. A value
 * is text or a number that is handed on as text; most are documents of their own, escaped, of up to many megabytes.
 */

import { childOf, escapeXml, listOf, numberOf, parseXml, textOf, unescapeXml, type Node } from './xml.ts'

/** A number goes as a 32-bit integer, which is the only kind that OpenNebula takes. */
export type Parameter = string | number | boolean

export type Failure =
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  | { readonly kind: 'fault'; readonly code: number; readonly message: string }
  /** An answer of something else on the way, or of the server about HTTP. */
  | { readonly kind: 'http'; readonly code: number; readonly message: string }

export type Answer = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly failure: Failure }

export function callText(method: string, parameters: readonly Parameter[]): string {
  const params = parameters.map((one) => `<param><value>${parameterText(one)}</value></param>`).join('')
  return `<?xml version="1.0" encoding="UTF-8"?><methodCall><methodName>${method}</methodName><params>${params}</params></methodCall>`
}

function parameterText(value: Parameter): string {
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`
  if (typeof value === 'string') return `<string>${escapeXml(value)}</string>`
  return `<int>${value}</int>`
}

/** Throws a plain Error where it is no answer at all. */
export function readAnswer(text: string): Answer {
  const { skeleton, long } = withoutLongText(text)
  const response = parseXml(skeleton, 'methodResponse')
  const fault = childOf(response, 'fault')
  if (fault !== undefined) return { ok: false, failure: faultOf(fault) }
  const data = ['params', 'param', 'value', 'array', 'data'].reduce<Node | undefined>(childOf, response)
  const [success, value, code] = listOf(data, 'value')
  const said = textOf(success, 'boolean').trim()
  if (value === undefined || (said !== '1' && said !== '0')) throw new Error('it is no answer of OpenNebula')
  const found = long ?? scalarOf(value)
  if (said === '1') return { ok: true, value: found }
  return { ok: false, failure: { kind: 'error', code: numberOf(code, 'i4'), message: found } }
}

/**
 * The first long text taken out and resolved by itself: a pool of thousands would go letter by letter through the parser,
 * twice, and be copied each time. Text without an element in it ends at the next sign of one.
 */
function withoutLongText(text: string): { skeleton: string; long?: string } {
  const begin = text.indexOf('<string>') + '<string>'.length
  const end = text.indexOf('<', begin)
  if (end - begin < 1000 || !text.startsWith('</string>', end)) return { skeleton: text }
  return { skeleton: text.slice(0, begin) + text.slice(end), long: unescapeXml(text.slice(begin, end)) }
}

function scalarOf(value: Node): string {
  if (typeof value === 'string') return value
  const kind = ['string', 'i4', 'int', 'i8', 'boolean'].find((one) => childOf(value, one) !== undefined)
  return kind === undefined ? '' : textOf(value, kind)
}

function faultOf(fault: Node): Failure {
  const members = listOf(childOf(childOf(fault, 'value'), 'struct'), 'member')
  const memberValue = (name: string): Node => {
    const member = members.find((one) => textOf(one, 'name') === name)
    return childOf(member, 'value') ?? ''
  }
  return { kind: 'fault', code: Number(scalarOf(memberValue('faultCode'))), message: scalarOf(memberValue('faultString')) }
}
