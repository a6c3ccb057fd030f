/**
 * The kinds of change that are tried on the code: one function per kind, from a place in the tree to the changes there.
 *
 * A change that another one at the same place implies is left out: where a condition is tried as `false`, the block that it
 * guards is not emptied as well. What is no behaviour is left out in `mutants.ts`, for all kinds alike.
 */

import { asNode, asNodes, type Node, type Place } from './syntax.ts'

export type Change = { readonly start: number; readonly end: number; readonly becomes: string }

type Mutator = (place: Place, text: string) => readonly Change[]

const none: readonly Change[] = []
const comparisons = new Set(['===', '!==', '==', '!=', '<', '<=', '>', '>=', 'in', 'instanceof'])
const bounds = new Map(Object.entries({ '<': '<=', '<=': '<', '>': '>=', '>=': '>' }))
const arithmetic = new Map(
  Object.entries({
    '+': '-',
    '-': '+',
    '*': '/',
    '/': '*',
    '%': '*',
    '**': '*',
    '&': '|',
    '|': '&',
    '^': '&',
    '<<': '>>',
    '>>': '<<',
    '>>>': '<<',
  }),
)
const assignments = new Map(
  Object.entries({
    '+=': '-=',
    '-=': '+=',
    '*=': '/=',
    '/=': '*=',
    '||=': '=',
    '&&=': '=',
    '??=': '=',
  }),
)
/** Calls that give way to what they are called on. */
const dropped = new Set(['filter', 'sort', 'toSorted', 'reverse', 'toReversed', 'slice', 'trim', 'trimStart', 'trimEnd'])
const swapped = new Map(
  Object.entries({
    some: 'every',
    every: 'some',
    startsWith: 'endsWith',
    endsWith: 'startsWith',
    toLowerCase: 'toUpperCase',
    toUpperCase: 'toLowerCase',
    min: 'max',
    max: 'min',
    ceil: 'floor',
    floor: 'ceil',
  }),
)

const instead = ({ start, end }: Node, becomes: string): Change => ({ start, end, becomes })
const source = (text: string, { start, end }: Node): string => text.slice(start, end)
/** Parentheses of its own: the place may bind more tightly than the expression. */
const part = (text: string, node: Node): string => `(${source(text, node)})`

export const isFunction = ({ type }: Node): boolean =>
  type === 'FunctionDeclaration' || type === 'FunctionExpression' || type === 'ArrowFunctionExpression'

function isTruth(node: Node): boolean {
  if (node.type === 'BinaryExpression') return comparisons.has(String(node.operator))
  return node.type === 'UnaryExpression' && node.operator === '!'
}

function condition({ node, key, around: [parent] }: Place): readonly Change[] {
  if (key === 'test' && parent?.type !== 'SwitchCase' && node.type !== 'Literal') {
    const isLoop = /^(?:While|DoWhile|For)Statement$/.test(parent?.type ?? '')
    return isLoop ? [instead(node, 'false')] : [instead(node, 'true'), instead(node, 'false')]
  }
  // As a side of && or || it is left out by `side`; below ! it is turned by the change there.
  const isSeen = parent?.type === 'LogicalExpression' || parent?.type === 'UnaryExpression'
  return isTruth(node) && !isSeen ? [instead(node, 'true'), instead(node, 'false')] : none
}

function boundary({ node }: Place, text: string): readonly Change[] {
  const operator = node.type === 'BinaryExpression' ? bounds.get(String(node.operator)) : undefined
  return operator === undefined ? none : operatorInstead(node, operator, text)
}

function operatorInstead(node: Node, operator: string, text: string): readonly Change[] {
  const left = asNode(node.left)
  const right = asNode(node.right)
  if (!left || !right) return none
  const start = text.indexOf(String(node.operator), left.end)
  return [{ start, end: start + String(node.operator).length, becomes: operator }]
}

const isText = (node: Node | undefined): boolean =>
  node?.type === 'TemplateLiteral' || (node?.type === 'Literal' && typeof node.value === 'string')

function calculation({ node }: Place, text: string): readonly Change[] {
  const operator = node.type === 'BinaryExpression' ? arithmetic.get(String(node.operator)) : undefined
  if (operator === undefined || isText(asNode(node.left)) || isText(asNode(node.right))) return none
  return operatorInstead(node, operator, text)
}

function assignment({ node }: Place, text: string): readonly Change[] {
  const operator = node.type === 'AssignmentExpression' ? assignments.get(String(node.operator)) : undefined
  return operator === undefined || isText(asNode(node.right)) ? none : operatorInstead(node, operator, text)
}

function update({ node, key, around: [parent] }: Place, text: string): readonly Change[] {
  // A loop that counts the wrong way ends at its time limit, as one without a condition would.
  if (node.type !== 'UpdateExpression' || (key === 'update' && parent?.type === 'ForStatement')) return none
  return [
    instead(
      node,
      source(text, node).replace(/\+\+|--/, (sign) => (sign === '++' ? '--' : '++')),
    ),
  ]
}

function sign({ node }: Place, text: string): readonly Change[] {
  const inner = asNode(node.argument)
  const isSigned = node.type === 'UnaryExpression' && (node.operator === '-' || node.operator === '~')
  return isSigned && inner ? [instead(node, part(text, inner))] : none
}

function boolean({ node }: Place): readonly Change[] {
  return node.type === 'Literal' && typeof node.value === 'boolean' ? [instead(node, String(!node.value))] : none
}

