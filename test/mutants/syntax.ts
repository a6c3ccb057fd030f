/**
 * Source text as a tree: the parser that vitest's own bundler brings, and what the mutators ask of a node.
 *
 * Types are no part of the tree that is walked: they have no behaviour. Positions are offsets into the text, and parentheses
 * are no nodes of their own, so a node's text may stand in parentheses that do not belong to it.
 */

import { parseSync } from 'rolldown/utils'

export type Node = { readonly type: string; readonly start: number; readonly end: number } & Readonly<
  Record<string, unknown>
>

/** A node with the nodes around it, the innermost first. */
export type Place = { readonly node: Node; readonly key: string; readonly around: readonly Node[] }

/** Expressions that only add a type to another expression. */
const typed = new Set(['TSAsExpression', 'TSSatisfiesExpression', 'TSNonNullExpression'])

/** Throws for a text that is no TypeScript. */
export function parse(path: string, text: string): Node {
  const { program, errors } = parseSync(path, text, { preserveParens: false })
  const [error] = errors
  if (error) throw new Error(`${path}: ${error.message}`)
  return program as unknown as Node
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

export function asNode(value: unknown): Node | undefined {
  return isNode(value) ? value : undefined
}

export function asNodes(value: unknown): readonly Node[] {
  return Array.isArray(value) ? value.filter(isNode) : []
}

/** The nodes below this one that have behaviour, in the order of the text. */
export function children(node: Node): readonly (readonly [string, Node])[] {
  return Object.entries(node)
    .flatMap(([key, value]) => (isNode(value) ? [value] : asNodes(value)).map((child) => [key, child] as const))
    .filter(([, child]) => !child.type.startsWith('TS') || typed.has(child.type))
    .toSorted(([, a], [, b]) => a.start - b.start)
}

/**
 * Calls `visit` for the node and all below it, an outer node before its inner ones. `visit` returns false to stay outside.
 */
export function walk(root: Node, visit: (place: Place) => boolean): void {
  const enter = (node: Node, key: string, around: readonly Node[]): void => {
    if (!visit({ node, key, around })) return
    const inner = [node, ...around]
    for (const [childKey, child] of children(node)) enter(child, childKey, inner)
  }
  enter(root, '', [])
}

/** `a.b.c` for a chain of names, with `this` as a name; '' for anything else. */
export function dotted(node: Node | undefined): string {
  if (node?.type === 'Identifier') return String(node.name)
  if (node?.type === 'ThisExpression') return 'this'
  if (node?.type === 'ChainExpression') return dotted(asNode(node.expression))
  if (node?.type !== 'MemberExpression' || node.computed === true) return ''
  const object = dotted(asNode(node.object))
  return object === '' ? '' : `${object}.${String(asNode(node.property)?.name)}`
}

export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}
