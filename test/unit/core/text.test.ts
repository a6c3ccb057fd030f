import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  beginningOf,
  cutText,
  isPlainText,
  isProgramText,
  jsonText,
  outputForTerminal,
  visibleLines,
  visibleText,
} from '../../../core/kernel/text.ts'

/** Any text, rich in what is refused. */
const hostile = [
  ...['\u0000', '\u0007', '\u001b', '\n', '\t', '\r', '\u007f', '\u0080', '\u009b', '\u009d', '\u00ad', '\u034f'],
  ...[
    '\u061c',
    '\u180e',
    '\u200b',
    '\u200d',
    '\u200e',
    '\u2028',
    '\u2029',
    '\u202a',
    '\u202e',
    '\u2060',
    '\u2066',
    '\u2069',
  ],
  ...['\ufe0f', '\ufeff', '\ufff9', '\u{e0041}', '\ud800', '\udfff', '\u3164'],
]
const text = fc.string({
  unit: fc.oneof(fc.constantFrom(...hostile), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })),
})
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
const acts = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/

describe('a name', () => {
  it.each(hostile.map((character) => [character]))('has no %j', (character) => {
    expect(isPlainText(`a${character}b`)).toBe(false)
  })

  it.each(['render', 'a b', 'Zoë', 'Иван', '数値', 'שלום', 'عمر', '🚀', 'naïve – "quoted" \\u001b', ''])(
    'may be %j',
    (name) => {
      expect(isPlainText(name)).toBe(true)
      expect(visibleText(name)).toBe(name)
    },
  )

  it('is plain exactly where showing it changes nothing', () => {
    fc.assert(
      fc.property(text, (name) => {
        expect(isPlainText(name)).toBe(visibleText(name) === name)
      }),
    )
  })

  it('that was shown is plain', () => {
    fc.assert(
      fc.property(text, (name) => {
        expect(isPlainText(visibleText(name))).toBe(true)
      }),
    )
  })
})

it('takes every argument that a program can be given', () => {
  expect(['', 'a\nb\u001b\u202e'].map(isProgramText)).toEqual([true, true])
  expect(['a\0', '\ud800', 'a\udfffb'].map(isProgramText)).toEqual([false, false, false])
})

it('keeps the lines of a text that has several', () => {
  expect(visibleLines('a\tb\r\n\u009b')).toBe('a\tb\\u000d\n\\u009b')
})

it('writes JSON that no terminal acts on and that parses to the same value', () => {
  fc.assert(
    fc.property(fc.dictionary(text, fc.oneof(text, fc.array(text), fc.integer())), (value) => {
      const json = jsonText(value)
      expect(json).not.toMatch(acts)
      expect(json).not.toMatch(/\p{Cs}|\n/u)
      expect(JSON.parse(json)).toEqual(value)
    }),
  )
  expect(jsonText({ name: '\u009b\u202e\u{e0041}' })).toBe('{"name":"\\u009b\\u202e\\udb40\\udc41"}')
  expect(jsonText(undefined)).toBe('null')
})

it('tears no character apart where it cuts', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-composite' }), fc.integer({ min: 1, max: 20 }), (whole, length) => {
      for (const cut of [cutText(whole, length), beginningOf(whole, length)]) {
        expect(cut.length).toBeLessThanOrEqual(length)
        expect(cut.isWellFormed()).toBe(true)
      }
    }),
  )
  expect([cutText('abcd', 4), cutText('abcde', 4), beginningOf('ab🚀', 3)]).toEqual(['abcd', 'abc…', 'ab'])
})

describe('output for a terminal', () => {
  const shown = (bytes: Uint8Array, cuts: readonly number[]): string => {
    const terminal = outputForTerminal()
    const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
    return places.map((to, at) => terminal.next(bytes.subarray(places[at - 1] ?? 0, to))).join('') + terminal.end()
  }

  it('is the same however it is cut, and acts on nothing', () => {
    const bytes = fc.oneof(
      fc.uint8Array(),
      text.map((some) => Buffer.from(some)),
    )
    fc.assert(
      fc.property(bytes, fc.array(fc.nat()), (all, cuts) => {
        const once = shown(all, [])
        expect(shown(all, cuts)).toBe(once)
        expect(once.replace(/[\n\t]/g, '')).not.toMatch(acts)
      }),
    )
  })

  it('keeps text, lines and tabs, and shows controls as cat -v does', () => {
    expect(shown(Buffer.from('Zoë\t👩‍🚀\n'), [3])).toBe('Zoë\t👩‍🚀\n')
    expect(shown(Buffer.from('\u001b[2J\u0000\u007f\r\n\u009b\u202e'), [])).toBe('^[[2J^@^?^M\n\\u009b\\u202e')
    expect(shown(Uint8Array.of(0x61, 0xff, 0x9b, 0xe2, 0x82), [])).toBe('a\ufffd\ufffd\ufffd')
  })
})
