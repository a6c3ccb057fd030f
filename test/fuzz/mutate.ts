/**
 * New inputs from old ones: characters replaced, pieces cut out, doubled, moved and joined with pieces of another
 * input, words of the target put in, numbers made extreme, and now and then a piece repeated until the input is as long
 * as it may be.
 */

import type { Chance } from './chance.ts'
import type { FuzzTarget } from './target.ts'

/** Ends of ranges, of types and of what JavaScript counts exactly. */
const numbers = [
  '0',
  '-1',
  '1e999',
  '9007199254740993',
  '18446744073709551616',
  '0x10',
  '1e-7',
  '.5',
  '١',
  '00000000000000000000000000000001',
]
const characters = [
  '\u0000',
  '\n',
  '\r',
  '\t',
  '"',
  "'",
  '\\',
  '{',
  '}',
  '[',
  ']',
  '(',
  ')',
  '%',
  ';',
  '=',
  ',',
  ':',
  '#',
  '&',
  '*',
  '!',
  '|',
  '>',
  '-',
  ' ',
  '/',
  '\u202e',
  '\ud800',
  '\ufeff',
  '🚀',
  '__proto__',
]

/** The next input of a target. */
export function nextInput(target: FuzzTarget, chance: Chance): string {
  const isMade = target.seeds.length === 0 || chance.is(0.4)
  const base = isMade ? target.make(chance) : chance.pick(target.seeds)
  if (isMade && chance.is(0.5)) return cut(base, target.maxBytes)
  const other = target.seeds.length === 0 ? target.make(chance) : chance.pick(target.seeds)
  let input = base
  for (let left = 1 + chance.below(6); left > 0; left -= 1) input = mutated(input, other, target.words, chance)
  if (chance.is(0.01)) input = grown(input, target.maxBytes, chance)
  return cut(input, target.maxBytes)
}

function mutated(input: string, other: string, words: readonly string[], chance: Chance): string {
  const at = chance.below(input.length + 1)
  const to = Math.min(input.length, at + 1 + chance.below(chance.is(0.2) ? input.length + 1 : 8))
  const [before, piece, after] = [input.slice(0, at), input.slice(at, to), input.slice(to)]
  switch (chance.below(9)) {
    case 0:
      return before + chance.pick(characters) + after
    case 1:
      return before + after
    case 2:
      return before + piece + piece + after
    case 3:
      return before + chance.pick(words.length === 0 ? characters : words) + input.slice(at)
    case 4:
      return before + String.fromCharCode(chance.below(chance.is(0.9) ? 256 : 65_536)) + input.slice(at + 1)
    case 5:
      return before + sliceOf(other, chance) + after
    case 6:
      return replacedNumber(input, chance)
    case 7:
      return before + chance.pick(characters).repeat(1 + chance.below(40)) + input.slice(at)
    default:
      return after + piece + before
  }
}

function sliceOf(text: string, chance: Chance): string {
  const at = chance.below(text.length + 1)
  return text.slice(at, at + chance.below(text.length + 1))
}

function replacedNumber(input: string, chance: Chance): string {
  const found = [...input.matchAll(/\d+/g)]
  if (found.length === 0) return input + chance.pick(numbers)
  const { 0: old, index } = chance.pick(found)
  return input.slice(0, index) + chance.pick(numbers) + input.slice(index + old.length)
}

/** A piece of it, again and again: what costs more than its length shows itself. */
function grown(input: string, maxBytes: number, chance: Chance): string {
  const at = chance.below(input.length + 1)
  const piece = input.slice(at, at + 1 + chance.below(chance.is(0.5) ? 4 : 200)) || chance.pick(characters)
  return input.slice(0, at) + piece.repeat(Math.ceil(maxBytes / piece.length)) + input.slice(at)
}

/** At most this many bytes of UTF-8, ended at a character. */
function cut(input: string, maxBytes: number): string {
  if (input.length * 3 <= maxBytes || Buffer.byteLength(input) <= maxBytes) return input
  const text = input.slice(0, maxBytes)
  if (Buffer.byteLength(text) <= maxBytes) return text
  return Buffer.from(text).subarray(0, maxBytes).toString('utf8').slice(0, -1)
}
