/**
 * YAML from people, read in time linear in its length: the first mistake ends it, and keys are compared by a set.
 *
 * The parser itself would gather every mistake with its line, and compare each key of a mapping with each other one: 64
 * KiB of brackets took four seconds, and a mapping of 30 000 keys ten. One text is one document: what stands in a
 * second one would be lost, so it is refused. An empty document at the end is none.
 */

import { Composer, type Document, isScalar, LineCounter, type ParsedNode, Parser, visit } from 'yaml'
import { parserText } from '../core/kernel/text.ts'

export type ReadYaml = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: string }

type Parsed = Document.Parsed<ParsedNode>

/** Ends the reading. `at`: the place in the text, -1: not known. */
type Stop = (message: string, at: number) => never

/** With more aliases than these the text may mean gigabytes. */
export function readYaml(text: string, maxAliasCount: number): ReadYaml {
  const lines = new LineCounter()
  let mistakeAt = -1
  const stop: Stop = (message, at) => {
    mistakeAt = at
    throw new Error(message)
  }
  try {
    const document = onlyDocument(text, lines, stop)
    refuseEqualKeys(document, stop)
    return { ok: true, value: document.toJS({ maxAliasCount }) as unknown }
  } catch (thrown) {
    // Also too many aliases, or nested deeper than the reader's stack: then no place is known.
    const why = thrown instanceof RangeError ? 'lists and mappings are nested too deeply' : parserText(thrown)
    if (mistakeAt < 0) return { ok: false, why }
    const { line, col } = lines.linePos(mistakeAt)
    return { ok: false, why: `${why} at line ${line}, column ${col}` }
  }
}

function onlyDocument(text: string, lines: LineCounter, stop: Stop): Parsed {
  const composer = new Composer({ schema: 'core', uniqueKeys: false, merge: false, logLevel: 'silent' })
  // The composer calls this own property of it for every mistake and every warning.
  Object.assign(composer, { onError: (place: Place, _code: string, message: string) => stop(message, startOf(place)) })
  const documents: Parsed[] = []
  const keep = (document: Parsed): void => {
    if (documents.length > 0 && !isEmpty(document)) stop('a second document begins', document.range[0])
    documents.push(document)
  }
  for (const token of new Parser(lines.addNewLine).parse(text)) {
    if (token.type === 'error') stop(token.message, token.offset)
    for (const document of composer.next(token)) keep(document)
  }
  for (const document of composer.end(true, text.length)) keep(document)
  const [only] = documents
  if (!only) return stop('there is no document', -1)
  const [left] = [...only.errors, ...only.warnings]
  if (left) stop(left.message, left.pos[0])
  return only
}

/** As the composer names a place: an offset, a range, or a token. */
type Place = number | readonly number[] | { readonly offset: number }

function startOf(place: Place): number {
  if (typeof place === 'number') return place
  return 'offset' in place ? place.offset : (place[0] ?? -1)
}

function isEmpty({ contents }: Parsed): boolean {
  return contents === null || (isScalar(contents) && contents.value === null)
}

function refuseEqualKeys(document: Parsed, stop: Stop): void {
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>()
      for (const { key } of items) {
        if (!isScalar(key)) continue
        if (seen.has(key.value)) stop('map keys must be unique', key.range?.[0] ?? -1)
        seen.add(key.value)
      }
    },
  })
}
