import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isGzip, utf8Reader, utf8Text } from '../../../core/kernel/file-text.ts'

const swapped = (bytes: Buffer): Buffer => Buffer.from(bytes).swap16()
const text = 'executable: /bin/true\n'

it.each([
  ['gzip', gzipSync(text), 'the file is a gzip file; accepted: UTF-8 text'],
  ['zstd', Buffer.from('28b52ffd00112233', 'hex'), 'the file is a zstd file; accepted: UTF-8 text'],
  ['xz', Buffer.from('fd377a585a000004', 'hex'), 'the file is an xz file; accepted: UTF-8 text'],
  ['bzip2', Buffer.from('BZh91AY&'), 'the file is a bzip2 file; accepted: UTF-8 text'],
  ['UTF-16', Buffer.from(text, 'utf16le'), 'the file is UTF-16 text; accepted: UTF-8 text'],
  ['UTF-16, large ends first', swapped(Buffer.from(text, 'utf16le')), 'the file is UTF-16 text; accepted: UTF-8 text'],
  ['UTF-16 with its mark', Buffer.from(`\ufeff${text}`, 'utf16le'), 'the file is UTF-16 text; accepted: UTF-8 text'],
  ['one character of UTF-16', Buffer.from('{', 'utf16le'), 'the file is UTF-16 text; accepted: UTF-8 text'],
  ['UTF-32', Buffer.from('fffe000031000000', 'hex'), 'the file is UTF-32 text; accepted: UTF-8 text'],
  ['UTF-32 without a mark', Buffer.from('3100000032000000', 'hex'), 'the file is UTF-32 text; accepted: UTF-8 text'],
  ['zeros', Buffer.alloc(100), 'the file is not text (it begins with zeros); accepted: UTF-8 text'],
  ['Latin-1', Buffer.from('name: Rén\u00e9\n', 'latin1'), 'the file is not UTF-8 text'],
  ['a character that is cut off', Buffer.from('é').subarray(0, 1), 'the file is not UTF-8 text'],
])('names %s where UTF-8 is expected', (_, bytes, message) => {
  expect(() => utf8Text(bytes, 'the file')).toThrow(message)
})

it('reads UTF-8 however it is cut, without its mark', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 9 }), (letters, size) => {
      const given = `a${letters.replaceAll('\0', '')}`
      const reader = utf8Reader('the file')
      const bytes = Buffer.from(`\ufeff${given}`)
      let read = ''
      for (let at = 0; at < bytes.length; at += size) read += reader.next(bytes.subarray(at, at + size))
      expect(read + reader.end()).toBe(given)
    }),
  )
  expect(utf8Text(new Uint8Array(), 'the file')).toBe('')
})

it('knows gzip by its beginning', () => {
  expect(isGzip(gzipSync(''))).toBe(true)
  expect(isGzip(Buffer.from('; trace'))).toBe(false)
})
