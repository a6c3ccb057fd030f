/**
 * Reads a source file as the structure test needs it: what is code, what is comment, what it imports, what is not ours.
 *
 * A scanner and not a parser: it knows strings, templates, regular expressions and comments, so that no word inside them is
 * taken for code, and nothing of types. What stays true: blanked texts have the length and the lines of the original, so a
 * position in one is a position in all.
 */

export type SourceText = {
  /** The original. */
  readonly text: string
  /** Code alone: what stands in comments, strings, templates and regular expressions is blank, their quotes are not. */
  readonly code: string
  /** Comments alone. */
  readonly comments: string
}

export type ImportKind = 'value' | 'type' | 'dynamic'
export type Import = { readonly specifier: string; readonly kind: ImportKind; readonly line: number }

type Mode = 'code' | 'line' | 'block' | 'regex' | "'" | '"' | '`'

/** After one of these a slash begins a regular expression; after anything else it divides. */
const beforeRegex =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield))\s*$/

export function readSource(text: string): SourceText {
  const code: string[] = []
  const comments: string[] = []
  /** Where templates were left for an expression: how many braces are open in it. */
  const templates: number[] = []
  let mode: Mode = 'code'
  let inClass = false
  const put = (from: number, count: number, to: 'code' | 'comment' | 'neither'): void => {
    for (const letter of text.slice(from, from + count)) {
      const blank = letter === '\n' ? '\n' : ' '.repeat(letter.length)
      code.push(to === 'code' ? letter : blank)
      comments.push(to === 'comment' ? letter : blank)
    }
  }
  for (let at = 0; at < text.length; ) {
    const two = text.slice(at, at + 2)
    const one = two.charAt(0)
    if (mode === 'code') {
      const next = modeAt(two, () => code.slice(-40).join(''))
      if (next !== 'code') {
        mode = next
        inClass = false
      } else if (one === '{' && templates.length > 0) templates.push((templates.pop() ?? 0) + 1)
      else if (one === '}' && templates.length > 0) {
        const open = templates.pop() ?? 0
        if (open === 0) mode = '`'
        else templates.push(open - 1)
      }
      const isComment = mode === 'line' || mode === 'block'
      put(at, isComment ? 2 : 1, isComment ? 'comment' : 'code')
      at += isComment ? 2 : 1
      continue
    }
    if (mode === 'line' || mode === 'block') {
      const ends = mode === 'line' ? one === '\n' : two === '*/'
      const count = ends && mode === 'block' ? 2 : 1
      put(at, count, 'comment')
      at += count
      if (ends) mode = 'code'
      continue
    }
    if (one === '\\') {
      put(at, 2, 'neither')
      at += 2
      continue
    }
    if (mode === 'regex' && (one === '[' || one === ']')) inClass = one === '['
    if (mode === '`' && two === '${') {
      templates.push(0)
      put(at, 2, 'code')
      at += 2
      mode = 'code'
      continue
    }
    const closes = mode === 'regex' ? one === '/' && !inClass : one === mode
    put(at, 1, closes ? 'code' : 'neither')
    at += 1
    if (closes) mode = 'code'
  }
  return { text, code: code.join(''), comments: comments.join('') }
}

function modeAt(two: string, before: () => string): Mode {
  if (two === '//') return 'line'
  if (two === '/*') return 'block'
  const one = two.charAt(0)
  if (one === "'" || one === '"' || one === '`') return one
  return one === '/' && beforeRegex.test(before()) ? 'regex' : 'code'
}

const statement = /(?:^|[;}\n])[ \t]*((?:import|export)\b[^'";]*?)\bfrom\s*['"]/g
const bare = /(?:^|[;}\n])[ \t]*import\s*['"]/g
const dynamic = /\bimport\s*\(\s*['"]/g
const thread = /\bnew URL\(\s*['"]/g

/** Every import, in the file's order: statements, re-exports, `import()`, and files named by `new URL('./x.ts', ...)`. */
export function importsOf(source: SourceText): readonly Import[] {
  const found: (Import & { readonly at: number })[] = []
  const collect = (pattern: RegExp, kindOf: (match: RegExpMatchArray) => ImportKind): void => {
    for (const match of source.code.matchAll(pattern)) {
      const open = match.index + match[0].length
      const close = source.code.indexOf(source.code.charAt(open - 1), open)
      const specifier = source.text.slice(open, close)
      if (pattern === thread && !specifier.startsWith('.')) continue
      found.push({ specifier, kind: kindOf(match), line: lineOf(source.text, open), at: open })
    }
  }
  collect(statement, (match) => (/^(?:import|export)\s+type\b(?!\s*,)/.test(match[1] ?? '') ? 'type' : 'value'))
  collect(bare, () => 'value')
  collect(dynamic, () => 'dynamic')
  collect(thread, () => 'dynamic')
  return found.sort((a, b) => a.at - b.at).map(({ specifier, kind, line }) => ({ specifier, kind, line }))
}

/** Lines of code that match, as numbers. */
export function linesWith(code: string, pattern: RegExp): readonly number[] {
  const global = new RegExp(pattern.source, `${pattern.flags.replace('g', '')}g`)
  return [...code.matchAll(global)].map(({ index }) => lineOf(code, index))
}

export function lineOf(text: string, at: number): number {
  let line = 1
  for (let end = text.indexOf('\n'); end >= 0 && end < at; end = text.indexOf('\n', end + 1)) line += 1
  return line
}

/** Whether a file says nothing of its own: only imports and re-exports. */
export function isBarrel({ code }: SourceText): boolean {
  const rest = code
    .replace(/\b(?:import|export)\b[^'";]*?\bfrom\s*(['"])\s*\1/g, '')
    .replace(/\bimport\s*(['"])\s*\1/g, '')
    .replace(/\bexport\s*(?:type\s*)?\{[^}]*\}/g, '')
  return /\bexport\b/.test(code) && /^[\s;]*$/.test(rest)
}
