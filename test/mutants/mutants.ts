/**
 * All mutants of a file: where, by which mutator, what stood there and what stands there instead.
 *
 * Left out as no behaviour, with all that lies inside: lines for the log, and assertions, which only say what holds anyway.
 * The order is that of the text, so that a sample repeats.
 */

import { type Change, mutators } from './mutators.ts'
import { asNode, dotted, lineAt, type Node, parse, walk } from './syntax.ts'

export type Mutant = Change & {
  readonly file: string
  readonly line: number
  readonly mutator: string
  /** The text that it replaces. */
  readonly was: string
  /** The line or lines of the file that it stands in, without the space around them. */
  readonly code: string
}

/** The text between these is part of one mutant: longer ones are shown in part. */
const maxShown = 60

export function mutantsOf(file: string, text: string): readonly Mutant[] {
  const found = new Map<string, Mutant>()
  walk(parse(file, text), (place) => {
    if (isNoBehaviour(place.node)) return false
    for (const [mutator, changesAt] of Object.entries(mutators)) {
      for (const change of changesAt(place, text)) {
        const id = `${change.start}-${change.end}-${change.becomes}`
        if (!found.has(id)) found.set(id, mutantOf(file, text, mutator, change))
      }
    }
    return true
  })
  return [...found.values()].toSorted((a, b) => a.start - b.start || a.end - b.end)
}

function mutantOf(file: string, text: string, mutator: string, change: Change): Mutant {
  const { start, end } = change
  const from = text.lastIndexOf('\n', start - 1) + 1
  const to = text.indexOf('\n', start)
  const code = text.slice(from, to === -1 ? undefined : to).trim()
  return { ...change, file, line: lineAt(text, start), mutator, was: text.slice(start, end), code }
}

/** `log.warn(...)`, `this.log.info(...)`, `assert(...)` and the end of an exhaustive switch. */
function isNoBehaviour(node: Node): boolean {
  if (node.type === 'ExpressionStatement' || node.type === 'ReturnStatement') {
    const inner = asNode(node.expression) ?? asNode(node.argument)
    return inner !== undefined && isNoBehaviour(inner)
  }
  if (node.type === 'SwitchCase' && node.test === null) {
    const body = Array.isArray(node.consequent) ? (node.consequent as readonly Node[]) : []
    return body.length === 1 && body[0] !== undefined && isNoBehaviour(body[0])
  }
  if (node.type === 'ChainExpression') return isNoBehaviour(node.expression as Node)
  if (node.type !== 'CallExpression') return false
  const name = dotted(asNode(node.callee))
  return name === 'assert' || name === 'never' || /(?:^|\.)log\.(?:debug|info|warn|error)$/i.test(name)
}

export function applied(text: string, { start, end, becomes }: Change): string {
  return text.slice(0, start) + becomes + text.slice(end)
}

export function shown({ file, line, mutator, was, becomes }: Mutant): string {
  return `${file}:${line} ${mutator}: ${short(was)} -> ${becomes === '' ? '(nothing)' : short(becomes)}`
}

function short(text: string): string {
  const line = text.replace(/\s+/g, ' ')
  return line.length > maxShown ? `${line.slice(0, maxShown / 2)} ... ${line.slice(-maxShown / 2)}` : line
}
