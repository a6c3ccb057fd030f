/**
 * Text that people read: what a name or a reason may consist of, and how any text is shown without acting on who reads it.
 *
 * Control characters move a terminal's cursor, direction marks turn a line around, and invisible characters make two names
 * look like one. Names and reasons are refused with any of them. Text that is already there (a payload's output, a cloud's
 * error) is shown with them spelled out. The client, the service and the pages use these functions and no others.
 */

import { jobLimits } from './limits.ts'

/**
 * Controls (C0, DEL, C1), lone surrogates, line and paragraph separators, direction marks, everything that Unicode shows as
 * nothing (zero width, variation selectors, tags), and the marks of interlinear annotation.
 */
const hidden = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/u
const everyHidden = new RegExp(hidden.source, 'gu')

/** What a payload may print to a terminal: joined emoji and accents stay, since no terminal acts on them. */
const acting = /[\p{Cc}\p{Bidi_Control}]/gu

/** What is accepted, in words for a violation. */
export const plainTextForm = 'printable characters, without controls, direction marks and invisible ones'

/** A name, a key or a reason: every character of it is seen, in the order in which it stands. */
export function isPlainText(text: string): boolean {
  return !hidden.test(text)
}

/** An argument or a variable's value: a program takes any text but NUL, and a lone surrogate has no bytes to be sent as. */
export function isProgramText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}

/** The same text with each hidden character spelled out, as `\u009b`. */
export function visibleText(text: string): string {
  return text.replace(everyHidden, spelledOut)
}

/** As `visibleText`, over several lines: line ends and tabs stay. */
export function visibleLines(text: string): string {
  return text.replace(everyHidden, (character) => (isLayout(character) ? character : spelledOut(character)))
}

/** JSON on one line that a terminal shows and does not act on. It parses to the same value as without the escapes. */
export function jsonText(value: unknown): string {
  return visibleText(JSON.stringify(value) ?? 'null')
}

/** What a parser says, on one line: behind an empty line it shows where it stopped, and a mark below. */
export function parserText(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return (text.split(/:?\n\n/, 1)[0] ?? '').replace(/\s+/g, ' ').trim()
}

/** A number of things: `1 job`, `2 jobs`. */
export function counted(number: number, noun: string): string {
  return `${number} ${number === 1 ? noun : `${noun}s`}`
}

/** At most `length` characters, an ellipsis included; a pair of surrogates is not torn apart. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text
  return `${whole(text.slice(0, length - 1))}…`
}

/** The beginning of a text, at most `length` characters, without half a pair of surrogates at its end. */
export function beginningOf(text: string, length: number): string {
  return text.length <= length ? text : whole(text.slice(0, length))
}

/**
 * A payload's output for a terminal, piece by piece, as `cat -v` shows it: `^[` for ESC, `^?` for DEL, `\u009b` for others;
 * line ends and tabs stay. A character that two pieces share is put together. `end` gives what is left.
 */
export function outputForTerminal(): { next(piece: Uint8Array): string; end(): string } {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  return {
    next: (piece) => caretText(decoder.decode(piece, { stream: true })),
    end: () => caretText(decoder.decode()),
  }
}

function caretText(text: string): string {
  return text.replace(acting, (character) => {
    if (isLayout(character)) return character
    const code = character.charCodeAt(0)
    // The key that makes it: ^A is 1, ^[ is 27, ^? is 127.
    return code < 0x80 ? `^${String.fromCharCode(code ^ 0x40)}` : spelledOut(character)
  })
}

function isLayout(character: string): boolean {
  return character === '\n' || character === '\t'
}

/** By UTF-16 units, as JSON writes them. */
function spelledOut(character: string): string {
  return Array.from({ length: character.length }, (_, at) => {
    return `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
  }).join('')
}

function whole(text: string): string {
  return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text
}

/** The names of things that clouds, sites, images and operators give: no spaces, no control characters. */
export function isName(text: string): boolean {
  return text.length <= jobLimits.nameInListLength && nameShape.test(text)
}

const nameShape = /^[A-Za-z0-9][A-Za-z0-9._:/+-]*$/

/** Of decimal digits, with a point and an exponent where there are such; NaN of anything else. */
export function decimalNumber(text: string): number {
  return /^[+-]?\d+(\.\d*)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN
}
