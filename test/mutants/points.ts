/**
 * Which test runs which part of the code: the sources get a call at the beginning of each block, which notes that the block
 * ran.
 *
 * The instrumented sources lie on disk, so processes that a test starts note their blocks as well. A note is a line in the
 * file `sink`: the process, the number of the source file, and the block. Point 0 is the module itself.
 */

import { isFunction } from './mutators.ts'
import { asNodes, type Node, type Place, parse, walk } from './syntax.ts'

export type Point = { readonly start: number; readonly end: number }

type Insert = { readonly at: number; readonly text: string; readonly isEnd: boolean }

export type Instrumented = { readonly text: string; readonly points: readonly Point[] }

/** As `notes` reads them: a thread of its own counts as another process. */
const prelude = (file: number, sink: string): string =>
  `const __pPoint=(()=>{const g=globalThis,s=new Set();let r;return(n)=>{if(r!==g.__pRound){r=g.__pRound;s.clear()}` +
  `if(s.has(n))return;s.add(n);try{const m=process.getBuiltinModule("node:worker_threads").isMainThread;` +
  `process.getBuiltinModule("node:fs").appendFileSync(${JSON.stringify(sink)},` +
  `(m?process.pid:"thread")+" ${file} "+n+"\\n")}catch{}}})();__pPoint(0);`

export function instrument(path: string, text: string, file: number, sink: string): Instrumented {
  const points: Point[] = [{ start: 0, end: text.length }]
  const inserts: Insert[] = []
  const root = parse(path, text)
  const note = (node: Point): string => {
    points.push({ start: node.start, end: node.end })
    return `__pPoint(${points.length - 1})`
  }
  walk(root, (place) => {
    inserts.push(...insertsAt(place, note))
    return true
  })
  const begin = text.startsWith('#!') ? text.indexOf('\n') + 1 : 0
  return { text: text.slice(0, begin) + prelude(file, sink) + inserted(text.slice(begin), inserts, begin), points }
}

function insertsAt({ node, key, around: [parent] }: Place, note: (node: Point) => string): readonly Insert[] {
  if (!parent) return []
  const isBranch =
    (parent.type === 'IfStatement' && key !== 'test') ||
    (/^(?:For|While|DoWhile)/.test(parent.type) && key === 'body') ||
    (parent.type === 'CatchClause' && key === 'body')
  if (node.type === 'BlockStatement') {
    const isBlock = isBranch || (isFunction(parent) && key === 'body') || parent.type === 'TryStatement'
    return isBlock ? [{ at: node.start + 1, text: `${note(node)};`, isEnd: false }] : []
  }
  if (node.type === 'SwitchCase') {
    const body = asNodes(node.consequent)
    const [first, last] = [body[0], body.at(-1)]
    return first && last ? [{ at: first.start, text: `${note({ start: first.start, end: last.end })};`, isEnd: false }] : []
  }
  if (isBranch) return wrapped(node, `{${note(node)};`, '}')
  const isValue =
    (parent.type === 'ArrowFunctionExpression' && key === 'body') ||
    (parent.type === 'ConditionalExpression' && key !== 'test')
  return isValue ? wrapped(node, `(${note(node)},`, ')') : []
}

const wrapped = ({ start, end }: Node, begin: string, close: string): readonly Insert[] => [
  { at: start, text: begin, isEnd: false },
  { at: end, text: close, isEnd: true },
]

/** At one place what ends comes before what begins, and what is inner ends first. Inserts come outermost first. */
function inserted(text: string, inserts: readonly Insert[], offset: number): string {
  const ends = inserts.filter(({ isEnd }) => isEnd).toReversed()
  const begins = inserts.filter(({ isEnd }) => !isEnd)
  const pieces: string[] = []
  let done = 0
  for (const { at, text: piece } of [...ends, ...begins].toSorted((a, b) => a.at - b.at)) {
    pieces.push(text.slice(done, at - offset), piece)
    done = at - offset
  }
  return pieces.join('') + text.slice(done)
}

/** The innermost point that a change lies in. */
export function pointOf(points: readonly Point[], { start, end }: Point): number {
  let best = 0
  for (const [index, point] of points.entries()) {
    const inner = points[best]
    const isIn = point.start <= start && end <= point.end
    if (isIn && inner && point.end - point.start <= inner.end - inner.start) best = index
  }
  return best
}

/** What one test file runs: of each source file the points, each with its tests, or with 'all' if no single test has it. */
export type Covered = ReadonlyMap<string, readonly string[] | 'all'>

/**
 * Reads the notes of one test file. Lines `T PID ID` and `E PID` come from the setup file around each test. What runs
 * between tests, in another process, or while two tests run at once belongs to all tests of the file.
 */
export function notes(lines: readonly string[]): Covered {
  const tests = lines.filter((line) => line.startsWith('T '))
  const isConcurrent = lines
    .filter((line) => /^[TE] /.test(line))
    .some((line, index) => (index % 2 === 0) !== line.startsWith('T '))
  const worker = tests[0]?.split(' ')[1]
  const covered = new Map<string, Set<string> | 'all'>()
  let current: string | undefined
  for (const line of lines) {
    const [first = '', second = '', third = ''] = line.split(' ')
    if (first === 'T') current = third
    else if (first === 'E') current = undefined
    else {
      const point = `${second}:${third}`
      const known = covered.get(point)
      if (isConcurrent || current === undefined || first !== worker || known === 'all') covered.set(point, 'all')
      else covered.set(point, (known ?? new Set()).add(current))
    }
  }
  return new Map([...covered].map(([point, which]) => [point, which === 'all' ? which : [...which]]))
}