/** One side of `&&`, `||` and `??` alone. In a chain each link is left out once. */
function side({ node }: Place, text: string): readonly Change[] {
  const left = asNode(node.left)
  const right = asNode(node.right)
  if (node.type !== 'LogicalExpression' || !left || !right) return none
  const isChain = left.type === 'LogicalExpression' && left.operator === node.operator
  return [instead(node, part(text, left)), ...(isChain ? [] : [instead(node, part(text, right))])]
}

function block({ node, key, around: [parent] }: Place): readonly Change[] {
  if (node.type !== 'BlockStatement' || asNodes(node.body).length === 0 || !parent) return none
  const isBody = key === 'body' && (isFunction(parent) || /^(?:ForOf|ForIn)Statement|^CatchClause/.test(parent.type))
  return isBody || key === 'finalizer' ? [instead(node, '{}')] : none
}

/** A call or an assignment that is not made. The only statement of a block falls with its block or its condition. */
function statement({ node, key, around: [parent] }: Place): readonly Change[] {
  const inner = asNode(node.expression)
  if (node.type !== 'ExpressionStatement' || !inner || !parent || (key !== 'body' && key !== 'consequent')) return none
  const list = asNodes(parent[key])
  const isAlone = parent.type !== 'Program' && list.length < 2
  const isUpdate = inner.type === 'UpdateExpression' || (inner.type === 'AssignmentExpression' && inner.operator !== '=')
  const isSuper = inner.type === 'CallExpression' && asNode(inner.callee)?.type === 'Super'
  return isAlone || isUpdate || isSuper || inner.type === 'Literal' ? none : [instead(node, ';')]
}

function switchCase({ node }: Place): readonly Change[] {
  const body = node.type === 'SwitchCase' ? asNodes(node.consequent) : []
  const [first, last] = [body[0], body.at(-1)]
  return first && last ? [{ start: first.start, end: last.end, becomes: '' }] : none
}

function arrow({ node, key, around: [parent] }: Place): readonly Change[] {
  const isBody = key === 'body' && parent?.type === 'ArrowFunctionExpression' && node.type !== 'BlockStatement'
  const isNothing = node.type === 'Identifier' && node.name === 'undefined'
  return isBody && !isTruth(node) && !isNothing ? [instead(node, 'undefined')] : none
}

/** An entry that an object does not get. Texts and truths have changes of their own, and so have functions. */
function property({ node, key, around: [parent] }: Place): readonly Change[] {
  if (parent?.type !== 'ObjectExpression' || key !== 'properties') return none
  const value = asNode(node.value)
  if (value && (isFunction(value) || isText(value) || typeof value.value === 'boolean')) return none
  const list = asNodes(parent.properties)
  const next = list[list.indexOf(node) + 1]
  return [{ start: node.start, end: next ? next.start : parent.end - 1, becomes: '' }]
}

function array({ node }: Place): readonly Change[] {
  return node.type === 'ArrayExpression' && asNodes(node.elements).length > 0 ? [instead(node, '[]')] : none
}

/** A text with a space between words is wording, which is no behaviour. Compared texts fall with their comparison. */
function text({ node, key, around: [parent] }: Place): readonly Change[] {
  if (!isText(node) || !parent || /^(?:Import|Export)|^TaggedTemplate/.test(parent.type)) return none
  const isName = key === 'key' || (parent.type === 'SwitchCase' && key === 'test')
  const isCompared = parent.type === 'BinaryExpression' && comparisons.has(String(parent.operator))
  const parts = asNodes(node.quasis).map(({ value }) => String((value as { readonly raw: string }).raw))
  const isWording = [node.value, ...parts].some((piece) => typeof piece === 'string' && /\S\s+\S|\w\s|\s\w/.test(piece))
  if (isName || isCompared || isWording) return none
  return [instead(node, node.value === '' ? "'mutated'" : "''")]
}

function call({ node }: Place, sourceText: string): readonly Change[] {
  const callee = asNode(node.callee)
  const [object, name] = [asNode(callee?.object), asNode(callee?.property)]
  if (node.type !== 'CallExpression' || callee?.type !== 'MemberExpression' || !object || !name || callee.computed)
    return none
  const called = String(name.name)
  if (dropped.has(called) && !(called === 'slice' && asNodes(node.arguments).length === 0)) {
    return [instead(node, part(sourceText, object))]
  }
  const other = swapped.get(called)
  return other === undefined ? none : [instead(name, other)]
}

function optional({ node }: Place, sourceText: string): readonly Change[] {
  const before = asNode(node.type === 'CallExpression' ? node.callee : node.object)
  if (node.optional !== true || !before) return none
  const start = sourceText.indexOf('?.', before.end)
  const isName = node.type === 'MemberExpression' && node.computed !== true
  return [{ start, end: start + 2, becomes: isName ? '.' : '' }]
}

/** A pattern that matches anywhere. */
function anchor({ node }: Place, sourceText: string): readonly Change[] {
  if (node.type !== 'Literal' || typeof node.regex !== 'object') return none
  const [begin, end] = [node.start + 1, sourceText.lastIndexOf('/', node.end - 1)]
  const changes: Change[] = []
  if (end - begin < 2) return changes
  if (sourceText[begin] === '^') changes.push({ start: begin, end: begin + 1, becomes: '' })
  if (/[^\\]\$$/.test(sourceText.slice(begin, end))) changes.push({ start: end - 1, end, becomes: '' })
  return changes
}

export const mutators: Readonly<Record<string, Mutator>> = {
  condition,
  boundary,
  calculation,
  assignment,
  update,
  sign,
  boolean,
  side,
  block,
  statement,
  case: switchCase,
  arrow,
  property,
  array,
  text,
  call,
  optional,
  anchor,
}
