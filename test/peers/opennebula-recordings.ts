/**
 * Recorded exchanges with a real OpenNebula, by number: what was asked, what came back, byte for byte. Knows how to put
 * other values into an answer, and nothing of when to give it. What is not recorded is an error here, never made up.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { XMLParser, XMLValidator } from 'fast-xml-parser'

export type Value = { readonly kind: string; readonly text: string }
export type Call = { readonly method: string; readonly parameters: readonly Value[] }

export type Recordings = {
  /** The answer's body of the recording with this number. */
  answer(number: string): string
  /** A whole answer with its HTTP headers. */
  http(number: string): string
  request(number: string): Call
  /** Every recorded call of a method, but those that are no call. */
  callsOf(method: string): readonly Call[]
}

export function readRecordings(folder: string): Recordings {
  const files = readdirSync(folder)
  const read = (number: string, ending: string): string => {
    const name = files.find((file) => file.startsWith(`${number}-`) && file.endsWith(ending))
    if (name === undefined) throw new Error(`there is no recording ${number} with ${ending} in ${folder}`)
    return readFileSync(join(folder, name), 'utf8')
  }
  const isCall = (file: string): boolean =>
    file.endsWith('.request.xml') && !read(file.slice(0, 3), '.response.xml').includes('<fault>')
  const calls = files.filter(isCall).map((file) => readCall(readFileSync(join(folder, file), 'utf8')))
  return {
    answer: (number) => read(number, '.response.xml'),
    http: (number) => read(number, '.response.http'),
    request: (number) => known(readCall(read(number, '.request.xml')), `request ${number}`),
    callsOf: (method) => calls.flatMap((call) => (call?.method === method ? [call] : [])),
  }
}

const parser = new XMLParser({
  parseTagValue: false,
  trimValues: false,
  ignoreAttributes: true,
  isArray: (name) => name === 'param',
})

/** Undefined: it is no well-formed call. */
export function readCall(text: string): Call | undefined {
  if (XMLValidator.validate(text) !== true) return undefined
  const { methodCall } = parser.parse(text) as {
    methodCall?: { methodName?: string; params?: { param?: readonly { value?: Record<string, string> }[] } }
  }
  if (methodCall?.methodName === undefined) return undefined
  const parameters = (methodCall.params?.param ?? []).map(({ value }) => {
    const [kind, content] = Object.entries(value ?? {}).find(([name]) => name !== '#text') ?? ['none', '']
    // Two names of one type.
    return { kind: kind === 'i4' ? 'int' : kind, text: String(content) }
  })
  return { method: methodCall.methodName, parameters }
}

/** The document that an answer's value is, as it was before it was escaped. */
export function documentIn(answer: string): string {
  const content = known(/<string>([^<]*)<\/string>/.exec(answer)?.[1], 'a value')
  return content.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
}

export function withDocument(answer: string, document: string): string {
  const escaped = document.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return answer.replace(/<string>[^<]*<\/string>/, () => `<string>${escaped}</string>`)
}

/** The value of a call that gives an id. */
export function withId(answer: string, id: number): string {
  return answer.replace(/<i4>\d+<\/i4>/, `<i4>${id}</i4>`)
}

/** A message in which what is said of one thing is said of another. */
export function withWords(answer: string, ...pairs: readonly (readonly [RegExp, string])[]): string {
  return withDocument(
    answer,
    pairs.reduce((text, [from, to]) => text.replace(from, () => to), documentIn(answer)),
  )
}

/** The first element of that name gets another content; one that is not there is an error. */
export function withElement(document: string, name: string, content: string): string {
  const shape = new RegExp(`<${name}>.*?</${name}>`, 's')
  if (!shape.test(document)) throw new Error(`there is no ${name} to write into`)
  return document.replace(shape, () => `<${name}>${content}</${name}>`)
}

export function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is not in the recordings`)
  return value
}
